# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the cases of the clients are written with. A case is a function `case_NAME` of a suite; it is
# run once for each runtime, in a process of its own, with
#   runtime   the runtime to use: dhow or reference      suite, case_name   who it is
#   name      a container name that no other case uses   work               a folder for all suites
# What `expect` sees goes into a transcript. With dhow the expectations are held; with the reference
# they are not, and both transcripts are compared afterwards.

readonly kSkipped=77

suite='' case_name='' runtime='' name='' work='' case_dir=''

# begin_case WORK SUITE CASE RUNTIME
begin_case() {
  work=$1 suite=$2 case_name=$3 runtime=$4
  name=$suite-${case_name//_/-}-$runtime
  case_dir=$work/cases/$suite/$case_name/$runtime
  mkdir -p "$case_dir"
  : >"$case_dir/transcript"
}

# program_of RUNTIME: its path.
program_of() {
  case $1 in
    dhow) printf '%s\n' "$work/bin/dhow-runtime" ;;
    *) printf '%s\n' "$work/bin/runc" ;;
  esac
}

# skip REASON...
skip() {
  printf '%s\n' "$*" >"$case_dir/reason"
  exit "$kSkipped"
}

# cgroups_named GLOB: the folders of cgroups with such a name. Those of other cases come and go meanwhile,
# of which find(1) complains.
cgroups_named() { find /sys/fs/cgroup -type d -name "$1" 2>/dev/null || true; }

fail() {
  printf '%s\n' "$*" | tee "$case_dir/reason" >&2
  exit 1
}

# incomparable REASON...: the reference is not run here to the same end, so only dhow is held.
incomparable() { printf '%s\n' "$*" >"$case_dir/incomparable"; }

# record TEXT: into the transcript, with the names of the runtime made equal.
record() { printf '%s\n' "${1//$name/NAME}" >>"$case_dir/transcript"; }

# hold CODE PATTERN STATUS TEXT WHAT...: the check behind expect; CODE and PATTERN are patterns of
# bash's, extended ones.
hold() {
  local code=$1 pattern=$2 status=$3 text=$4
  shift 4
  [[ $runtime == dhow ]] || return 0
  # shellcheck disable=SC2053  # patterns, indeed
  [[ $status == $code ]] ||
    fail "exit status $status instead of $code of: $* ($(tail -n 2 "$case_dir/stderr"))"
  # shellcheck disable=SC2053
  [[ $text == $pattern ]] || fail "got \"$text\" instead of \"$pattern\" from: $*"
}

# run_seen COMMAND...: runs it, and leaves its exit status in $status and its standard output in $seen.
run_seen() {
  status=0
  seen=$("$@" 2>"$case_dir/stderr") || status=$?
  seen=${seen//$'\r'/}
}

# expect CODE PATTERN COMMAND...: runs it and holds its exit status and its standard output, which
# is left in $seen.
expect() {
  local code=$1 pattern=$2 status
  shift 2
  run_seen "$@"
  record "$status $seen"
  hold "$code" "$pattern" "$status" "$seen" "$@"
}

# expect_like: as expect, but the output differs from run to run, so it is not compared.
expect_like() {
  local code=$1 pattern=$2 status
  shift 2
  run_seen "$@"
  record "$status"
  hold "$code" "$pattern" "$status" "$seen" "$@"
}

# expect_error CODE PATTERN COMMAND...: holds what it says on standard error, which is not compared:
# each runtime has its words.
expect_error() {
  local code=$1 pattern=$2 status=0 text
  shift 2
  "$@" >/dev/null 2>"$case_dir/stderr" || status=$?
  text=$(<"$case_dir/stderr")
  record "$status"
  hold "$code" "$pattern" "$status" "$text" "$@"
}

# typed TEXT COMMAND...: runs it on a terminal, where TEXT is typed as soon as a shell asks for it.
typed() {
  local text=$1
  shift
  # shellcheck disable=SC2154  # run.sh's
  "$here/terminal.py" '# ' "$text" "$@"
}

# own_namespace NAME: that of the daemons and of the host of the cases, as a pattern.
own_namespace() { readlink "/proc/self/ns/$1" | sed 's/[][]/\\&/g'; }

# has_unified: whether the machine has cgroup v2 alone.
has_unified() { [[ -e /sys/fs/cgroup/cgroup.controllers ]]; }

# limit_file V1_CONTROLLER V1_FILE V2_FILE: where a container reads its own limit.
limit_file() {
  if has_unified; then printf '/sys/fs/cgroup/%s\n' "$3"; else printf '/sys/fs/cgroup/%s/%s\n' "$1" "$2"; fi
}
