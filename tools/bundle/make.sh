#!/usr/bin/env bash
# Makes a directory with the test and bench programs for machines with a GPU and all that they need
# but the driver and the CUDA libraries.
#
#   make.sh BUILD DIR      BUILD is a build directory in which the programs are up to date
#
# It keeps the layout of the build directory, whose programs find their libraries by run paths
# relative to themselves: nothing needs to be set to run it.
# Of the machine that runs it, it asks for Linux on x86-64, its C library and a POSIX shell.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
build=$1
bundle=$2

newest_glibc=2.36
largest_mib=60
programs=(test/test-gpu test/test-conformance bench/bench bench/startup bench/empty tools/kroton/kroton)

die() { printf 'bundle: %s\n' "$*" >&2; exit 1; }

# Removes an earlier bundle, and nothing that is no bundle.
if [[ -e $bundle && ! -e $bundle/run-gpu-tests && -n $(ls -A "$bundle") ]]; then
  die "$bundle holds something else than a bundle; remove it by hand or name another directory"
fi
rm -rf "$bundle"
mkdir -p "$bundle/jit"

# put FILE PLACE: without symbols that only a debugger reads.
put() {
  mkdir -p "$(dirname "$bundle/$2")"
  strip --strip-unneeded -o "$bundle/$2" "$1"
}

for program in "${programs[@]}"; do put "$build/$program" "$program"; done
put "$build/jit/libkroton.so" jit/libkroton.so.0

# What the C library brings is the machine's own; everything else that is linked travels along.
from_glibc='^(ld-linux-x86-64|linux-vdso|lib(c|m|dl|rt|pthread|resolv))\.so'
while read -r name path; do
  [[ $name =~ $from_glibc || -e $bundle/jit/$name ]] || put "$path" "jit/$name"
done < <(for program in "${programs[@]}"; do ldd "$build/$program"; done | awk '$2 == "=>" { print $1, $3 }' | sort -u)

# Code for the CPU that stands beside the GPU's, for each level that this machine can run.
for level in x86-64-v4 x86-64-v3; do
  KROTON_CPU=$level KROTON_CACHE_DIR=$(realpath "$bundle")/cache "$build/bench/bench" --compile-cpu
done
chmod -R go+rX "$bundle/cache"

mkdir -p "$bundle/bench/peers"
cp "$root"/bench/peers/*.py "$bundle/bench/peers/"
install -m 755 "$here/run-gpu-tests" "$here/run-gpu-bench" "$bundle/"
cp "$here/find-gpu.sh" "$here/README" "$root/LICENSE" "$bundle/"

needed=$(cd "$bundle" && objdump -T jit/* "${programs[@]}" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
needed=${needed#GLIBC_}
[[ $(printf '%s\n' "$needed" "$newest_glibc" | sort -V | tail -n 1) == "$newest_glibc" ]] ||
  die "the programs need glibc $needed, and should run with $newest_glibc: build them on Debian 12"
mib=$(du -sm --apparent-size "$bundle" | cut -f 1)
((mib <= largest_mib)) || die "$bundle has $mib MiB, more than $largest_mib"
printf 'bundle: %s, %s MiB, for Linux on x86-64 with glibc %s or newer\n' "$bundle" "$mib" "$needed"
