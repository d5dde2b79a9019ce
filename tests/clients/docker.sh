# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Docker's daemon as Debian has it, with dhow-runtime as an added runtime and as the default one.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2034,SC2154  # shared with the cases and lib.sh
# shellcheck disable=SC2016  # scripts for the container's shell

source "$here/engine_cases.sh"
source "$here/engine_features.sh"

# Debian's, not one that stands before it on the path.
docker_client() { printf '/usr/bin/docker\n'; }

docker_missing() {
  local program
  for program in dockerd containerd /usr/bin/docker containerd-shim-runc-v2 runc; do
    command -v "$program" >/dev/null || { printf '%s is not installed\n' "$program" && return; }
  done
}

docker_set_up() {
  local dir=$work/docker
  mkdir -p "$dir"
  printf '{"runtimes": {"dhow": {"path": "%s"}, "reference": {"path": "%s"}}}\n' \
    "$(program_of dhow)" "$(program_of reference)" >"$dir/daemon.json"
  dockerd --config-file "$dir/daemon.json" --default-runtime dhow --data-root "$dir/data" \
    --exec-root "$dir/exec" --host "unix://$dir/socket" --pidfile "$dir/pid" \
    --storage-driver "$(storage vfs overlay2)" --cgroup-parent "/$cgroup_parent" --live-restore=false \
    --registry-mirror http://127.0.0.1:1 >"$dir/log" 2>&1 &
  await_daemon $! "$dir/log" docker -H "unix://$dir/socket" version
  docker -H "unix://$dir/socket" load -q -i "$work/image.tar" >/dev/null
}

docker_begin_case() {
  engine=("$(docker_client)" -H "unix://$work/docker/socket")
  flags=(--runtime "$runtime")
  flags_but_limits=("${flags[@]}")
  isolated=(--network none)
  bridge=bridge
}

has_init() { command -v docker-init >/dev/null; }

case_working_folder_is_made() { expect 0 /made/here once -w /made/here "$kImage" pwd; }

case_update_of_pids() {
  keep --pids-limit 50
  expect 0 '*' "${engine[@]}" update --pids-limit 40 "$name"
  expect 0 40 do_exec "$name" cat "$(limit_file pids pids.max pids.max)"
  remove
}

# Without --runtime, the daemon's default is used.
case_default_runtime() {
  incomparable 'the default runtime is dhow'
  expect 0 dhow "${engine[@]}" info -f '{{.DefaultRuntime}}'
  flags=()
  expect 3 '' shell 'exit 3'
  keep
  expect 0 dhow inspect '{{.HostConfig.Runtime}}'
  expect 0 hi do_exec "$name" echo hi
  remove
}

case_build() {
  local dir=$case_dir/context
  incomparable 'the default runtime is dhow'
  mkdir -p "$dir"
  printf 'FROM %s\nRUN echo built >/file && id -u >>/file\nUSER 1000\nRUN id -u >/tmp/id\n' \
    "$kImage" >"$dir/Dockerfile"
  expect_like 0 '*' env DOCKER_BUILDKIT=0 "${engine[@]}" build -q --network none -t "$name" "$dir"
  expect 0 $'built\n0\n1000' "${engine[@]}" run --rm --network none "$name" cat /file /tmp/id
  printf 'FROM %s\nRUN exit 9\n' "$kImage" >"$dir/Dockerfile"
  expect_error 9 '*non-zero code: 9*' env DOCKER_BUILDKIT=0 "${engine[@]}" build -q \
    --network none "$dir"
}

# The restart policy is the daemon's, the exits and new starts are the runtime's.
case_restart_policy() {
  detached --restart on-failure:2 "$kImage" sh -c 'echo run; exit 5'
  expect 0 5 "${engine[@]}" wait "$name"
  await_event die die die
  expect 0 '2 exited' inspect '{{.RestartCount}} {{.State.Status}}'
  expect 0 $'run\nrun\nrun' "${engine[@]}" logs "$name"
  remove
}

# await_event ACTION...: blocks until the container of the case has had these events, in this order.
await_event() {
  local wanted=("$@") event
  while ((${#wanted[@]})) && read -r event; do
    [[ $event != "${wanted[0]}"* ]] || wanted=("${wanted[@]:1}")
  done < <("${engine[@]}" events --since 0 --filter "container=$name" --format '{{.Action}}')
}

case_events() {
  keep -m 64m
  expect 0 '' do_exec "$name" true
  expect 0 '*' "${engine[@]}" pause "$name"
  expect 0 '*' "${engine[@]}" unpause "$name"
  expect 0 '*' "${engine[@]}" update -m 65m --memory-swap 65m "$name"
  expect 0 '*' "${engine[@]}" stop -t 30 "$name"
  await_event create start exec_create exec_start exec_die pause unpause update kill die stop
  remove
}

# Of a command beside the container's: where the container itself ends by it, containerd tells of the end
# and of its reason in either order, and the daemon forgets a reason that comes late.
case_out_of_memory_event() {
  keep -m 32m --memory-swap 32m
  expect 137 '' do_exec "$name" /bin/testbox eat 64
  await_event oom
  expect_like 0 '*' "${engine[@]}" kill "$name"
  await_event die
  expect 0 'true 137' inspect '{{.State.OOMKilled}} {{.State.ExitCode}}'
  remove
}

case_health_check() {
  keep --health-cmd 'test -e /tmp/well' --health-interval 200ms --health-retries 1
  await_event 'health_status: unhealthy'
  expect 0 '' do_exec "$name" touch /tmp/well
  await_event 'health_status: healthy'
  expect 0 healthy inspect '{{.State.Health.Status}}'
  remove
}

case_attach() {
  expect_like 0 '*' "${engine[@]}" create -i --name "$name" "${flags[@]}" "${isolated[@]}" "$kImage" \
    sh -c 'read -r line; echo "got $line"; exit 8'
  expect 8 'got text' "${engine[@]}" start -ai "$name" <<<text
  remove
}

case_copy() {
  keep
  echo text >"$case_dir/file"
  expect_like 0 '*' "${engine[@]}" cp "$case_dir/file" "$name:/tmp/file"
  expect 0 text do_exec "$name" cat /tmp/file
  remove
}
