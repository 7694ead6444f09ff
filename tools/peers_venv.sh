#!/usr/bin/env bash
# Prints the Python that has the libraries of bench/peers/requirements*.txt, making its virtual
# environment on first use and bringing it up to date when the requirements change. It lies outside
# the repository, in ${XDG_CACHE_HOME:-~/.cache}/kroton-bench/venv. PyTorch's package for Linux
# brings CUDA along, 3 GB of downloads; where it cannot be had, the others do without it.
set -euo pipefail

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/bench/peers
venv=${XDG_CACHE_HOME:-$HOME/.cache}/kroton-bench/venv

# install FILE: 0 if what FILE names is there.
install() {
  local mark=$venv/installed-$(basename "$1")
  if cmp -s "$1" "$mark"; then return; fi
  echo "installing the libraries of $1 into $venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$1" >&2 && cp "$1" "$mark"
}

if [[ ! -x $venv/bin/pip ]] && ! python3 -m venv "$venv" >&2; then
  echo "peers: python3 cannot make virtual environments; install python3-venv" >&2
  exit 1
fi
install "$peers/requirements.txt"
install "$peers/requirements-torch.txt" || echo "peers: going on without PyTorch" >&2
echo "$venv/bin/python"
