#!/usr/bin/env bash
# Prints the Python that has the libraries of bench/peers/requirements.txt, making its virtual
# environment on first use and bringing it up to date when the requirements change. It lies outside
# the repository, in ${XDG_CACHE_HOME:-~/.cache}/kroton-bench/venv.
set -euo pipefail

requirements=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/bench/peers/requirements.txt
venv=${XDG_CACHE_HOME:-$HOME/.cache}/kroton-bench/venv

if ! cmp -s "$requirements" "$venv/installed.txt"; then
  echo "installing the libraries of bench/peers/requirements.txt into $venv" >&2
  if ! python3 -m venv "$venv" >&2; then
    echo "peers: python3 cannot make virtual environments; install python3-venv" >&2
    exit 1
  fi
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
  cp "$requirements" "$venv/installed.txt"
fi
echo "$venv/bin/python"
