#!/usr/bin/env bash
# Runs the tests of suite "sanitize" under the address and undefined-behaviour sanitizers: the rooms
# that load no compiler and no generated code. The directory is KROTON_BUILD_DIR, else build-sanitized.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${KROTON_BUILD_DIR:-$PWD/build-sanitized}

if [[ ! -f $build/build.ninja ]]; then
  mkdir -p "$build"
  echo "configuring $build (address and undefined-behaviour sanitizers)"
  meson setup "$build" . -Dbuildtype=plain -Doptimization=1 -Dcpp_args=-g1 -Db_ndebug=false -Db_lundef=false \
    -Db_sanitize=address,undefined "-Dllvm=$(tools/install_deps.sh --installed-llvm)" \
    >"$build/sanitize.log" 2>&1 || { cat "$build/sanitize.log"; exit 1; }
fi
mapfile -t targets < <(python3 tools/run_tests.py "$build" --suite=sanitize --targets)
echo "building ${#targets[@]} test executables and plugins"
ninja -C "$build" "${targets[@]}" >"$build/sanitize.log" 2>&1 || { cat "$build/sanitize.log"; exit 1; }

export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
exec python3 tools/run_tests.py "$build" --suite=sanitize "$@"
