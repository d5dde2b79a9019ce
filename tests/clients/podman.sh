# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Podman as root, with cgroupfs. It reads structured errors from runtimes that it is told about.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2034,SC2154  # shared with the cases and lib.sh
source "$here/engine_cases.sh"
source "$here/engine_features.sh"

podman_missing() {
  local program
  for program in podman conmon runc; do
    command -v "$program" >/dev/null || { printf '%s is not installed\n' "$program" && return; }
  done
}

podman_set_up() {
  local dir=$work/podman
  mkdir -p "$dir"
  cat >"$dir/containers.conf" <<TOML
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["dhow", "reference"]
[engine.runtimes]
dhow = ["$(program_of dhow)"]
reference = ["$(program_of reference)"]
[network]
network_config_dir = "$dir/networks"
TOML
  podman_begin_case
  "${engine[@]}" load -q -i "$work/image.tar" >/dev/null
}

podman_begin_case() {
  local dir=$work/podman
  export CONTAINERS_CONF=$dir/containers.conf
  engine=(podman --root "$dir/data" --runroot "$dir/run" --tmpdir "$dir/tmp" --storage-driver
    "$(storage vfs overlay)" --runtime "${runtime:-dhow}")
  # Podman asks for its own highest limits otherwise, which needs CAP_SYS_RESOURCE.
  flags_but_limits=(--cgroup-parent "/$cgroup_parent" --ulimit nproc=4096:4096)
  flags=("${flags_but_limits[@]}" --ulimit nofile=1024:1024)
  isolated=(--network none)
  bridge=podman
}

has_init() { [[ -x /usr/libexec/podman/catatonit || -x /usr/bin/catatonit ]]; }

# The runtime says "created" before the container is started.
case_init_and_start() {
  expect_like 0 '*' "${engine[@]}" create --name "$name" "${flags[@]}" "${isolated[@]}" "$kImage" \
    sh -c 'exit 6'
  expect_like 0 '*' "${engine[@]}" init "$name"
  expect 0 initialized inspect '{{.State.Status}}'
  expect 6 '' "${engine[@]}" start -a "$name"
  remove
}

case_health_check() {
  keep --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1
  expect 1 '*' "${engine[@]}" healthcheck run "$name"
  expect 0 '' do_exec "$name" touch /tmp/well
  expect 0 '*' "${engine[@]}" healthcheck run "$name"
  remove
}

case_events() {
  keep
  expect 0 '' do_exec "$name" true
  expect 0 '*' "${engine[@]}" pause "$name"
  expect 0 '*' "${engine[@]}" unpause "$name"
  expect 0 '*' "${engine[@]}" stop -t 30 "$name"
  expect 0 $'create\nexec\npause\nstart\nunpause' actions
  remove
}
actions() {
  "${engine[@]}" events --stream=false --filter "container=$name" --format '{{.Status}}' |
    grep -E '^(create|start|exec|pause|unpause)$' | sort
}

case_user_namespace() {
  expect 0 '         0     100000       1000' once --uidmap 0:100000:1000 --gidmap 0:100000:1000 \
    "$kImage" cat /proc/self/uid_map
  keep --uidmap 0:100000:1000 --gidmap 0:100000:1000
  expect 0 'uid=0(root) gid=0(root)*' do_exec "$name" id
  expect 0 '' do_exec "$name" touch /tmp/file
  expect 0 '100000 100000' stat -c '%u %g' "$("${engine[@]}" mount "$name")/tmp/file"
  remove
}

case_pod() {
  expect_like 0 '*' "${engine[@]}" pod create --infra=false --name "$name-pod" \
    --cgroup-parent "/$cgroup_parent"
  flags=("${flags[@]:2}" --pod "$name-pod")
  detached "$kImage" sleep 1000
  expect 0 hi do_exec "$name" echo hi
  expect_like 0 '*' "${engine[@]}" pod rm -f "$name-pod"
}

case_without_a_cgroup() {
  incomparable "runc always makes a cgroup"
  ln -sf "$(program_of dhow)" "$work/podman/crun"
  engine+=(--runtime "$work/podman/crun")
  flags=("${flags[@]:2}" --cgroups disabled)
  expect 4 '' shell 'exit 4'
}

case_preserved_descriptors() {
  exec 3<<<text
  expect 0 text once --preserve-fds 1 "$kImage" sh -c 'cat <&3'
}
