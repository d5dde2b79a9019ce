#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the validation programs of OCI runtime-tools on a runtime, as root, and counts what each finds;
# what they print is kept in build/runtime-tools/log. Needs Go and its modules. docs/conformance.md
# says which of the faults are the programs' own.
#   scripts/runtime_tools.sh RUNTIME [PROGRAM...]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly kModule=github.com/opencontainers/runtime-tools@v0.9.1-0.20260316125833-8a4db579f5c8
readonly kWork=$PWD/build/runtime-tools
readonly kLimitSeconds=120

die() {
  printf 'runtime_tools: %s\n' "$*" >&2
  exit 2
}

# Once: the programs, and in run/ the files that they look for where they are started.
build_programs() {
  local source arch
  [[ ! -e $kWork/built ]] || return 0
  command -v go >/dev/null || die "there is no Go here"
  arch=$(go env GOARCH)
  source=$(go mod download -json "$kModule" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  [[ -f $source/rootfs-$arch.tar.gz ]] || die "the module has no root filesystem for $arch"
  mkdir -p "$kWork/bin" "$kWork/run"
  cp -r --no-preserve=mode "$source/." "$kWork/source"
  cp "$source/rootfs-$arch.tar.gz" "$kWork/run"
  (
    cd "$kWork/source"
    export GOFLAGS='-mod=mod -buildvcs=false' CGO_ENABLED=0
    go build -o ../bin/ ./validation/...
    go build -o ../run/runtimetest ./cmd/runtimetest
  )
  touch "$kWork/built"
}

cgroups_of_programs() { find /sys/fs/cgroup -type d | grep -E '/(testdir|cgrouptest)(/|$)' || true; }

# Programs that give up half-way leave containers, bundles and the cgroups above their containers'.
clean_up() {
  local id folder
  "$kWork/run/runtime" list -q | while read -r id; do "$kWork/run/runtime" delete --force "$id"; done
  cgroups_of_programs | sort -r | while read -r folder; do
    grep -qxF "$folder" "$kWork/cgroups" || rmdir "$folder" || true
  done
  rm -rf "$kWork/tmp" "$kWork/state" "$kWork/cgroups"
}

# run_program NAME: in a mount namespace of its own, as some have containers without one.
run_program() {
  local log=$kWork/log/$1 status=0
  timeout "$kLimitSeconds" unshare --mount --propagation slave "$kWork/bin/$1" \
    </dev/null >"$log" 2>"$log.err" || status=$?
  printf '%-32s %4d ok %3d not ok, status %d\n' "$1" "$(grep -c '^ok' "$log")" \
    "$(grep -c '^not ok' "$log")" "$status"
}

main() {
  local runtime program programs=("${@:2}")
  runtime=$(command -v "${1:-}") || die "usage: scripts/runtime_tools.sh RUNTIME [PROGRAM...]"
  runtime=$(realpath "$runtime")
  ((EUID == 0)) || die "run me as root: containers are made for real"
  build_programs
  mkdir -p "$kWork/log" "$kWork/tmp"
  cgroups_of_programs >"$kWork/cgroups"
  printf '#!/bin/sh\nexec %q --root %q "$@"\n' "$runtime" "$kWork/state" >"$kWork/run/runtime"
  chmod +x "$kWork/run/runtime"
  trap clean_up EXIT
  cd "$kWork/run"
  export TMPDIR=$kWork/tmp RUNTIME=$kWork/run/runtime
  ((${#programs[@]})) || mapfile -t programs < <(ls "$kWork/bin")
  for program in "${programs[@]}"; do run_program "$program"; done
}

main "$@"
