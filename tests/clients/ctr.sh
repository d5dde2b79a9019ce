# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# containerd by ctr and its shim for runc, which calls dhow-runtime as --runc-binary.
# shellcheck disable=SC2154  # shared with lib.sh
# shellcheck disable=SC2016  # scripts for the container's shell

ctr_missing() {
  local program
  for program in containerd ctr containerd-shim-runc-v2 runc; do
    command -v "$program" >/dev/null || { printf '%s is not installed\n' "$program" && return; }
  done
}

ctr_set_up() {
  local dir=$work/containerd
  mkdir -p "$dir"
  cat >"$dir/config.toml" <<TOML
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$dir/socket"
TOML
  containerd --config "$dir/config.toml" --log-level info >"$dir/log" 2>&1 &
  await_daemon $! "$dir/log" ctr -a "$dir/socket" version
  runtime=reference
  ctr_begin_case
  "${ctr[@]}" image import --snapshotter "$snapshotter" "$work/image.tar" >/dev/null
}

ctr_begin_case() {
  ctr=(ctr -a "$work/containerd/socket")
  snapshotter=$(storage native overlayfs)
  run=(run --runtime io.containerd.runc.v2 --runc-binary "$(program_of "$runtime")" --snapshotter
    "$snapshotter" --cgroup "/$cgroup_parent/$name")
}

# once FLAGS... -- COMMAND...
once() {
  local options=()
  while [[ $1 != -- ]]; do options+=("$1") && shift; done
  shift
  "${ctr[@]}" "${run[@]}" --rm "${options[@]}" "$kImage" "$name" "$@"
}

# keep [FLAGS...]: a task that waits, and writes of its signals to /tmp/log in the container.
keep() {
  expect 0 '' "${ctr[@]}" "${run[@]}" -d "$@" "$kImage" "$name" sh -c \
    'trap "exit 0" TERM; trap "echo usr >/tmp/log" USR1; echo ready >/tmp/log
     while :; do sleep 1000 & wait; done'
  expect 0 ready await_log ready
}

do_exec() { "${ctr[@]}" task exec --exec-id "$BASHPID-$RANDOM" "$name" "$@"; }

# say_exec: for what always has output. On a busy machine ctr stops reading when the process has
# ended, even where it has read nothing yet. Each time it gets all of the input.
say_exec() {
  local text='' input
  input=$(cat)
  while [[ -z $text ]]; do text=$(printf '%s' "$input" | do_exec "$@") || return; done
  printf '%s\n' "$text"
}

# await_log WORD: says it once a task of keep's has written it.
await_log() {
  local text=''
  until [[ $text == "$1" ]]; do text=$(do_exec cat /tmp/log 2>/dev/null) || true; done
  printf '%s\n' "$text"
}

status() { "${ctr[@]}" task ls | awk -v name="$name" '$1 == name {print $3}'; }

remove() {
  expect 0 '*' "${ctr[@]}" task rm -f "$name"
  expect 0 '' "${ctr[@]}" container rm "$name"
}

case_run_exit_codes() {
  expect 0 hi once -- echo hi
  expect 7 '' once -- sh -c 'exit 7'
  expect 137 '' once -- sh -c 'sh -c "kill -9 \$\$"; exit $?'
  expect 1 '' once -- /nonexistent
  expect_error 1 '*no such file or directory*' once -- /nonexistent
  expect_error 1 '*executable file not found*' once -- nonexistent
  expect 1 '' once -- /etc
}

case_run_input_and_terminal() {
  # ctr doesn't tell the container of the end of its input.
  expect 0 $'one\ntwo' once -- head -n 2 <<<$'one\ntwo'
  expect_like 5 '*42*' typed $'echo $((6 * 7)); exit 5\n' "${ctr[@]}" "${run[@]}" --rm -t "$kImage" \
    "$name" sh
}

case_run_features() {
  mkdir -p "$case_dir/given"
  expect 0 $'b\n/tmp' once --env A=b --cwd /tmp -- sh -c 'echo $A; pwd'
  expect 1 '' once --read-only -- touch /file
  expect 1 '' once --mount "type=bind,src=$case_dir/given,dst=/x,options=rbind:ro" -- touch /x/file
  expect 0 '' once --mount "type=bind,src=$case_dir/given,dst=/x,options=rbind:rw" -- touch /x/file
  # Not ls -l: its time is that of the container's start.
  expect 0 'crw* a:e5 *' once --device /dev/fuse -- stat -c '%A %t:%T %u:%g' /dev/fuse
  expect 0 2 once --seccomp -- sh -c 'grep Seccomp: /proc/self/status | grep -o "[0-9]"'
  expect 0 0 once -- sh -c 'grep Seccomp: /proc/self/status | grep -o "[0-9]"'
  expect 0 "$(own_namespace net)" once --net-host -- readlink /proc/self/ns/net
  expect 0 1 once --no-pivot -- sh -c 'echo $$'
}

case_run_privileged() {
  incomparable "where the machine lacks a capability, runc can't do with it"
  expect 0 '' once --privileged -- sh -c 'mount -t tmpfs none /tmp'
}

case_exec() {
  keep
  expect 0 hi say_exec echo hi
  expect 9 '' do_exec sh -c 'exit 9'
  expect 1 '' do_exec /nonexistent
  expect_error 1 '*executable file not found*' do_exec nonexistent
  expect 0 $'one\ntwo' say_exec head -n 2 <<<$'one\ntwo'
  expect 0 /tmp "${ctr[@]}" task exec --exec-id cwd --cwd /tmp "$name" pwd
  expect 0 'uid=1000(user)*' "${ctr[@]}" task exec --exec-id user --user 1000 "$name" id
  expect_like 6 '*42*' typed $'echo $((6 * 7)); exit 6\n' "${ctr[@]}" task exec -t --exec-id tty \
    "$name" sh
  remove
}

case_pause_and_resume() {
  keep
  expect 0 RUNNING status
  expect 0 '' "${ctr[@]}" task pause "$name"
  expect 0 PAUSED status
  expect_error 1 '*paused*' do_exec true
  expect 0 '' "${ctr[@]}" task resume "$name"
  expect 0 RUNNING status
  expect 0 hi say_exec echo hi
  remove
}

case_processes() {
  keep
  expect_like 0 '*PID*[0-9]*' "${ctr[@]}" task ps "$name"
  expect 0 2 number_of_processes
  remove
}
number_of_processes() { "${ctr[@]}" task ps "$name" | grep -c '^[0-9]'; }

case_metrics() {
  keep --memory-limit 67108864
  expect_like 0 '*"pids"*' "${ctr[@]}" task metrics --format json "$name"
  expect_like 0 '*67108864*' "${ctr[@]}" task metrics "$name"
  remove
}

case_limits() {
  keep --memory-limit 33554432 --cpus 0.5
  if has_unified; then
    expect 0 33554432 cat "/sys/fs/cgroup/$cgroup_parent/$name/memory.max"
    expect 0 '50000 100000' cat "/sys/fs/cgroup/$cgroup_parent/$name/cpu.max"
  else
    expect 0 33554432 cat "/sys/fs/cgroup/memory/$cgroup_parent/$name/memory.limit_in_bytes"
    expect 0 50000 cat "/sys/fs/cgroup/cpu/$cgroup_parent/$name/cpu.cfs_quota_us"
  fi
  remove
}

case_kill() {
  keep
  expect 0 '' "${ctr[@]}" task kill -s USR1 "$name"
  expect 0 usr await_log usr
  expect 0 '' "${ctr[@]}" task kill -s KILL "$name"
  await_stop
  expect 0 STOPPED status
  expect_error 1 '*' "${ctr[@]}" task kill "$name"
  expect 0 '*' "${ctr[@]}" task delete "$name"
  expect 0 '' "${ctr[@]}" container rm "$name"
}

# await_stop: blocks until containerd says that the task has ended. Asked again and again, as what ctr
# has to wait for it (attach) also deletes it, and whether a listener for events hears already can't be
# told.
await_stop() {
  until [[ $(status) == STOPPED ]]; do sleep 0.05; done
}

case_task_delete_of_a_running_one() {
  keep
  expect_error 1 '*' "${ctr[@]}" task delete "$name"
  expect 0 RUNNING status
  expect 0 '*' "${ctr[@]}" task delete --force "$name"
  expect 0 '' status
  expect 0 '' cgroups_named "$name"
  expect 0 '' "${ctr[@]}" container rm "$name"
}

case_out_of_memory_event() {
  exec 4< <("${ctr[@]}" events)
  # The shim watches a task once it runs, so what is out of memory comes later.
  keep --memory-limit 67108864
  # Something happens until the listener hears of it.
  until read -r -t 1 <&4; do "${ctr[@]}" container label "$name" heard=yes >/dev/null; done
  expect 137 '' do_exec /bin/testbox eat 256
  expect 0 /tasks/oom sed -n "/tasks\/oom.*$name/{s/.*\(\/tasks\/oom\).*/\1/p;q}" <&4
}
