# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Buildah: the RUN lines of a build, and `buildah run`, with isolation by an OCI runtime.
# shellcheck disable=SC2154  # shared with lib.sh
# shellcheck disable=SC2016  # scripts for the container's shell

buildah_missing() {
  local program
  for program in buildah runc; do
    command -v "$program" >/dev/null || { printf '%s is not installed\n' "$program" && return; }
  done
}

buildah_begin_case() {
  local dir=$work/buildah
  export CONTAINERS_CONF=$dir/containers.conf
  buildah=(buildah --root "$dir/data" --runroot "$dir/run" --storage-driver
    "$(storage vfs overlay)")
  # It trusts the errors of runtimes by their names only.
  if [[ $runtime == dhow ]]; then
    ln -sf "$(program_of dhow)" "$dir/crun"
    program=$dir/crun
  else
    program=$(program_of reference)
  fi
  limits=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
  run=(run --runtime "$program" --isolation oci --network none)
}

buildah_set_up() {
  mkdir -p "$work/buildah"
  printf '[engine]\ncgroup_manager = "cgroupfs"\n' >"$work/buildah/containers.conf"
  runtime=reference
  buildah_begin_case
  "${buildah[@]}" pull -q "docker-archive:$work/image.tar" >/dev/null
}

# What buildah calls the parent is the cgroup of the container itself.
build() {
  "${buildah[@]}" bud -q --isolation oci --runtime "$program" --network none "${limits[@]}" \
    --cgroup-parent "/$cgroup_parent/$name" -t "$name" "$@" "$case_dir"
}

# from: a working container named $name.
from() {
  expect_like 0 '*' "${buildah[@]}" from --name "$name" "${limits[@]}" \
    --cgroup-parent "/$cgroup_parent/$name" "$kImage"
}
remove() { expect_like 0 '*' "${buildah[@]}" rm "$name"; }

case_bud_with_run() {
  cat >"$case_dir/Dockerfile" <<DOCKERFILE
FROM $kImage
ENV A=b
RUN echo "\$A" >/file && id -u >>/file
WORKDIR /made
USER 1000
RUN pwd >/tmp/where; id -u >>/tmp/where
DOCKERFILE
  expect_like 0 '*' build
  expect_like 0 '*' "${buildah[@]}" from --name "$name" "$name"
  expect 0 $'b\n0\n/made\n1000' cat "$("${buildah[@]}" mount "$name")"/{file,tmp/where}
  remove
}

case_bud_fails_with_the_command() {
  printf 'FROM %s\nRUN exit 9\n' "$kImage" >"$case_dir/Dockerfile"
  expect '[1-9]*' '' build
  printf 'FROM %s\nRUN ["/nonexistent"]\n' "$kImage" >"$case_dir/Dockerfile"
  expect '[1-9]*' '' build
}

case_bud_with_limits_and_mounts() {
  mkdir -p "$case_dir/given"
  echo text >"$case_dir/given/file"
  cat >"$case_dir/Dockerfile" <<DOCKERFILE
FROM $kImage
RUN --mount=type=bind,source=given,target=/x cat /x/file >/tmp/seen
RUN --mount=type=tmpfs,target=/y touch /y/file && grep -c " /y tmpfs" /proc/mounts >>/tmp/seen
RUN ulimit -Sn >>/tmp/seen; grep CapEff /proc/self/status >>/tmp/seen
DOCKERFILE
  expect_like 0 '*' build --cap-drop ALL
  expect_like 0 '*' "${buildah[@]}" from --name "$name" "$name"
  expect 0 $'text\n1\n1024\nCapEff:\t0000000000000000' cat "$("${buildah[@]}" mount "$name")/tmp/seen"
  remove
}

case_run_exit_codes() {
  from
  expect 0 hi "${buildah[@]}" "${run[@]}" "$name" -- echo hi
  expect 7 '' "${buildah[@]}" "${run[@]}" "$name" -- sh -c 'exit 7'
  expect '[1-9]*' '' "${buildah[@]}" "${run[@]}" "$name" -- /nonexistent
  expect '[1-9]*' '' "${buildah[@]}" "${run[@]}" "$name" -- /etc
  remove
}

case_run_input_and_terminal() {
  from
  expect 0 $'one\ntwo' "${buildah[@]}" "${run[@]}" "$name" -- cat <<<$'one\ntwo'
  expect_like 5 '*42*' typed $'echo $((6 * 7)); exit 5\n' "${buildah[@]}" "${run[@]}" -t "$name" -- sh
  remove
}

case_run_features() {
  from
  expect 0 'uid=1000(user)*' "${buildah[@]}" "${run[@]}" --user user "$name" -- id
  expect 0 $'/tmp\nb' "${buildah[@]}" "${run[@]}" --workingdir /tmp --env A=b "$name" -- \
    sh -c 'pwd; echo $A'
  expect 0 box "${buildah[@]}" "${run[@]}" --hostname box "$name" -- hostname
  expect 0 $'CapEff:\t0000000000000000' "${buildah[@]}" "${run[@]}" --cap-drop ALL "$name" -- \
    grep CapEff /proc/self/status
  mkdir -p "$case_dir/given"
  expect 1 '' "${buildah[@]}" "${run[@]}" -v "$case_dir/given:/x:ro" "$name" -- touch /x/file
  expect 0 '' "${buildah[@]}" "${run[@]}" -v "$case_dir/given:/x:rw" "$name" -- touch /x/file
  expect 0 file ls "$case_dir/given"
  expect 0 2 "${buildah[@]}" "${run[@]}" "$name" -- \
    sh -c 'grep Seccomp: /proc/self/status | grep -o "[0-9]"'
  remove
}
