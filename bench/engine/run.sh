#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures what people feel: run, exec and ps, by dhow's command line and the stock docker's on dhowd, and
# by Debian's docker, podman and containerd, each with an engine and an empty store of its own, in turns.
# Must run as root; prints Markdown. All of it is in a network namespace of its own.
#   bench/engine/run.sh [ROUNDS [CASE...]]      5 rounds of all cases unless told otherwise
# Cases: run, net (run on the default network), cold (the engine has to be started), exec, ps (1,000 containers), memory (idle, then
# with 1,000 running containers), takeover (after a kill, with those), cycles (10,000 of run and remove), crowd (run
# beside 500 containers on the default network), ports (200 published), throughput (of networks; needs iperf3).
# DHOW_BENCH_CONTAINERS, DHOW_BENCH_CYCLES and DHOW_BENCH_CROWD are other numbers than 1,000, 10,000 and 500.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly kBin=$top/build/release/bin
readonly kImages=$top/build/release/share/dhow/images
readonly kContainers=${DHOW_BENCH_CONTAINERS:-1000}
readonly kCycles=${DHOW_BENCH_CYCLES:-10000}
rounds=${1:-5}
cases=("${@:2}")
((${#cases[@]})) || cases=(run net cold exec ps memory takeover cycles)
work=
pids=()
# shellcheck source=bench/engine/network.sh
. "$top/bench/engine/network.sh"

say() { printf 'engine: %s\n' "$*" >&2; }

# end PID: of a process that was started here.
end() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  local pid
  [[ -z $work ]] || remove_all_containers || true
  for pid in "${pids[@]}"; do end "$pid"; done
  [[ -z $work ]] || { end_dhowd && unmount_all && rm -rf "$work"; }
}
trap clean_up EXIT

unmount_all() {
  awk -v w="$work/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
}

# wait_for COMMAND...: until it succeeds, for at most 20 seconds.
wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do
    # In a trap, `return` alone gives the status from before the trap.
    "$@" &>/dev/null && return 0
    sleep 0.1
  done
  say "\"$*\" never succeeded"
  return 1
}

# The engine's process, and those of its shims.
dhowd_pid() { pgrep -f "^[^ ]*dhowd .*--state $work/run/dhow( |\$)" | head -n 1 || true; }
shim_pids() { pgrep -f "^[^ ]*containerd-shim-dhow-v1 .*-address $work/run/dhow/" || true; }

# As the command line does when nothing listens, but with folders of its own.
start_dhowd() {
  local ready=$work/ready
  [[ -p $ready ]] || mkfifo "$ready"
  setsid "$kBin/dhowd" --root "$work/dhow/lib" --state "$work/run/dhow" --ready-fd 3 \
    </dev/null &>>"$work/dhowd.log" 3>"$ready" &
  disown
  # One byte comes when it serves.
  [[ $(head -c 1 "$ready" | wc -c) == 1 ]] || { say "dhowd did not start: $(tail -n 1 "$work/dhowd.log")" && return 1; }
}

end_dhowd() {
  local pid
  pid=$(dhowd_pid)
  [[ -z $pid ]] || { kill -9 "$pid" && wait_for test ! -d "/proc/$pid"; }
}

dhow() { "$kBin/dhow" -H "unix://$work/run/dhow/docker.sock" "$@"; }

remove_all_containers() {
  [[ -n $(dhowd_pid) ]] || return 0
  dhow ps -aq | xargs -r -n 50 "$kBin/dhow" -H "unix://$work/run/dhow/docker.sock" rm -f >/dev/null
}

start() {
  "$@" &>>"$work/peers.log" &
  pids+=($!)
}

start_peers() {
  start dockerd -H "unix://$work/docker.sock" --data-root "$work/docker" --exec-root "$work/run/docker" \
    --pidfile "$work/docker.pid"
  start containerd --address "$work/containerd.sock" --root "$work/containerd" --state "$work/run/containerd"
  wait_for docker -H "unix://$work/docker.sock" info
  wait_for ctr -a "$work/containerd.sock" version
  dhow save busybox -o "$work/busybox.tar"
  docker -H "unix://$work/docker.sock" load -q -i "$work/busybox.tar" >/dev/null
  podman "${podman[@]}" load -q -i "$work/busybox.tar" >/dev/null
  ctr -a "$work/containerd.sock" images import "$work/busybox.tar" >/dev/null
}

# command TOOL CASE: what hyperfine is to run.
command_of() {
  case $2:$1 in
    run:dhow) echo "$kBin/dhow -H unix://$work/run/dhow/docker.sock run --rm --network none busybox true" ;;
    run:docker-on-dhow) echo "docker -H unix://$work/run/dhow/docker.sock run --rm --network none busybox true" ;;
    run:docker) echo "docker -H unix://$work/docker.sock run --rm --network none busybox true" ;;
    run:podman) echo "podman ${podman[*]} run ${limits[*]} --rm --network none busybox true" ;;
    run:ctr) echo "ctr -a $work/containerd.sock run --rm docker.io/library/busybox:latest bench true" ;;
    net:dhow) echo "$kBin/dhow -H unix://$work/run/dhow/docker.sock run --rm busybox true" ;;
    net:docker-on-dhow) echo "docker -H unix://$work/run/dhow/docker.sock run --rm busybox true" ;;
    net:docker) echo "docker -H unix://$work/docker.sock run --rm busybox true" ;;
    net:podman) echo "podman ${podman[*]} run ${limits[*]} --rm busybox true" ;;
    exec:dhow) echo "$kBin/dhow -H unix://$work/run/dhow/docker.sock exec bench true" ;;
    exec:docker-on-dhow) echo "docker -H unix://$work/run/dhow/docker.sock exec bench true" ;;
    exec:docker) echo "docker -H unix://$work/docker.sock exec bench true" ;;
    exec:podman) echo "podman ${podman[*]} exec bench true" ;;
    exec:ctr) echo "ctr -a $work/containerd.sock task exec --exec-id bench-exec bench-task true" ;;
    ps:dhow) echo "$kBin/dhow -H unix://$work/run/dhow/docker.sock ps -a" ;;
    ps:docker-on-dhow) echo "docker -H unix://$work/run/dhow/docker.sock ps -a" ;;
    ps:docker) echo "docker -H unix://$work/docker.sock ps -a" ;;
  esac
}

# compare CASE RUNS TOOL...: medians of all rounds, as rows of a table.
compare() {
  local name=$1 runs=$2 tool round file
  shift 2
  for ((round = 1; round <= rounds; round++)); do
    for tool in "$@"; do
      file=$work/$name.$tool.$round
      hyperfine -N --style none --warmup 2 --runs "$runs" --export-csv "$file" "$(command_of "$tool" "$name")" \
        >/dev/null 2>>"$work/hyperfine.log" || { tail -n 5 "$work/hyperfine.log" >&2 && return 1; }
    done
  done
  local first
  first=$(median "$name" "$1")
  for tool in "$@"; do
    awk -v n="$name" -v t="$tool" -v m="$(median "$name" "$tool")" -v f="$first" \
      'BEGIN {printf "| %s | %s | %.1f | %.2f |\n", n, t, m * 1e3, m / f}'
  done
}

# Field 4 of hyperfine's lines is the median of a round, in seconds.
median() {
  tail -q -n 1 "$work/$1.$2".* | awk -F, '{print $(NF - 4)}' | sort -n |
    awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

# Proportional memory of processes, KiB.
pss() {
  local pid
  for pid in "$@"; do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
    awk '$1 == "Pss:" {sum += $2} END {print sum + 0}'
}

mounts() { wc -l </proc/self/mountinfo; }

row() { printf '| %s | %s |\n' "$1" "$2"; }

run_detached() { dhow run -d --network none busybox sleep 1000000 >/dev/null; }
export -f run_detached dhow
export kBin work

# has_given_back KIB: whether the engine takes clearly less than that.
has_given_back() { (($(pss "$(dhowd_pid)") * 10 < $1 * 9)); }

measure_memory() {
  local before mounts_before began ended idle
  # It gives memory back once nobody has asked for anything for a while.
  dhow version >/dev/null
  wait_for has_given_back "$(pss "$(dhowd_pid)")"
  idle=$(pss "$(dhowd_pid)")
  row "idle engine, PSS MiB" "$(awk -v k="$idle" 'BEGIN {printf "%.1f", k / 1024}')"
  run_detached
  row "shim with one container, PSS KiB" "$(pss "$(shim_pids | head -n 1)")"
  before=$(pss "$(dhowd_pid)")
  mounts_before=$(mounts)
  began=$(date +%s.%N)
  seq 2 "$kContainers" | xargs -P 8 -I{} bash -c run_detached
  ended=$(date +%s.%N)
  row "containers started a second, 8 at a time" \
    "$(awk -v n="$((kContainers - 1))" -v a="$began" -v b="$ended" 'BEGIN {printf "%.0f", n / (b - a)}')"
  row "engine's growth a container, PSS KiB" \
    "$(awk -v n="$((kContainers - 1))" -v a="$before" -v b="$(pss "$(dhowd_pid)")" 'BEGIN {printf "%.1f", (b - a) / n}')"
  row "mounts of the host, before and with $kContainers" "$mounts_before, $(mounts)"
}

# The engine is only started by need at the usual place, so that is in a mount namespace of ours.
measure_cold() {
  local keeper pid i
  mkdir -p /run/dhow /var/lib/dhow "$work/run/cold" "$work/cold"
  # shellcheck disable=SC2016  # the inner shell's own
  unshare -m bash -c 'mount --bind "$1/run/cold" /run/dhow && mount --bind "$1/cold" /var/lib/dhow && exec sleep 100000' \
    - "$work" &
  keeper=$!
  pids+=("$keeper")
  wait_for nsenter -t "$keeper" -m mountpoint -q /var/lib/dhow
  nsenter -t "$keeper" -m "$kBin/dhow" run --rm --network none busybox true
  for ((i = 0; i < rounds; i++)); do
    end_inside "$keeper"
    nsenter -t "$keeper" -m hyperfine -N --style none --runs 1 --export-csv "$work/cold.dhow.$i" \
      "$kBin/dhow run --rm --network none busybox true" >/dev/null
  done
  end_inside "$keeper"
  printf '| cold | dhow | %.1f | |\n' "$(median cold dhow | awk '{print $1 * 1e3}')"
}

# end_inside PID: the engine in the mount namespace of that process.
end_inside() {
  local pid
  for pid in $(pgrep -x dhowd); do
    [[ $(readlink "/proc/$pid/ns/mnt") != "$(readlink "/proc/$1/ns/mnt")" ]] || kill -9 "$pid"
  done
}

measure_takeover() {
  local began ended
  end_dhowd
  began=$(date +%s.%N)
  start_dhowd
  [[ $(dhow ps -q | wc -l) == "$kContainers" ]] || say "not all containers were taken over"
  ended=$(date +%s.%N)
  row "start and takeover of $kContainers containers, ms" \
    "$(awk -v a="$began" -v b="$ended" 'BEGIN {printf "%.0f", (b - a) * 1e3}')"
}

measure_cycles() {
  local i pid before
  pid=$(dhowd_pid)
  for ((i = 0; i < 100; i++)); do dhow run --rm --network none busybox true; done
  before="$(pss "$pid") KiB, $(find "/proc/$pid/fd" -type l | wc -l) descriptors, $(mounts) mounts, $(du -sk "$work/dhow" | cut -f1) KiB of disk"
  for ((i = 0; i < kCycles; i++)); do dhow run --rm --network none busybox true; done
  row "before $kCycles cycles" "$before"
  row "after" "$(pss "$pid") KiB, $(find "/proc/$pid/fd" -type l | wc -l) descriptors, $(mounts) mounts, $(du -sk "$work/dhow" | cut -f1) KiB of disk"
}

measure() {
  case $1 in
    run) compare run 20 dhow docker-on-dhow docker podman ctr ;;
    net) compare net 20 dhow docker-on-dhow docker podman ;;
    cold) measure_cold ;;
    exec)
      dhow run -d --name bench --network none busybox sleep 1000000 >/dev/null
      docker -H "unix://$work/docker.sock" run -d --name bench --network none busybox sleep 1000000 >/dev/null
      podman "${podman[@]}" run "${limits[@]}" -d --name bench --network none busybox sleep 1000000 >/dev/null
      ctr -a "$work/containerd.sock" run -d docker.io/library/busybox:latest bench-task sleep 1000000
      compare exec 20 dhow docker-on-dhow docker podman ctr
      dhow rm -f bench >/dev/null
      docker -H "unix://$work/docker.sock" rm -f bench >/dev/null
      podman "${podman[@]}" rm -f -t 0 bench >/dev/null
      ctr -a "$work/containerd.sock" task kill -s KILL bench-task
      wait_for ctr -a "$work/containerd.sock" task rm bench-task
      ctr -a "$work/containerd.sock" container rm bench-task
      ;;
    ps)
      for ((i = 0; i < kContainers; i++)); do
        dhow create --network none busybox true >/dev/null
        docker -H "unix://$work/docker.sock" create --network none busybox true >/dev/null
      done
      compare ps 10 dhow docker-on-dhow docker
      remove_all_containers
      ;;
  esac
}

main() {
  local name
  ((EUID == 0)) || { say "run me as root" && exit 1; }
  # Bridges and firewalls of four engines are not the host's business.
  if [[ -z ${DHOW_BENCH_INSIDE:-} ]]; then
    DHOW_BENCH_INSIDE=1 exec unshare -n "$top/bench/engine/run.sh" "$rounds" "${cases[@]}"
  fi
  ip link set lo up
  cmake --build "$top/build/release" >&2
  work=$(mktemp -d "${TMPDIR:-/var/tmp}/dhow-engine.XXXXXX")
  # What is forgotten at a reboot, of all four, is in memory, as /run is everywhere.
  mkdir "$work/run" && mount -t tmpfs dhow-engine "$work/run"
  # Podman asks for its own highest limits otherwise, which needs CAP_SYS_RESOURCE; its crun takes no host
  # with cgroup v1 and a controller of v2.
  limits=(--ulimit nproc=4096:4096 --ulimit nofile=1024:1024)
  podman=(--runtime runc --root "$work/podman" --runroot "$work/run/podman" --cgroup-manager cgroupfs --events-backend none)
  export DHOW_IMAGES=$kImages
  start_dhowd
  dhow run --rm --network none busybox true
  for name in run net exec ps; do
    [[ " ${cases[*]} " != *" $name "* ]] || { start_peers && break; }
  done
  say "load average at the start: $(cut -d' ' -f1-3 /proc/loadavg)"
  printf '| case | tool | median ms | × dhow |\n| --- | --- | ---: | ---: |\n'
  for name in "${cases[@]}"; do
    case $name in run | net | cold | exec | ps) measure "$name" ;; esac
  done
  printf '\n| what | value |\n| --- | ---: |\n'
  for name in "${cases[@]}"; do
    case $name in memory | takeover | cycles | crowd | ports | throughput) "measure_$name" ;; esac
  done
}

main
