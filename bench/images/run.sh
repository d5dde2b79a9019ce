#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures pulls from a registry on loopback, by dhow and by Debian's docker, podman and containerd, each
# with an empty store of its own, in turns, with cold caches. Must run as root; prints Markdown.
#   bench/images/run.sh [ROUNDS [CASE...]]      3 rounds of all cases unless told otherwise
# Cases: six (and "present": that once more), one, many, small.
# DHOW_BENCH_REGISTRY is a folder that keeps the images for the next run.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly kTools=(dhow containerd docker podman)
rounds=${1:-3}
cases=("${@:2}")
((${#cases[@]})) || cases=(six one many small)
work=
cgroup=
pids=()

# end PID: of a process that was started here.
end() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  local pid
  for pid in "${pids[@]}"; do end "$pid"; done
  [[ -z $work ]] || { unmount_all && rm -rf "$work"; }
  [[ -z $cgroup ]] || rmdir "$cgroup" 2>/dev/null || true
}
trap clean_up EXIT

say() { printf 'images: %s\n' "$*" >&2; }

unmount_all() {
  awk -v w="$work/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
}

# wait_for COMMAND...: until it succeeds, for at most 20 seconds.
wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do
    "$@" &>/dev/null && return
    sleep 0.1
  done
  say "\"$*\" never succeeded"
  return 1
}

# In the cgroup whose processor time is counted.
measured() { (echo "$BASHPID" >"$cgroup/cgroup.procs" && exec "$@"); }

start() {
  { echo "$BASHPID" >"$cgroup/cgroup.procs" && exec "$@"; } &>>"$work/log" &
  pids+=($!)
}

# push NAME: what $work/tree-* hold, a layer each.
push() {
  local tree
  umoci init --layout "$work/layout"
  umoci new --image "$work/layout:1"
  for tree in "$work"/tree-*; do
    umoci insert --image "$work/layout:1" "$tree" / >/dev/null
    rm -rf "$tree"
  done
  skopeo copy -q --dest-tls-verify=false "oci:$work/layout:1" "docker://$registry/$1:1"
  du -sm "$work/layout" | cut -f1 >"$store/$1.size"
  rm -rf "$work/layout"
}

# Files of this machine's /usr in six layers.
make_six() {
  local folder
  for folder in bin sbin include lib/gcc lib/git-core share/doc; do
    mkdir -p "$work/tree-${folder//\//-}/usr/${folder%/*}"
    cp -a "/usr/$folder" "$work/tree-${folder//\//-}/usr/$folder"
  done
}
# One file of 1 GiB, of what /usr holds.
make_one() {
  mkdir "$work/tree-1"
  { tar -c -C / usr 2>/dev/null || true; } | head -c 1G >"$work/tree-1/file" || true
}
# A hundred layers of 1 MB that cannot be packed.
make_many() {
  local i
  for ((i = 0; i < 100; i++)); do
    mkdir "$work/tree-$i"
    head -c 1M /dev/urandom >"$work/tree-$i/$i"
  done
}
# 200,000 files of some bytes in 200 folders.
make_small() {
  local i j
  for ((i = 0; i < 200; i++)); do
    mkdir -p "$work/tree-1/$i"
    for ((j = 0; j < 1000; j++)); do echo "file $j of $i" >"$work/tree-1/$i/$j"; done
  done
}

pull_dhow() { measured "$top/build/release/bin/dhow-bench-pull" "$work/store" "$1"; }
pull_podman() {
  measured podman --root "$work/store" --runroot "$work/run" pull -q --tls-verify=false "$1"
}
pull_docker() { measured docker -H "unix://$work/docker.sock" pull -q "$1"; }
pull_containerd() { measured ctr -a "$work/containerd.sock" images pull --plain-http "$1"; }

# The largest of the measured processes, KiB; looked at ten times a second.
watch_memory() {
  while sleep 0.1; do
    sed 's|.*|/proc/&/status|' "$cgroup/cgroup.procs" | xargs -r grep -hs VmHWM || true
  done >"$work/memory"
}

cpu_usec() { awk '$1 == "usage_usec" {print $2}' "$cgroup/cpu.stat"; }

begin_tool() {
  case $1 in
    docker)
      start dockerd -H "unix://$work/docker.sock" --data-root "$work/store" --exec-root "$work/run" \
        --pidfile "$work/docker.pid" --bridge none --iptables=false --insecure-registry "$registry"
      wait_for docker -H "unix://$work/docker.sock" info
      ;;
    containerd)
      start containerd --address "$work/containerd.sock" --root "$work/store" --state "$work/run"
      wait_for ctr -a "$work/containerd.sock" version
      ;;
  esac
}

# timed TOOL CASE IMAGE: one pull; a line "case tool seconds cpu-seconds KiB".
timed() {
  local tool=$1 began ended cpu watcher
  sync
  echo 3 >/proc/sys/vm/drop_caches
  watch_memory &
  watcher=$!
  cpu=$(cpu_usec)
  began=$(date +%s.%N)
  "pull_$tool" "$registry/$3:1" >"$work/said" 2>>"$work/log" || { tail -n 5 "$work/log" >&2 && kill "$$"; }
  ended=$(date +%s.%N)
  cpu=$(($(cpu_usec) - cpu))
  end "$watcher"
  sed -n "s/^dhow-/$2 /p" "$work/said" >>"$work/splits"
  awk -v a="$began" -v b="$ended" -v c="$cpu" -v n="$2 $tool" '$2 > m {m = $2}
    END {printf "%s %.3f %.3f %d\n", n, b - a, c / 1e6, m}' "$work/memory" | tee -a "$work/times" >&2
}

# measure TOOL IMAGE: a cold pull; of "six" once more when it is there.
measure() {
  local tool=$1 first=${#pids[@]}
  rm -rf "$work/store" "$work/run"
  mkdir "$work/store"
  begin_tool "$tool"
  timed "$tool" "$2" "$2"
  if [[ $2 == six ]]; then
    timed "$tool" present six
    [[ $tool != dhow ]] ||
      "$top/build/release/bin/dhow-bench-pull" "$work/store" "$registry/six:1" again |
      sed -n "s/^dhow-again/again/p" >>"$work/splits"
  fi
  if ((${#pids[@]} > first)); then
    end "${pids[first]}"
    pids=("${pids[@]:0:first}")
  fi
  unmount_all
}

# median CASE TOOL FIELD
median() {
  awk -v c="$1" -v t="$2" -v f="$3" '$1 == c && $2 == t {print $f}' "$work/times" | sort -n |
    awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

report() {
  local name tool dhow shown=("${cases[@]/#six/six present}")
  read -ra shown <<<"${shown[*]}"
  printf '| case | tool | median s | CPU s | peak RSS MiB | × dhow |\n| --- | --- | ---: | ---: | ---: | ---: |\n'
  for name in "${shown[@]}"; do
    dhow=$(median "$name" dhow 3)
    for tool in "${kTools[@]}"; do
      awk -v a="$(median "$name" "$tool" 3)" -v c="$(median "$name" "$tool" 4)" \
        -v m="$(median "$name" "$tool" 5)" -v d="$dhow" -v n="| $name | $tool" \
        'BEGIN {printf "%s | %.2f | %.2f | %s | %.2f |\n", n, a, c, m ? sprintf("%.1f", m / 1024) : "-", a / d}'
    done
  done
  printf '\n| case | MB packed | until the layers are known ms | download ms | then unpacking ms | sync and name ms | peak RSS MiB |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n'
  for name in "${shown[@]}"; do
    awk -v n="$name" -v s="$(cat "$store/${name/present/six}.size")" '$1 == n && $2 == "split" {
      k++; a += $4; b += $5; c += $6; d += $7; if ($8 > r) r = $8}
      END {if (k) printf "| %s | %d | %.1f | %.1f | %.1f | %.1f | %.1f |\n", n, s, a / k * 1e3,
        b / k * 1e3, c / k * 1e3, d / k * 1e3, r / 1024}' "$work/splits"
  done
  awk '$1 == "again" && (!a || $2 < a) {a = $2; b = $3} END {if (a)
    printf "\nOf what is there, by a process that runs: %.1f ms, of which the registry takes %.1f.\n", a * 1e3, b * 1e3}' \
    "$work/splits"
}

main() {
  local name tool round port=17955
  ((EUID == 0)) || { say "run me as root" && exit 1; }
  cmake --build "$top/build/release" --target dhow-bench-pull >&2
  work=$(mktemp -d "${TMPDIR:-/var/tmp}/dhow-images.XXXXXX")
  cgroup=$(mktemp -d "$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)/dhow-images.XXXXXX")
  store=${DHOW_BENCH_REGISTRY:-$work/registry}
  mkdir -p "$store"
  registry=127.0.0.1:$port
  printf 'version: 0.1\nlog: {accesslog: {disabled: true}, level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' \
    "$store" "$registry" >"$work/registry.yml"
  docker-registry serve "$work/registry.yml" &>>"$work/log" &
  pids+=($!)
  wait_for curl -sf "http://$registry/v2/"
  for name in "${cases[@]}"; do
    [[ ! -e $store/$name.size ]] || continue
    say "making the image \"$name\""
    "make_$name"
    push "$name"
  done
  say "load average at the start: $(cut -d' ' -f1-3 /proc/loadavg)"
  for ((round = 1; round <= rounds; round++)); do
    for name in "${cases[@]}"; do
      for tool in "${kTools[@]}"; do measure "$tool" "$name"; done
    done
  done
  report
}

main
