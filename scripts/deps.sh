#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that a set of tasks needs; what is there already is left alone.
#   scripts/deps.sh build           to build the programs
#   scripts/deps.sh build test      to run the tests as well
#   scripts/deps.sh --check build   only says what is missing; status 1 when something is
set -euo pipefail

# The compiler and the libraries that are linked in.
readonly kBuild=(
  g++ cmake ninja-build ccache git ca-certificates python3
  libboost1.81-dev libboost-json1.81-dev libboost-container1.81-dev libssl-dev libsqlite3-dev
  libarchive-dev libisal-dev libzstd-dev zlib1g-dev pkg-config
  libcurl4-openssl-dev libtomlplusplus-dev libyaml-cpp-dev
  busybox-static  # goes into the image of that name
)
# quickstart.sh makes a root filesystem from this.
readonly kRun=(busybox-static)
readonly kTest=(
  libgtest-dev libgmock-dev      # unit and end-to-end tests
  libseccomp-dev                 # the reference that our filters are compared with
  busybox-static procps uidmap passt slirp4netns iproute2 strace
  containernetworking-plugins iptables nftables  # networks by CNI
  runc crun                      # what our answers are compared with
  criu                           # checkpoints
  docker-registry apache2-utils openssl  # a registry to pull from and push to
  erofs-utils e2fsprogs          # layers as images, a disk that loses its power
  skopeo umoci podman docker.io containerd  # image archives
  docker-compose python3-docker  # clients of the engine's API
  clang-19 libclang-rt-19-dev    # fuzzers
  clang-format-19 shellcheck     # style
)
# The programs that tests/clients drives.
readonly kClients=(
  docker.io containerd podman conmon buildah catatonit runc
  busybox-static iproute2 iptables
)
# The guests of tests/vm.
readonly kVm=(qemu-system-x86 erofs-utils e2fsprogs debootstrap debian-archive-keyring busybox-static cpio xz-utils kmod)
# What the benchmarks compare with.
readonly kBench=(runc crun hyperfine)

usage() { sed -n 's/^#   /  /p' "$0" && echo "tasks: build run test clients vm bench"; }

say() { printf 'deps: %s\n' "$*"; }

die() {
  printf 'deps: %s\n' "$*" >&2
  exit 1
}

missing_of() {
  local package
  for package in "$@"; do
    # shellcheck disable=SC2016  # dpkg's own format
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == "ii " ]] ||
      printf '%s\n' "$package"
  done
}

main() {
  local check=false wanted=() missing=()
  (($#)) || set -- build
  for argument; do
    case $argument in
      --check) check=true ;;
      build) wanted+=("${kBuild[@]}") ;;
      run) wanted+=("${kRun[@]}") ;;
      test) wanted+=("${kTest[@]}") ;;
      clients) wanted+=("${kClients[@]}") ;;
      vm) wanted+=("${kVm[@]}") ;;
      bench) wanted+=("${kBench[@]}") ;;
      -h | --help) usage && exit 0 ;;
      *) usage >&2 && die "unknown task \"$argument\"" ;;
    esac
  done
  command -v apt-get dpkg-query >/dev/null ||
    die "apt-get is not there: install by hand: ${wanted[*]}"
  mapfile -t missing < <(missing_of "${wanted[@]}" | sort -u)
  if ((${#missing[@]} == 0)); then
    say "all ${#wanted[@]} packages are installed"
    return
  fi
  say "missing: ${missing[*]}"
  if $check; then exit 1; fi
  ((EUID == 0)) || die "installing them needs root: apt-get install ${missing[*]}"

  export DEBIAN_FRONTEND=noninteractive
  say "updating the list of packages"
  apt-get update -qq || die "apt-get update failed: is the network there?"
  say "installing ${#missing[@]} packages"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get install failed for: ${missing[*]}"
}

main "$@"
