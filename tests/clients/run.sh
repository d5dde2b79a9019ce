#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Drives dhow-runtime by the stock clients of the container world, see README.md.
# Exit status: 0 when nothing failed, 1 when something did, 2 when nothing could be run.
set -euo pipefail
shopt -s extglob
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly kAtOnce=4
readonly kSuites=(docker docker_current podman buildah ctr)
# shellcheck source-path=SCRIPTDIR
source "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$here/image.sh"

usage() {
  cat <<'USAGE'
usage: run.sh --programs DIR [option...]
  --programs DIR    folder with dhow-runtime and testbox
  --suite NAME      only this suite; may be repeated (docker docker_current podman buildah ctr)
  --filter GLOB     only the cases whose names match
  --report FILE     one line a case: passed|failed|skipped SUITE.CASE [REASON]
  --keep            leave the logs and transcripts, and say where they are
USAGE
}

programs='' suites=() filter='*' report=/dev/null keep_work=false

could_not_run() {
  printf 'clients: could not run: %s\n' "$*" >&2
  exit 2
}

parse_arguments() {
  while (($#)); do
    case $1 in
      --keep) keep_work=true && shift && continue ;;
      -h | --help) usage && exit 0 ;;
      --programs | --suite | --filter | --report) (($# >= 2)) || could_not_run "$1 needs a value" ;;
      *) usage >&2 && could_not_run "unknown argument \"$1\"" ;;
    esac
    case $1 in
      --programs) programs=$(realpath "$2") ;;
      --suite) suites+=("$2") ;;
      --filter) filter=$2 ;;
      --report) report=$(realpath "$2") ;;
    esac
    shift 2
  done
  ((${#suites[@]})) || suites=("${kSuites[@]}")
  ((EUID == 0)) || could_not_run "the daemons need root"
  [[ -x $programs/dhow-runtime && -x $programs/testbox ]] ||
    could_not_run "there is no dhow-runtime and testbox in \"$programs\""
  [[ -x /bin/busybox ]] || could_not_run "there is no /bin/busybox (package busybox-static)"
}

# load_suite SUITE: its cases and functions.
load_suite() {
  # shellcheck disable=SC1090
  source "$here/$1.sh"
}

# --- inside the namespaces -----------------------------------------------------------------------

# probe_overlay: whether overlay can be mounted in the folder of the cases.
probe_overlay() {
  local dir=$work/overlay-probe
  mkdir -p "$dir"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" \
    "$dir/merged" 2>/dev/null; then
    umount "$dir/merged"
    : >"$work/has-overlay"
  fi
  rm -rf "$dir"
}

# storage PLAIN OVERLAY: the name of the storage driver that works here, of two.
storage() { if [[ -e $work/has-overlay ]]; then echo "$2"; else echo "$1"; fi; }

# await_daemon PID LOG COMMAND...: until COMMAND succeeds; fails when the daemon is gone.
await_daemon() {
  local pid=$1 log=$2
  shift 2
  # Not to be waited for with the cases.
  disown "$pid"
  until "$@" &>/dev/null; do
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "$log" >&2 && return 1; }
    sleep 0.1
  done
}

# A world of their own for the daemons: nothing of it is left when its first process has ended.
enter_world() {
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs -o mode=1777 shm /dev/shm
  mount --make-rshared /
  ip link set lo up
  mkdir -p "$work/bin" /run/lock
  cp "$programs/dhow-runtime" "$work/bin/"
  ln -s "$(command -v runc)" "$work/bin/runc"
  probe_overlay
  make_rootfs "$work/rootfs" "$programs/testbox"
  make_image "$work"
}

cases_of() {
  (
    load_suite "$1"
    declare -F | sed -n 's/^declare -f case_//p'
  )
}

# run_one SUITE CASE RUNTIME: in a process of its own, with a limit.
run_one() {
  local status=0
  timeout -k 5 90 "$here/run.sh" --inside-case "$work" "$cgroup_parent" "$@" \
    </dev/null >"$work/cases/$1/$2/$3.log" 2>&1 || status=$?
  echo "$status" >"$work/cases/$1/$2/$3.status"
}

inside_case() {
  local where=$1
  cgroup_parent=$2
  shift 2
  load_suite "$1"
  begin_case "$where" "$@"
  # Where conmon leaves a file named oom.
  cd "$case_dir"
  "$1_begin_case"
  "case_$2"
}

# conclude SUITE CASE: compares and reports.
conclude() {
  local dir=$work/cases/$1/$2 status reason=''
  status=$(<"$dir/dhow.status")
  [[ ! -s $dir/dhow/reason ]] || reason=$(head -n 1 "$dir/dhow/reason")
  if [[ $status == "$kSkipped" ]]; then
    tell skipped "$1.$2" "$reason"
  elif [[ $status == 124 || $status == 137 ]]; then
    tell failed "$1.$2" "did not end in time"
  elif [[ $status != 0 ]]; then
    tell failed "$1.$2" "${reason:-$(tail -n 1 "$dir/dhow.log")}"
  elif [[ ! -e $dir/dhow/incomparable ]] &&
    ! diff -U 0 --label runc --label dhow "$dir/reference/transcript" "$dir/dhow/transcript" \
      >"$dir/difference"; then
    tell failed "$1.$2" "not as with runc: $(tail -n +4 "$dir/difference" | tr '\n' ' ' | cut -c1-300)"
  else
    tell passed "$1.$2"
  fi
}

tell() {
  printf '%s\n' "$*" >>"$work/report"
  printf '%-7s %s %s\n' "$1" "$2" "${3:+($3)}"
}

run_suite() {
  local suite=$1 missing case
  mkdir -p "$work/cases/$suite"
  missing=$(load_suite "$suite" && "${suite}_missing")
  if [[ -n $missing ]]; then
    tell skipped "$suite" "$missing"
    return
  fi
  load_suite "$suite"
  if ! "${suite}_set_up"; then
    tell failed "$suite" "could not be set up"
    return
  fi
  for case in $(cases_of "$suite"); do
    # shellcheck disable=SC2053  # a pattern
    [[ $case == $filter ]] || continue
    while (($(jobs -pr | wc -l) >= kAtOnce)); do wait -n; done
    run_case "$suite" "$case" &
  done
  wait
}

# run_case SUITE CASE: with both runtimes at the same time.
run_case() {
  mkdir -p "$work/cases/$1/$2"
  run_one "$1" "$2" reference &
  run_one "$1" "$2" dhow
  wait
  conclude "$1" "$2"
}

# let_go: a frozen container can't be killed where the freezer is that of cgroup v1.
let_go() {
  local file
  while read -r file; do
    echo THAWED >"$file" 2>/dev/null || true
  done < <(find /sys/fs/cgroup -path "*/$cgroup_parent/*" -name freezer.state 2>/dev/null)
}

inside() {
  local suite
  trap let_go EXIT
  enter_world
  # Each in a shell of its own: they have functions of the same names.
  for suite in "${suites[@]}"; do (run_suite "$suite"); done
}

# --- outside -------------------------------------------------------------------------------------

clean_up() {
  # Its first process takes all others of the namespace with it, and they the mounts.
  if [[ -n ${world_pid:-} ]]; then
    kill -KILL "$world_pid" 2>/dev/null || true
    let_go
    wait "$world_pid" 2>/dev/null || true
  fi
  find /sys/fs/cgroup -depth -type d -path "*/$cgroup_parent*" -exec rmdir {} \; 2>/dev/null || true
  if $keep_work; then
    printf 'clients: logs and transcripts are in %s\n' "$work"
  else
    rm -rf "$work"
  fi
}

main() {
  local passed failed skipped
  if [[ ${1:-} == --inside-case ]]; then
    shift
    inside_case "$@"
    return
  fi
  if [[ ${1:-} == --inside ]]; then
    work=$2 cgroup_parent=$3
    shift 3
    parse_arguments "$@"
    inside
    return
  fi
  parse_arguments "$@"
  work=$(mktemp -d "${TMPDIR:-/tmp}/dhow-clients.XXXXXX")
  cgroup_parent=$(basename "$work")
  trap clean_up EXIT
  trap 'exit 143' TERM INT HUP
  : >"$work/report"
  unshare --mount --pid --net --fork --kill-child --mount-proc "$here/run.sh" --inside "$work" \
    "$cgroup_parent" "$@" &
  world_pid=$!
  wait "$world_pid" || tell failed world "ended with status $?"
  world_pid=
  cp "$work/report" "$report"
  passed=$(grep -c '^passed ' "$work/report" || true)
  failed=$(grep -c '^failed ' "$work/report" || true)
  skipped=$(grep -c '^skipped ' "$work/report" || true)
  printf 'clients: %s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
  ((passed + failed + skipped)) || could_not_run "no case matches \"$filter\""
  ((failed == 0))
}

main "$@"
