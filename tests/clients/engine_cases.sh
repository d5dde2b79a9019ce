# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The cases that docker and podman share: their command lines are alike. The suite sets
#   engine   the client with its global flags      flags   what each `run` needs
#   isolated what keeps a container from the network, for speed; empty for cases with one
# shellcheck disable=SC2154  # engine and flags are the suite's, name is lib.sh's
# shellcheck disable=SC2016  # scripts for the container's shell
# shellcheck source-path=SCRIPTDIR

# once ARGUMENTS...: `run --rm`, without the names of containers.
once() { "${engine[@]}" run --rm "${flags[@]}" "${isolated[@]}" "$@"; }

# shell SCRIPT [FLAGS...]: a script in a container that goes when it ends.
shell() {
  local script=$1
  shift
  once "$@" "$kImage" sh -c "$script"
}

# keep [FLAGS...]: a container named $name that waits, ends well at SIGTERM, and says "usr" at SIGUSR1.
kWaiting='trap "exit 0" TERM; trap "echo usr" USR1; echo ready; while :; do sleep 1000 & wait; done'
keep() {
  detached "$@" "$kImage" sh -c "$kWaiting"
  await_log ready
}

# detached ARGUMENTS...: `run -d` under the name of the case; its id is left in $seen.
detached() {
  expect_like 0 '*' "${engine[@]}" run -d --name "$name" "${flags[@]}" "${isolated[@]}" "$@"
}

# await_log TEXT: blocks until the log of $name has it.
await_log() { grep -q -m1 "$1" < <("${engine[@]}" logs -f "$name" 2>&1); }

do_exec() { "${engine[@]}" exec "$@"; }
inspect() { "${engine[@]}" inspect -f "$1" "$name"; }
remove() { expect 0 '*' "${engine[@]}" rm -f "$name"; }

case_run_exit_codes() {
  expect 0 hi once "$kImage" echo hi
  expect 7 '' shell 'exit 7'
  expect 137 '' shell 'kill -9 $$' --pid=host
  expect 127 '' once "$kImage" /nonexistent
  expect 127 '' once "$kImage" nonexistent
  expect 126 '' once "$kImage" /etc
  expect 126 '' once "$kImage" /etc/passwd
  expect '12[567]' '' once -w /etc/passwd "$kImage" true
}

case_run_input_and_output() {
  expect 0 $'one\ntwo' once -i "$kImage" cat <<<$'one\ntwo'
  expect 0 out shell 'echo out; echo err >&2'
  expect_error 3 err shell 'echo err >&2; exit 3'
  expect 0 2000000 shell 'dd if=/dev/zero bs=1000 count=2000 2>/dev/null | tee /dev/stderr | wc -c'
  expect 0 3 once -i "$kImage" sh -c 'ls /proc/self/fd | grep -vc "^3"' </dev/null
}

case_run_terminal() {
  expect 0 /dev/pts/0 once -t "$kImage" tty
  expect 0 'crw--w----*' once -t "$kImage" stat -c %A%n /dev/pts/0
  expect_like 5 '*42*' typed $'echo $((6 * 7)); exit 5\n' "${engine[@]}" run --rm \
    "${flags[@]}" "${isolated[@]}" -it "$kImage" sh
  expect 0 '/dev/console' shell '[ -c /dev/console ] && echo /dev/console' -t
}

case_environment() {
  expect 0 $'b\n/bin\n/root\n/tmp' shell 'echo $A; echo $PATH; echo $HOME; pwd' -e A=b -w /tmp
  expect 0 $'box\nbox' shell 'hostname; cat /etc/hostname' -h box
}

case_logs_and_wait() {
  detached "$kImage" sh -c 'echo one; echo two; exit 4'
  expect 0 4 "${engine[@]}" wait "$name"
  expect 0 $'one\ntwo' "${engine[@]}" logs "$name"
  expect 0 'exited 4 0' inspect '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}'
  remove
}

case_exec() {
  keep
  expect 0 hi do_exec "$name" echo hi
  expect 9 '' do_exec "$name" sh -c 'exit 9'
  expect_like '12[67]' '*' do_exec "$name" /nonexistent
  expect_like '12[67]' '*' do_exec "$name" nonexistent
  expect_like 126 '*' do_exec "$name" /etc
  expect_like 126 '*' do_exec "$name" /etc/passwd
  expect 137 '' do_exec "$name" sh -c 'kill -9 $$'
  expect 0 'uid=1000(user) gid=1000(user)*' do_exec -u user "$name" id
  expect 0 'uid=5 gid=6*' do_exec -u 5:6 "$name" id
  expect 0 $'/tmp\nb' do_exec -w /tmp -e A=b "$name" sh -c 'pwd; echo $A'
  expect 0 $'one\ntwo' do_exec -i "$name" cat <<<$'one\ntwo'
  expect 0 '/dev/pts/*' do_exec -t "$name" tty
  expect_like 6 '*42*' typed $'echo $((6 * 7)); exit 6\n' "${engine[@]}" exec -it "$name" sh
  remove
}

case_exec_shares_the_container() {
  keep --cap-drop ALL --read-only --tmpfs /run
  expect 0 "$name" do_exec "$name" sh -c 'for n in mnt pid net ipc uts; do
    [ "$(readlink /proc/1/ns/$n)" = "$(readlink /proc/self/ns/$n)" ] || echo "$n differs"; done
    cat /proc/1/cgroup >/run/a; cat /proc/self/cgroup >/run/b; cmp /run/a /run/b && echo '"$name"
  expect 0 $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000' do_exec "$name" \
    grep -E 'CapPrm|CapEff' /proc/self/status
  expect 1 '' do_exec "$name" touch /file
  remove
}

case_exec_detached_and_many() {
  local number
  keep
  expect 0 '*' do_exec "$name" mkfifo /tmp/fifo
  expect_like 0 '*' do_exec -d "$name" sh -c 'echo done >/tmp/fifo'
  expect 0 'done' do_exec "$name" cat /tmp/fifo
  for number in 1 2 3 4; do
    do_exec "$name" sh -c "echo $number >/tmp/$number" &
  done
  wait
  expect 0 $'1\n2\n3\n4' do_exec "$name" sh -c 'cat /tmp/[1-4]'
  for number in 1 2 3 4 5 6; do expect 0 "$number" do_exec "$name" echo "$number"; done
  remove
}

case_pause() {
  keep
  expect 0 '*' "${engine[@]}" pause "$name"
  expect 0 paused inspect '{{.State.Status}}'
  expect_error '[1-9]*' '*' "${engine[@]}" exec "$name" true
  expect 0 '*' "${engine[@]}" unpause "$name"
  expect 0 running inspect '{{.State.Status}}'
  expect 0 back do_exec "$name" echo back
  remove
}

case_update() {
  local memory pids
  memory=$(limit_file memory memory.limit_in_bytes memory.max)
  pids=$(limit_file pids pids.max pids.max)
  keep -m 64m --memory-swap 64m --pids-limit 50
  expect 0 $'67108864\n50' do_exec "$name" cat "$memory" "$pids"
  expect_like 0 '*' "${engine[@]}" update -m 32m --memory-swap 32m "$name"
  expect 0 33554432 do_exec "$name" cat "$memory"
  expect_like 0 '*' "${engine[@]}" update -m 96m --memory-swap 96m "$name"
  expect 0 100663296 do_exec "$name" cat "$memory"
  expect_like 0 '*' "${engine[@]}" update --cpus 0.5 "$name"
  if has_unified; then
    expect 0 '50000 100000' do_exec "$name" cat /sys/fs/cgroup/cpu.max
  else
    expect 0 50000 do_exec "$name" cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us
  fi
  remove
}

case_limits_at_the_start() {
  if has_unified; then
    expect 0 $'25000 100000\n0' shell 'cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpuset.cpus' \
      --cpus 0.25 --cpuset-cpus 0
  else
    expect 0 $'25000\n512\n0' shell 'cd /sys/fs/cgroup && cat cpu/cpu.cfs_quota_us cpu/cpu.shares \
      cpuset/cpuset.cpus' --cpus 0.25 --cpu-shares 512 --cpuset-cpus 0
  fi
  expect 0 500 shell 'cat /proc/self/oom_score_adj' --oom-score-adj 500
}

case_top() {
  keep
  expect_like 0 '*PID*sleep 1000*' "${engine[@]}" top "$name"
  remove
}

case_stats() {
  keep -m 64m
  expect_like 0 '2 *[1-9]*B / 6[47]*' "${engine[@]}" stats --no-stream \
    --format '{{.PIDs}} {{.MemUsage}}' "$name"
  remove
}

case_kill() {
  keep
  expect 0 '*' "${engine[@]}" kill -s USR1 "$name"
  await_log usr
  expect 0 running inspect '{{.State.Status}}'
  expect 0 '*' "${engine[@]}" kill "$name"
  expect 0 137 "${engine[@]}" wait "$name"
  expect_error '[1-9]*' '*' "${engine[@]}" kill "$name"
  remove
}

case_stop() {
  keep
  expect 0 '*' "${engine[@]}" stop -t 30 "$name"
  expect 0 'exited 0' inspect '{{.State.Status}} {{.State.ExitCode}}'
  remove
}

# Process 1 has no handler for SIGTERM here, so the second signal must end it.
case_stop_by_force() {
  detached "$kImage" sleep 1000
  expect 0 '*' "${engine[@]}" stop -t 1 "$name"
  expect 0 'exited 137' inspect '{{.State.Status}} {{.State.ExitCode}}'
  remove
}

case_restart() {
  keep
  expect 0 '' do_exec "$name" touch /mark
  expect 0 '*' "${engine[@]}" restart -t 30 "$name"
  expect 0 running inspect '{{.State.Status}}'
  expect 0 /mark do_exec "$name" ls /mark
  expect 0 '*' "${engine[@]}" stop -t 30 "$name"
  expect 0 '*' "${engine[@]}" start "$name"
  expect 0 /mark do_exec "$name" ls /mark
  remove
}

case_remove_by_force() {
  local id
  detached "$kImage" sleep 1000
  id=$seen
  [[ -n $(cgroups_named "*$id*") ]] || fail "the container has no cgroup"
  remove
  expect_error '[1-9]*' '*' "${engine[@]}" inspect "$name"
  expect 0 '' cgroups_named "*$id*"
}
