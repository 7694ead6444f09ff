#!/usr/bin/env bash
# Runs tests under sanitizers of GCC's:
#
#   tools/sanitize.sh [PATTERN]            suite "sanitize", addresses and undefined behaviour: the rooms that load no
#                                          compiler and no generated code
#   tools/sanitize.sh --thread [PATTERN]   suite "threads", races between threads: what calls, compiles and caches
#   … --slow                               with what is too long for continuous integration
#
# The directory is KROTON_BUILD_DIR, else build-sanitized or build-threads.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=sanitize sanitizer=address,undefined directory=build-sanitized
if [[ ${1:-} == --thread ]]; then
  suite=threads sanitizer=thread directory=build-threads
  shift
fi
suites=(--suite=$suite)
if [[ ${1:-} == --slow ]]; then
  suites+=("--suite=$suite-slow")
  shift
fi
build=${KROTON_BUILD_DIR:-$PWD/$directory}

if [[ ! -f $build/build.ninja ]]; then
  mkdir -p "$build"
  echo "configuring $build (-fsanitize=$sanitizer)"
  meson setup "$build" . -Dbuildtype=plain -Doptimization=1 -Dcpp_args=-g1 -Db_ndebug=false -Db_lundef=false \
    "-Db_sanitize=$sanitizer" "-Dllvm=$(tools/install_deps.sh --installed-llvm)" \
    >"$build/sanitize.log" 2>&1 || { cat "$build/sanitize.log"; exit 1; }
fi
mapfile -t targets < <(python3 tools/run_tests.py "$build" "${suites[@]}" --targets)
echo "building ${#targets[@]} test executables and plugins"
ninja -C "$build" "${targets[@]}" >"$build/sanitize.log" 2>&1 || { cat "$build/sanitize.log"; exit 1; }

export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# A race ends the process that it is found in, also a child whose exit status its parent alone sees. Locks are not taken in
# one order everywhere: those of shared variables are sorted by address. Threads are started in children of forks.
export TSAN_OPTIONS=halt_on_error=1:detect_deadlocks=0:die_after_fork=0:history_size=4:suppressions=$PWD/tools/thread_sanitizer.txt
exec python3 tools/run_tests.py "$build" "${suites[@]}" "$@"
