#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Cases of run.sh about networks, which reads this file: what many neighbours, many ports and much traffic
# cost. Uses its $work, dhow(), start(), row() and the like.
# shellcheck disable=SC2154  # run.sh assigns them

readonly kCrowd=${DHOW_BENCH_CROWD:-500}
readonly kPorts=200
readonly kSeconds=${DHOW_BENCH_SECONDS:-3} # of traffic, each time

run_on_bridge() { dhow run -d busybox sleep 1000000 >/dev/null; }
export -f run_on_bridge

# A run on the default network, without neighbours there and with many.
measure_crowd() {
  compare net 20 dhow >/dev/null
  local alone crowded
  alone=$(median net dhow)
  rm "$work"/net.dhow.*
  seq "$kCrowd" | xargs -P 8 -I{} bash -c run_on_bridge
  compare net 20 dhow >/dev/null
  crowded=$(median net dhow)
  row "run on the default network, alone there, ms" "$(awk -v s="$alone" 'BEGIN {printf "%.1f", s * 1e3}')"
  row "the same beside $kCrowd containers, ms" "$(awk -v s="$crowded" 'BEGIN {printf "%.1f", s * 1e3}')"
  row "ratio" "$(awk -v a="$alone" -v b="$crowded" 'BEGIN {printf "%.2f", b / a}')"
  remove_all_containers
}

# What a container with many published ports costs more than one without.
measure_ports() {
  local pid before after processes more
  pid=$(dhowd_pid)
  dhow run -d --name plain busybox sleep 1000000 >/dev/null
  before=$(pss "$pid")
  processes=$(pgrep -fc "$work/run/dhow")
  dhow run -d --name ports -p "21000-$((21000 + kPorts - 1)):21000-$((21000 + kPorts - 1))" busybox sleep 1000000 >/dev/null
  after=$(pss "$pid")
  more=$(pgrep -fc "$work/run/dhow")
  row "dhow's processes more for a container with $kPorts published ports" "$((more - processes)), its shim"
  row "engine's growth with it, PSS KiB" "$((after - before))"
  dhow rm -f plain ports >/dev/null
}

# An image with iperf3 of this machine.
make_iperf_image() {
  local root=$work/iperf library
  mkdir -p "$root/usr/bin" "$root/tmp"
  cp "$(command -v iperf3)" "$root/usr/bin/"
  ldd "$root/usr/bin/iperf3" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  tar -C "$root" -cf "$work/iperf.tar" .
  dhow import "$work/iperf.tar" iperf >/dev/null
}

has_own_network() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }

# A host beside ours: 192.0.2.2 behind a pair of interfaces, ours is 192.0.2.1 (RFC 5737).
make_neighbour() {
  unshare -n sleep 100000 &
  neighbour=$!
  pids+=("$neighbour")
  wait_for has_own_network "$neighbour"
  ip link add outside type veth peer name eth0 netns "$neighbour"
  ip address add 192.0.2.1/24 dev outside
  ip link set outside up
  nsenter -t "$neighbour" -n sh -c 'ip address add 192.0.2.2/24 dev eth0 && ip link set eth0 up'
}

# gigabits COMMAND...: a second, as the receiver counts them.
gigabits() {
  "$@" -J -t "$kSeconds" |
    python3 -c 'import json, sys; print("%.2f" % (json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e9))'
}

# traffic NAME ENGINE...: between two containers, and to a published port from another host and from this one.
traffic() {
  local name=$1 server
  shift
  "$@" run -d --name server -p 5201:5201 iperf iperf3 -s >/dev/null
  server=$("$@" inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' server)
  wait_for nsenter -t "$neighbour" -n iperf3 -c 192.0.2.1 -t 1
  printf '%s %s %s %s\n' "$name" "$(gigabits "$@" run --rm iperf iperf3 -c "$server")" \
    "$(gigabits nsenter -t "$neighbour" -n iperf3 -c 192.0.2.1)" "$(gigabits iperf3 -c 127.0.0.1)" >>"$work/traffic"
  "$@" rm -f server >/dev/null
}

measure_throughput() {
  local round tool proxy
  make_iperf_image
  make_neighbour
  # First, since docker's rules drop whatever it does not know.
  for ((round = 1; round <= rounds; round++)); do traffic "dhow;" dhow; done
  for proxy in true false; do
    # Each has an empty store and a bridge of its own; the other's has gone.
    start dockerd -H "unix://$work/docker.$proxy.sock" --data-root "$work/docker.$proxy" --exec-root "$work/docker.$proxy.run" \
      --pidfile "$work/docker.$proxy.pid" --userland-proxy="$proxy"
    wait_for docker -H "unix://$work/docker.$proxy.sock" info
    docker -H "unix://$work/docker.$proxy.sock" import "$work/iperf.tar" iperf >/dev/null
    for ((round = 1; round <= rounds; round++)); do
      traffic "docker, userland-proxy=$proxy;" docker -H "unix://$work/docker.$proxy.sock"
    done
    end "${pids[-1]}"
  done
  printf '\n| Gbit/s | container to container | published port, from another host | from loopback |\n'
  printf '| --- | ---: | ---: | ---: |\n'
  cut -d';' -f1 "$work/traffic" | sort -u | while read -r tool; do
    printf '| %s | %s | %s | %s |\n' "$tool" "$(middle "$tool" 1)" "$(middle "$tool" 2)" "$(middle "$tool" 3)"
  done
}

# middle TOOL FIELD: the median of its rounds.
middle() {
  grep "^$1;" "$work/traffic" | sed 's/^[^;]*; //' | cut -d' ' -f"$2" | sort -n |
    awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}
