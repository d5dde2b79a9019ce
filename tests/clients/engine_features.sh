# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What docker and podman ask of a runtime by flags of `run`; see engine_cases.sh.
# shellcheck disable=SC2034,SC2154  # engine, flags and isolated are the suite's, name is lib.sh's
# shellcheck disable=SC2016  # scripts for the container's shell

case_read_only() {
  expect 1 '' shell 'touch /file' --read-only
  expect 0 '/run/file' shell 'touch /run/file && ls /run/file' --read-only --tmpfs /run
  expect 0 /file shell 'touch /file && ls /file'
}

case_user() {
  expect 0 'uid=1000(user) gid=1000(user)*' once -u user "$kImage" id
  expect 0 'uid=7* gid=8* groups=8*,50(staff)' once -u 7:8 --group-add 50 "$kImage" id
  expect 0 /home shell 'echo $HOME' -u user
  expect 1 '' shell 'touch /file' -u 1000
}

case_capabilities() {
  expect 0 $'CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nCapBnd:\t0000000000000001' \
    once --cap-drop ALL --cap-add CHOWN "$kImage" grep -E 'Cap(Prm|Eff|Bnd)' /proc/self/status
  expect 0 $'CapEff:\t0000000000000000' \
    once -u 1000 "$kImage" grep CapEff /proc/self/status
  expect 1 '' once --cap-drop CHOWN "$kImage" chown 5 /home
  expect 0 '' once "$kImage" chown 5 /home
}

# Debian's runc wants to set the capabilities that it lacks itself, and fails where it lacks any.
case_privileged() {
  grep -q "CapBnd:.*$(printf '%x' $(((1 << ($(</proc/sys/kernel/cap_last_cap) + 1)) - 1)))" \
    /proc/self/status || incomparable "this machine lacks capabilities, with which runc can't do"
  expect 0 '' shell 'mount -t tmpfs none /tmp && umount /tmp' --privileged
  expect 0 '0' shell 'grep Seccomp: /proc/self/status | grep -o "[0-9]"' --privileged
  expect 0 '*null*' shell 'ls /dev' --privileged
  expect 0 '' shell 'echo 1 >/proc/sys/kernel/shm_rmid_forced' --privileged
  keep --privileged
  expect 0 '' do_exec --privileged "$name" sh -c 'mount -t tmpfs none /tmp && umount /tmp'
  remove
}

case_seccomp() {
  expect 0 2 shell 'grep Seccomp: /proc/self/status | grep -o "[0-9]"'
  expect 0 0 shell 'grep Seccomp: /proc/self/status | grep -o "[0-9]"' \
    --security-opt seccomp=unconfined
  printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],
    "action":"SCMP_ACT_ERRNO"}]}' >"$case_dir/profile.json"
  expect 1 '' once --security-opt "seccomp=$case_dir/profile.json" "$kImage" mkdir /made
  expect 0 '' once --security-opt "seccomp=$case_dir/profile.json" "$kImage" touch /made
  # The default profile refuses what needs a capability.
  expect 1 '' once "$kImage" unshare -m true
}

case_no_new_privileges() {
  expect 0 1 shell 'grep NoNewPrivs /proc/self/status | grep -o "[0-9]"' \
    --security-opt no-new-privileges
  expect 0 0 shell 'grep NoNewPrivs /proc/self/status | grep -o "[0-9]"'
}

case_namespaces_of_the_host() {
  local kind isolated=()
  for kind in pid ipc uts network cgroupns; do
    expect 0 "$(own_namespace "$(namespace_file $kind)")" \
      once "--$kind=host" "$kImage" readlink "/proc/self/ns/$(namespace_file $kind)"
  done
  expect 0 1 shell 'echo $$' --ipc=private --cgroupns=private
  expect_like 0 "!($(own_namespace cgroup))" \
    once --cgroupns=private "$kImage" readlink /proc/self/ns/cgroup
}

namespace_file() {
  case $1 in
    network) echo net ;;
    cgroupns) echo cgroup ;;
    *) echo "$1" ;;
  esac
}

case_namespaces_of_a_container() {
  local ipc
  keep --ipc=shareable
  ipc=$(do_exec "$name" readlink /proc/self/ns/ipc | tee "$case_dir/ipc" | sed 's/[][]/\\&/g')
  expect_like 0 "$ipc" once --ipc="container:$name" "$kImage" readlink /proc/self/ns/ipc
  expect 0 same shell '[ $$ != 1 ] && grep -q ready /proc/1/cmdline && echo same' \
    --pid="container:$name"
  remove
}

case_tmpfs() {
  expect 0 'tmpfs /x*' shell 'grep " /x " /proc/mounts | cut -d" " -f1,2' --tmpfs /x
  expect 0 '1024' shell 'df -k /x | awk "END {print \$2}"' --tmpfs /x:size=1m
  expect 0 'drwx------' shell 'stat -c %A /x' --tmpfs /x:mode=700
  expect 126 '' shell 'cp /bin/busybox /x/true && /x/true' --tmpfs /x:noexec
  expect 0 '6[45]*' shell 'df -k /dev/shm | awk "END {print \$2}"'
  expect 0 2048 shell 'df -k /dev/shm | awk "END {print \$2}"' --shm-size 2m
}

case_bind_mounts() {
  local dir=$case_dir/host
  mkdir -p "$dir/inner"
  echo text >"$dir/file"
  expect 0 text once -v "$dir:/x" "$kImage" cat /x/file
  expect 0 '' shell 'echo more >>/x/file' -v "$dir:/x"
  expect 0 $'text\nmore' cat "$dir/file"
  expect 1 '' shell 'touch /x/new' -v "$dir:/x:ro"
  expect 0 $'text\nmore' once -v "$dir/file:/etc/made/file:ro" "$kImage" cat /etc/made/file
  expect 0 1 shell 'grep -c " /x .*shared:" /proc/self/mountinfo' -v "$dir:/x:rshared"
  expect 0 0 shell 'grep -c " /x .*shared:" /proc/self/mountinfo || true' -v "$dir:/x:rprivate"
  expect 0 $'text\nmore' once --mount "type=bind,source=$dir,destination=/x,readonly" "$kImage" \
    cat /x/file
}

case_bind_propagation() {
  local dir=$case_dir/shared
  mkdir -p "$dir/inner"
  mount -t tmpfs none "$dir"
  mount --make-shared "$dir"
  mkdir "$dir/inner"
  keep -v "$dir:/x:rslave"
  mount -t tmpfs none "$dir/inner"
  touch "$dir/inner/file"
  expect 0 /x/inner/file do_exec "$name" ls /x/inner/file
  remove
  umount -R "$dir"
}

case_volumes_keep_files() {
  expect 0 '' shell 'echo kept >/x/file' -v "$name:/x"
  expect 0 kept once -v "$name:/x" "$kImage" cat /x/file
  expect 0 '*' "${engine[@]}" volume rm "$name"
}

case_ulimit() {
  flags=("${flags_but_limits[@]}" --ulimit nofile=100:200 --ulimit core=0)
  expect 0 $'100\n200' shell 'ulimit -Sn; ulimit -Hn'
  expect 0 $'0\n0' shell 'ulimit -Sc; ulimit -Hc' -u 1000
  # The soft limit is left out: Debian's runc raises it to the hard one when podman asks for an exec.
  keep
  expect 0 200 do_exec "$name" sh -c 'ulimit -Hn'
  remove
}

case_sysctl() {
  expect 0 $'1\n12345' shell 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced |
    head -n1; cat /proc/sys/kernel/shmmax' --sysctl net.ipv4.ip_forward=1 \
    --sysctl kernel.shmmax=12345
  expect 1 '' shell 'echo 1 2>/dev/null >/proc/sys/kernel/shmmax'
}

case_masked_and_read_only_paths() {
  expect 0 0 shell 'cat /proc/kcore | wc -c'
  expect 0 0 shell 'ls /sys/firmware | wc -l'
  expect 1 '' shell 'echo 1 2>/dev/null >/proc/sys/vm/swappiness'
  expect 1 '' shell 'echo b 2>/dev/null >/proc/sysrq-trigger'
}

case_devices() {
  # Not ls -l: its time is that of the container's start.
  expect 0 'crw* a:e5 *' once --device /dev/fuse "$kImage" stat -c '%A %t:%T %u:%g' /dev/fuse
  expect 0 'crw* a:e5 *' once --device /dev/fuse:/dev/other "$kImage" stat -c '%A %t:%T %u:%g' /dev/other
  expect 0 1 shell 'dd if=/dev/zero bs=1 count=1 2>/dev/null | wc -c'
  # A node that may be made, but not be opened.
  expect 1 '' shell 'mknod /tmp/fuse c 10 229 && exec 3<>/tmp/fuse'
  expect 0 '*null*' once "$kImage" ls /dev
}

# Whether the client hears of it is compared: it depends on what of the kernel the client watches.
case_out_of_memory() {
  expect 137 '' shell '/bin/testbox eat 64; exit $?' -m 16m --memory-swap 16m
  detached -m 16m --memory-swap 16m "$kImage" /bin/testbox eat 64
  expect 0 137 "${engine[@]}" wait "$name"
  # Whether it was for memory, the engine is told beside the end, and may be too late: with any runtime.
  expect 0 137 inspect '{{.State.ExitCode}}'
  remove
}

case_init() {
  has_init || skip "there is no init program for the containers"
  expect 0 '*init*' shell 'tr "\0" " " </proc/1/cmdline' --init
  expect 3 '' shell 'exit 3' --init
}

case_network() {
  expect 0 lo once "$kImage" ls /sys/class/net
  isolated=()
  expect 0 $'eth0\nlo' once --network "$bridge" "$kImage" ls /sys/class/net
  expect 0 '*1 packets received*' shell \
    'ping -c1 -w20 "$(ip route | awk "/^default/ {print \$3}")" | sed "s/time.*//; s/^rou.*//"' \
    --network "$bridge" --cap-add NET_RAW
}
