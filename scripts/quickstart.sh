#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 to a running container: installs what the build needs, builds the programs into
# build/release/bin, and runs a container of an image that comes with them. Run as root.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly kBin=$PWD/build/release/bin
readonly kPrograms=(dhow dhow-tls dhowd containerd-shim-dhow-v1 dhow-init dhow-net dhow-runtime)

work=
engine=
clean_up() {
  if [[ -n $engine ]]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" || true
  fi
  [[ -z $work ]] || rm -rf "$work"
}
trap clean_up EXIT

say() { printf '\n== %s\n' "$*"; }

# start_engine: one with folders of its own, so that nothing is left of it.
start_engine() {
  local ready
  mkfifo "$work/ready"
  "$kBin/dhowd" --root "$work/lib" --state "$work/run" --ready-fd 4 4<>"$work/ready" &
  engine=$!
  # One byte, once it serves.
  read -r -n 1 -t 30 ready <>"$work/ready" || {
    echo "quickstart: dhowd did not start" >&2
    exit 1
  }
  : "$ready"
}

main() {
  ((EUID == 0)) || {
    echo "quickstart: run me as root: packages are installed and a container is run" >&2
    exit 1
  }
  say "installing what the build needs"
  scripts/deps.sh build run
  say "building dhow (some minutes the first time)"
  cmake --preset release -DDHOW_BUILD_TESTS=OFF -DDHOW_BUILD_BENCH=OFF >/dev/null
  cmake --build --preset release --target "${kPrograms[@]}" dhow-images

  work=$(mktemp -d)
  start_engine
  say "dhow run busybox"
  # shellcheck disable=SC2016  # for the shell in the container
  "$kBin/dhow" -H "unix://$work/run/docker.sock" run --rm --network none --hostname harbour busybox \
    sh -c 'echo "Hello from a container on $(hostname), as $(id -un):"; ps'
  say "it works. The programs are in build/release/bin; README.md says how to use them"
}

main "$@"
