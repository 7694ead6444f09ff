#!/usr/bin/env bash
# Installs the packages that building Kroton needs, on Debian 12 and recent Ubuntu.
#
#   install_deps.sh                    silent when nothing is missing; else prints what is, then installs it
#   install_deps.sh --tell             the same, and says so when nothing is missing
#   install_deps.sh --fmt | --lint     with the formatter | with the linter
#   install_deps.sh --test             what tests alone need
#   install_deps.sh --installed-llvm   prints the LLVM version that a build uses, such as 22
#   install_deps.sh --clang-tidy       prints the clang-tidy to run
#
# KROTON_NO_INSTALL=1 turns every installation into an error that lists what is missing.
set -euo pipefail

llvm_versions=(22 21 20 19) # in order of preference; LLVM's C++ API changes with each

say() { printf '%s\n' "$*"; }
die() { printf 'install-deps: %s\n' "$*" >&2; exit 1; }

# A word may name alternatives: a|b is there when one of them is, and a is what gets installed.
base_packages=(g++ meson ninja-build 'pkg-config|pkgconf' python3 libfmt-dev libspdlog-dev catch2
  libsodium-dev zlib1g-dev libcurl4-openssl-dev libopenblas0-pthread libcli11-dev libzydis-dev nlohmann-json3-dev)
# A store to test the HTTP level with, certificates for it, CPUs older than this one, and what other
# projects build with; libFuzzer comes besides, with the LLVM in use.
test_packages=(nginx openssl qemu-user cmake)
llvm_packages() { printf '%s\n' "llvm-$1-dev" "libclang-$1-dev" "clang-$1"; }

is_installed() {
  local name
  for name in ${1//|/ }; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] && return 0
  done
  return 1
}

can_install() {
  local candidate
  candidate=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')
  [[ -n $candidate && $candidate != '(none)' ]]
}

installed_llvm() {
  local version name
  for version in "${llvm_versions[@]}"; do
    for name in $(llvm_packages "$version"); do is_installed "$name" || continue 2; done
    say "$version"
    return
  done
}

# A complete installation wins, then one that only lacks a package or two, then the archive's newest.
choose_llvm() {
  local version
  version=$(installed_llvm)
  if [[ -n $version ]]; then say "$version"; return; fi
  for version in "${llvm_versions[@]}"; do
    if is_installed "llvm-$version-dev" && can_install "libclang-$version-dev"; then say "$version"; return; fi
  done
  for version in "${llvm_versions[@]}"; do
    if can_install "llvm-$version-dev" && can_install "libclang-$version-dev" && can_install "clang-$version"; then
      say "$version"
      return
    fi
  done
}

as_root=()
# Finds out how to be root for apt-get; the argument is what a person would have to run instead.
become_root() {
  ((EUID != 0)) || return 0
  command -v sudo >/dev/null || die "this needs root, and there is no sudo; please run as root: $1"
  as_root=(sudo)
  if [[ ! -t 0 ]]; then # nobody can type a password
    as_root+=(-n)
    "${as_root[@]}" true 2>/dev/null || die "sudo wants a password and there is no terminal; please run: sudo $1"
  fi
}

apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null
}

lists_updated=''
installed_something=''
update_lists() {
  [[ -z $lists_updated && -z ${KROTON_NO_INSTALL:-} ]] || return 0
  lists_updated=1
  become_root "apt-get update"
  say "fetching the package lists (apt-get update)"
  # A source that cannot be reached is no failure yet: what is needed may be elsewhere.
  apt_get update >/dev/null || true
}

missing_of() {
  local name
  for name in "$@"; do is_installed "$name" || say "${name%%|*}"; done
}

# Prints what is missing of the named packages, then installs it.
ensure() {
  local -a missing still
  local name log
  mapfile -t missing < <(missing_of "$@")
  ((${#missing[@]} != 0)) || return 0
  if [[ -n ${KROTON_NO_INSTALL:-} ]]; then
    die "KROTON_NO_INSTALL is set and these packages are missing: ${missing[*]}"
  fi
  for name in "${missing[@]}"; do
    can_install "$name" || { update_lists; break; }
  done
  say "installing ${#missing[@]} packages with apt-get: ${missing[*]}"
  become_root "apt-get install --no-install-recommends ${missing[*]}"
  log=$(mktemp)
  if ! apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    # Package lists that are some days old name files that the archive no longer has.
    if [[ -z $lists_updated ]]; then
      update_lists
      apt_get install --no-install-recommends "${missing[@]}" >"$log" 2>&1 || true
    fi
  fi
  mapfile -t still < <(missing_of "${missing[@]}")
  if ((${#still[@]} != 0)); then
    cat "$log" >&2
    rm -f "$log"
    die "apt-get could not install: ${still[*]}"
  fi
  rm -f "$log"
  installed_something=1
}

ensure_build_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    require_by_hand
    return
  fi
  local llvm
  local -a llvm_parts
  llvm=$(choose_llvm)
  if [[ -z $llvm ]]; then
    update_lists
    llvm=$(choose_llvm)
  fi
  if [[ -z $llvm && -n ${KROTON_NO_INSTALL:-} ]]; then
    mapfile -t missing < <(missing_of "${base_packages[@]}")
    die "KROTON_NO_INSTALL is set and these packages are missing: ${missing[*]} and llvm-N-dev, libclang-N-dev, clang-N (N one of ${llvm_versions[*]})"
  fi
  if [[ -z $llvm ]]; then
    die "no LLVM that Kroton builds with is installed or offered by this system's package sources;
  wanted are llvm-N-dev, libclang-N-dev and clang-N, with N one of: ${llvm_versions[*]}
  (Debian 12 has 19, and 22 in its security archive; for other systems see https://apt.llvm.org)"
  fi
  mapfile -t llvm_parts < <(llvm_packages "$llvm")
  ensure "${base_packages[@]}" "${llvm_parts[@]}"
}

# On a system without apt: fine if the tools and libraries are there, else say what to install.
require_by_hand() {
  local tool missing=()
  for tool in g++ meson ninja pkg-config python3; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  if command -v pkg-config >/dev/null; then
    for tool in fmt spdlog libsodium zlib libcurl CLI11 nlohmann_json; do pkg-config --exists "$tool" || missing+=("$tool"); done
    pkg-config --exists catch2 || missing+=("Catch2 (2.13 or 3)")
  fi
  [[ -n $(llvm_on_path) ]] || missing+=("LLVM and Clang ${llvm_versions[*]} with headers (any one)")
  ((${#missing[@]} == 0)) && return
  {
    say "install-deps: this system has no apt-get, so please install by hand:"
    printf '  %s\n' "${missing[@]}"
    say "  OpenBLAS (libopenblas.so.0; optional, what ./dev bench compares products with)"
  } >&2
  exit 1
}

llvm_on_path() {
  local version
  for version in "${llvm_versions[@]}"; do
    if command -v "llvm-config-$version" >/dev/null; then say "$version"; return; fi
  done
  version=$(llvm-config --version 2>/dev/null || true)
  version=${version%%.*}
  if [[ -n $version && " ${llvm_versions[*]} " == *" $version "* ]]; then say "$version"; fi
}

case ${1:-} in
  '') ensure_build_packages ;;
  --tell)
    ensure_build_packages
    [[ -n $installed_something ]] || say "nothing to install (LLVM $(installed_llvm))"
    ;;
  --fmt) command -v clang-format >/dev/null || ensure clang-format ;;
  --test)
    # Without them the tests that need them say that they were skipped.
    if [[ -z ${KROTON_NO_INSTALL:-} ]] && command -v apt-get >/dev/null; then ensure "${test_packages[@]}" "libclang-rt-$(installed_llvm)-dev"; fi
    ;;
  --lint)
    ensure_build_packages
    ensure "clang-tidy-$(installed_llvm)"
    ;;
  --installed-llvm) if command -v dpkg-query >/dev/null; then installed_llvm; else llvm_on_path; fi ;;
  --clang-tidy) say "clang-tidy-$(installed_llvm)" ;;
  *) die "unknown argument $1" ;;
esac
