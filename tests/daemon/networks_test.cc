// SPDX-License-Identifier: Apache-2.0
// Networks, in a network namespace of each test's own: nothing of the host is touched.
#include <signal.h>

#include <fstream>
#include <thread>

#include "base/strings.h"
#include "daemon/networks_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(NetworksTest, TheDefaultNetworkConnects) {
  EXPECT_THAT(docker_output({"run", "--rm", "busybox", "ip", "-4", "-o", "addr", "show", "eth0"}),
              HasSubstr("inet 172.17.0.2/16"));
  EXPECT_THAT(docker_output({"run", "--rm", "--hostname", "me", "busybox", "cat", "/etc/hosts"}),
              HasSubstr("172.17.0.2\tme"));
  start_server("web", {});
  EXPECT_EQ(inspect("web", "{{.NetworkSettings.Networks.bridge.IPAddress}}"), "172.17.0.2");
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "wget", "-qO-", "http://172.17.0.2/"}),
            "hello");
  EXPECT_EQ(answer_of("172.17.0.2", 80), "hello");
  EXPECT_EQ(links_become("veth", 1U), 1U);
  docker_output({"rm", "-f", "web"});
  EXPECT_EQ(links_become("veth", 0U), 0U);
}

TEST_F(NetworksTest, PublishedPortsAreReachedAndShown) {
  start_server("web", {"-p", "8080:80", "-p", "127.0.0.2:8081:80"});
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.2:8081");
  EXPECT_THAT(docker_output({"ps", "--format", "{{.Ports}}"}), HasSubstr("0.0.0.0:8080->80/tcp"));
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  EXPECT_EQ(answer_of("127.0.0.2", 8081), "hello");
  EXPECT_EQ(answer_of("127.0.0.1", 8081), "connection refused");
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "wget", "-qO-", "http://172.17.0.1:8080/"}),
            "hello");
  SpawnOutput taken = docker({"run", "--rm", "-p", "8080:80", "busybox", "true"});
  EXPECT_EQ(taken.exit_code, 125);
  EXPECT_THAT(taken.error_text,
              HasSubstr("Bind for 0.0.0.0:8080 failed: port is already allocated"));
  docker_output({"stop", "-t", "0", "web"});
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "connection refused");
  docker_output({"start", "web"});
  EXPECT_EQ(docker_output({"port", "web", "80"}), "0.0.0.0:8080\n127.0.0.2:8081");
}

TEST_F(NetworksTest, NetworksAreMadeAndRemoved) {
  std::string id =
      docker_output({"network", "create", "--subnet", "10.7.0.0/24", "--label", "a=b", "mine"});
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(docker_output({"network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"}),
            "mine");
  EXPECT_EQ(docker_output({"network", "inspect", "mine", "-f",
                           "{{(index .IPAM.Config 0).Gateway}} {{.Labels.a}} {{.Driver}}"}),
            "10.7.0.1 b bridge");
  start_server("web", {"--network", "mine", "--ip", "10.7.0.9", "--network-alias", "www"});
  EXPECT_EQ(inspect("web", "{{.NetworkSettings.Networks.mine.IPAddress}}"), "10.7.0.9");
  EXPECT_EQ(docker_output({"network", "inspect", "mine", "-f",
                           "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}"}),
            "web 10.7.0.9/24");
  SpawnOutput taken =
      docker({"run", "--rm", "--network", "mine", "--ip", "10.7.0.9", "busybox", "true"});
  EXPECT_THAT(taken.error_text, HasSubstr("Address already in use"));
  EXPECT_THAT(docker({"network", "rm", "mine"}).error_text, HasSubstr("has active endpoints"));
  EXPECT_THAT(docker({"network", "rm", "bridge"}).error_text,
              HasSubstr("bridge is a pre-defined network and cannot be removed"));
  EXPECT_THAT(docker({"network", "create", "mine"}).error_text,
              HasSubstr("network with name mine already exists"));
  docker_output({"rm", "-f", "web"});
  docker_output({"network", "rm", "mine"});
  SpawnOutput lost = docker({"run", "--rm", "--network", "mine", "busybox", "true"});
  EXPECT_THAT(lost.error_text, HasSubstr("network mine not found"));
  EXPECT_EQ(lost.exit_code, 125);
  docker_output({"network", "create", "other"});
  EXPECT_EQ(docker_output({"network", "prune", "-f"}), "Deleted Networks:\nother");
  EXPECT_EQ(links_become("br-", 0U), 0U);
}

TEST_F(NetworksTest, NetworksWithIpv6AreShownAndReached) {
  docker_output({"network", "create", "--ipv6", "--subnet", "10.7.0.0/24", "--subnet",
                 "fd00:7::/64", "--gateway", "fd00:7::1", "mine"});
  EXPECT_EQ(docker_output({"network", "inspect", "mine", "-f",
                           "{{.EnableIPv4}} {{.EnableIPv6}} {{(index .IPAM.Config 1).Subnet}} "
                           "{{(index .IPAM.Config 1).Gateway}}"}),
            "true true fd00:7::/64 fd00:7::1");
  start_server("web", {"--network", "mine", "--ip6", "fd00:7::9", "-p", "8080:80"});
  EXPECT_EQ(inspect("web",
                    "{{with .NetworkSettings.Networks.mine}}{{.GlobalIPv6Address}}/"
                    "{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}} {{.IPAddress}}{{end}}"),
            "fd00:7::9/64 fd00:7::1 10.7.0.2");
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
  EXPECT_THAT(docker_output({"ps", "--format", "{{.Ports}}"}),
              HasSubstr("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"));
  EXPECT_EQ(docker_output({"network", "inspect", "mine", "-f",
                           "{{range .Containers}}{{.IPv4Address}} {{.IPv6Address}}{{end}}"}),
            "10.7.0.2/24 fd00:7::9/64");
  EXPECT_EQ(answer_of("fd00:7::9", 80), "hello");
  EXPECT_EQ(answer_of("fd00:7::1", 8080), "hello");
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  // Nothing could come back to it; so it is nobody to wait for.
  EXPECT_EQ(answer_of("::1", 8080), "connection refused");
  // By its name too, and from a container that comes later.
  EXPECT_THAT(docker_output({"run", "--rm", "--network", "mine", "--hostname", "me", "busybox",
                             "cat", "/etc/hosts"}),
              HasSubstr("fd00:7::3\tme"));
  EXPECT_THAT(docker_output(
                  {"run", "--rm", "--network", "mine", "busybox", "nslookup", "-type=aaaa", "web"}),
              HasSubstr("Address: fd00:7::9"));
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "mine", "busybox", "wget", "-qO-",
                           "http://[fd00:7::1]:8080/"}),
            "hello");
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(answer_of("fd00:7::1", 8080), "hello");
  EXPECT_THAT(docker({"run", "--rm", "--network", "mine", "-p", "[::]:8080:80", "busybox", "true"})
                  .error_text,
              HasSubstr("Bind for [::]:8080 failed: port is already allocated"));
  docker_output({"rm", "-f", "web"});
  EXPECT_EQ(answer_of("fd00:7::1", 8080), "connection refused");
}

TEST_F(NetworksTest, Ipv6IsRefusedWhereThereIsNone) {
  EXPECT_THAT(
      docker({"run", "--rm", "-p", "[::1]:53:53/sctp", "busybox", "true"}).error_text,
      HasSubstr("PortBindings: 53/sctp: the host address ::1: SCTP is not published there"));
  EXPECT_THAT(docker({"run", "--rm", "-p", "[::]:8080:80", "busybox", "true"}).error_text,
              HasSubstr("cannot publish port 80/tcp at [::]:8080: the container has no IPv6"));
  docker_output({"network", "create", "mine"});
  EXPECT_THAT(docker({"run", "--rm", "--network", "mine", "--ip6", "fd00::2", "busybox", "true"})
                  .error_text,
              HasSubstr("no configured subnet contains IP address fd00::2"));
  EXPECT_THAT(
      docker({"run", "--rm", "--network", "mine", "--ip6", "fe", "busybox", "true"}).error_text,
      HasSubstr("invalid IPv6 address: fe"));
  EXPECT_THAT(docker({"network", "create", "--ipv4=false", "x"}).error_text,
              HasSubstr("IPv4 or IPv6 must be enabled"));
}

TEST_F(NetworksTest, TheDefaultNetworkHasIpv6WhenItIsToldTo) {
  ASSERT_NO_FATAL_FAILURE(configure("ipv6 = true\nfixed-cidr-v6 = \"fd00:17::/64\"\n"));
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "sh", "-c",
                           "ip -6 -o addr show eth0 scope global | awk '{print $4}'; "
                           "ip -6 route show default | awk '{print $3}'"}),
            "fd00:17::2/64\nfd00:17::1");
}

TEST_F(NetworksTest, MacvlanPutsContainersIntoTheNetworkOfAnInterface) {
  // The bridge of another network stands for an interface of the host.
  docker_output({"network", "create", "-o", "com.docker.network.bridge.name=lan0", "--subnet",
                 "10.7.0.0/24", "plain"});
  start_server("web", {"--network", "plain"});
  docker_output({"network", "create", "-d", "macvlan", "-o", "parent=lan0", "--subnet",
                 "10.8.0.0/24", "lan"});
  // The next one gets the former's address, before the kernel has taken that one's interface away.
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(docker_output({"run", "--rm", "--network", "lan", "busybox", "ip", "addr"}),
                AllOf(HasSubstr("eth0@"), HasSubstr("inet 10.8.0.2/24")));
  }
  docker_output({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  docker_output({"network", "connect", "lan", "one"});
  EXPECT_EQ(inspect("one", "{{.NetworkSettings.Networks.lan.IPAddress}}"), "10.8.0.2");
  EXPECT_EQ(docker_output({"exec", "one", "cat", "/sys/class/net/eth1/address"}),
            inspect("one", "{{.NetworkSettings.Networks.lan.MacAddress}}"));
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  docker_output({"network", "disconnect", "lan", "one"});
  EXPECT_EQ(docker_output({"exec", "one", "ls", "/sys/class/net"}), "eth0\nlo");
  docker_output({"network", "rm", "lan"});
}

TEST_F(NetworksTest, PortsBelow1024AndPingAreForEverybody) {
  for (const char* network : {"none", "bridge"}) {
    EXPECT_EQ(docker_output({"run", "--rm", "--network", network, "busybox", "sh", "-c",
                             "cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start; "
                             "echo $(cat ping_group_range)"}),
              "0\n0 2147483647")
        << network;
  }
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "none", "--sysctl",
                           "net.ipv4.ip_unprivileged_port_start=7", "busybox", "cat",
                           "/proc/sys/net/ipv4/ip_unprivileged_port_start"}),
            "7");
}

TEST_F(NetworksTest, PortsMoveToANetworkThatStays) {
  docker_output({"network", "create", "--subnet", "10.7.0.0/24", "mine"});
  start_server("web", {"-p", "8080:80"});
  docker_output({"network", "connect", "mine", "web"});
  docker_output({"network", "disconnect", "bridge", "web"});
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> 0.0.0.0:8080");
  EXPECT_THAT(docker_output({"exec", "web", "ip", "route"}), HasSubstr("default via 10.7.0.1"));
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
}

TEST_F(NetworksTest, ContainersAreConnectedAsTheyRun) {
  docker_output({"network", "create", "--subnet", "10.7.0.0/24", "mine"});
  start_server("web", {"--network", "mine"});
  docker_output({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  docker_output({"network", "connect", "--ip", "10.7.0.8", "mine", "one"});
  EXPECT_EQ(docker_output({"exec", "one", "wget", "-qO-", "http://10.7.0.2/"}), "hello");
  EXPECT_THAT(docker_output({"exec", "one", "cat", "/etc/hosts"}), HasSubstr("10.7.0.8\t"));
  EXPECT_THAT(docker({"network", "connect", "mine", "one"}).error_text,
              HasSubstr("already exists in network mine"));
  // It is so after a restart as well, also one by a new engine.
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  docker_output({"restart", "-t", "0", "one"});
  EXPECT_EQ(inspect("one", "{{.NetworkSettings.Networks.mine.IPAddress}}"), "10.7.0.8");
  docker_output({"network", "disconnect", "mine", "one"});
  EXPECT_THAT(docker_output({"exec", "one", "ip", "-4", "-o", "addr"}), Not(HasSubstr("10.7.0")));
  EXPECT_THAT(docker({"network", "disconnect", "mine", "one"}).error_text,
              HasSubstr("is not connected to network mine"));
  docker_output({"stop", "-t", "0", "one"});
  docker_output({"network", "connect", "mine", "one"});
  docker_output({"start", "one"});
  EXPECT_EQ(docker_output({"exec", "one", "wget", "-qO-", "http://10.7.0.2/"}), "hello");
}

TEST_F(NetworksTest, OneInNoNetworkJoinsOthersOnceItHasLeftThat) {
  constexpr const char* kRefusal =
      "container cannot be connected to multiple networks with one of the networks in private "
      "(none) mode";
  auto networks = [&] {
    return inspect("one", "{{range $name, $one := .NetworkSettings.Networks}}{{$name}}{{end}}");
  };
  auto refusal = [&](const char* verb, const char* network) {
    return docker({"network", verb, network, "one"}).error_text;
  };
  docker_output({"network", "create", "mine"});
  std::string body = R"({"Image": "busybox", "HostConfig": {"NetworkMode": "none"},
      "NetworkingConfig": {"EndpointsConfig": {"none": {}, "mine": {}}}})";
  std::string both = http(cat("POST /v1.44/containers/create HTTP/1.1\r\nHost: d\r\n",
                              "Connection: close\r\nContent-Type: application/json\r\n",
                              "Content-Length: ", body.size(), "\r\n\r\n", body));
  EXPECT_THAT(both, HasSubstr("400 Bad Request"));
  EXPECT_THAT(both, HasSubstr(kRefusal));
  docker_output({"run", "-d", "--name", "one", "--network", "none", "busybox", "sleep", "1000"});
  EXPECT_THAT(refusal("connect", "mine"), HasSubstr(kRefusal));
  EXPECT_THAT(refusal("connect", "none"), HasSubstr("already exists in network none"));
  EXPECT_EQ(networks(), "none");
  EXPECT_EQ(docker_output({"exec", "one", "ls", "/sys/class/net"}), "lo");
  docker_output({"network", "disconnect", "none", "one"});
  EXPECT_EQ(networks(), "");
  EXPECT_THAT(refusal("disconnect", "none"), HasSubstr("is not connected to network none"));
  docker_output({"network", "connect", "mine", "one"});
  EXPECT_EQ(networks(), "mine");
  EXPECT_EQ(docker_output({"exec", "one", "ls", "/sys/class/net"}), "eth0\nlo");
  EXPECT_THAT(refusal("connect", "none"), HasSubstr(kRefusal));
  docker_output({"network", "disconnect", "mine", "one"});
  docker_output({"network", "connect", "none", "one"});
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(networks(), "none");
  EXPECT_THAT(refusal("connect", "mine"), HasSubstr(kRefusal));
  EXPECT_EQ(docker_output({"exec", "one", "ls", "/sys/class/net"}), "lo");
}

TEST_F(NetworksTest, PortsStayWhileTheEngineIsAway) {
  start_server("web", {"-p", "8080:80"});
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  start_daemon();
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  EXPECT_THAT(docker({"run", "--rm", "-p", "8080:80", "busybox", "true"}).error_text,
              HasSubstr("port is already allocated"));
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> 0.0.0.0:8080");
}

// Killed at any moment, the engine finds again what runs, and leaves nothing of what doesn't.
TEST_F(NetworksTest, ADeathOfTheEngineLosesAndDoublesNothing) {
  docker_output({"network", "create", "mine"});
  start_server("keeps", {"-p", "8080:80"});
  for (int round = 0; round < 6; ++round) {
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([this, i, round] {
        std::string name = cat("c", round, "-", i);
        docker({"run", "-d", "--name", name, "--network", i % 2 == 0 ? "mine" : "bridge", "-P",
                "--expose", "90", "busybox", "sleep", "1000"});
        docker({"network", i % 2 == 0 ? "disconnect" : "connect", "mine", name});
        docker({"rm", "-f", name});
      });
    }
    // Each round a little later: each step is hit in one of them.
    std::this_thread::sleep_for(std::chrono::milliseconds(15 * round * round + 10));
    EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
    for (std::thread& client : clients) client.join();
    start_daemon();
    EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
    // Each that runs has a pair for each of its networks, and nobody else has any.
    std::size_t endpoints = 0;
    std::vector<std::string> addresses;
    for (const char* name : {"mine", "bridge"}) {
      std::string text = docker_output(
          {"network", "inspect", name, "-f", "{{range .Containers}}{{.IPv4Address}}\n{{end}}"});
      for (std::string_view line : split(text, '\n')) {
        if (!line.empty()) addresses.emplace_back(line);
      }
    }
    endpoints = addresses.size();
    EXPECT_EQ(links_become("veth", endpoints), endpoints);
    std::ranges::sort(addresses);
    EXPECT_EQ(std::ranges::adjacent_find(addresses), addresses.end());
    std::string all = docker_output({"ps", "-aq", "--filter", "name=c"});
    for (std::string_view id : split(all, '\n')) {
      if (!id.empty()) docker({"rm", "-f", std::string(id)});
    }
    EXPECT_EQ(links_become("veth", 1U), 1U);
  }
  docker_output({"rm", "-f", "keeps"});
  docker_output({"network", "rm", "mine"});
  EXPECT_EQ(links_become("br-", 0U), 0U);
}

TEST_F(NetworksTest, StatsTellWhatPassesInterfaces) {
  docker_output({"network", "create", "other"});
  start_server("one", {});
  docker_output({"network", "connect", "other", "one"});
  docker_output(
      {"run", "-d", "--name", "beside", "--network", "container:one", "busybox", "sleep", "1000"});
  start_sleeper("alone");
  // What a container makes for itself is not shown.
  docker_output({"exec", "--privileged", "one", "ip", "link", "add", "made", "type", "bridge"});
  std::string gateway = inspect("one", "{{.NetworkSettings.Networks.bridge.Gateway}}");
  docker_output({"exec", "one", "ping", "-c", "1", "-s", "1000", gateway});
  for (const char* name : {"one", "beside"}) {
    std::string answer = http(cat("GET /containers/", name,
                                  "/stats?stream=false&one-shot=true HTTP/1.1\r\nHost: d\r\n"
                                  "Connection: close\r\n\r\n"));
    EXPECT_THAT(answer, ContainsRegex("\"networks\":\\{\"eth0\":\\{\"rx_bytes\":[0-9]{4,},"
                                      "\"rx_packets\":[1-9].*\"eth1\":\\{\"rx_bytes\":"));
    EXPECT_THAT(answer, Not(HasSubstr("\"made\"")));
    EXPECT_THAT(answer, Not(HasSubstr("\"lo\"")));
    EXPECT_NE(docker_output({"stats", "--no-stream", "--format", "{{.NetIO}}", name}), "0B / 0B");
  }
  EXPECT_EQ(docker_output({"stats", "--no-stream", "--format", "{{.NetIO}}", "alone"}), "0B / 0B");
}

TEST_F(NetworksTest, EventsTellOfNetworks) {
  docker_output({"network", "create", "mine"});
  docker_output({"run", "--rm", "--network", "mine", "busybox", "true"});
  docker_output({"network", "rm", "mine"});
  std::string text = docker_output({"events", "--since", "0", "--until", "-1s", "--filter",
                                    "type=network", "--format", "{{.Action}}"});
  EXPECT_EQ(text, "create\nconnect\ndisconnect\ndestroy");
}

TEST_F(NetworksTest, WhatCanNotBeIsRefused) {
  EXPECT_THAT(docker({"network", "create", "--driver", "overlay", "x"}).error_text,
              HasSubstr("network driver \"overlay\" is not supported"));
  EXPECT_THAT(docker({"network", "create", "--subnet", "172.17.0.0/16", "x"}).error_text,
              HasSubstr("Pool overlaps with other one on this address space"));
  EXPECT_THAT(docker({"run", "--rm", "--ip", "172.17.0.9", "busybox", "true"}).error_text,
              HasSubstr("user specified IP address is supported on user defined networks only"));
  EXPECT_THAT(docker({"network", "inspect", "nowhere"}).error_text,
              HasSubstr("network nowhere not found"));
}

// With ids of its own a container's network belongs to them: it may use it, and /sys shows it.
TEST_F(NetworksTest, ContainersWithOtherIdsOwnTheirs) {
  subordinate_ids_ = "nobody:200000:65536\n";
  std::ofstream(folder_ / "ids") << subordinate_ids_;
  ASSERT_NO_FATAL_FAILURE(configure("userns-remap = \"nobody:nogroup\"\n"));
  start_server("web", {"-p", "8080:80", "-p", "[::1]:8080:80"});
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "hello");
  EXPECT_EQ(answer_of("::1", 8080), "hello");
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "sh", "-c",
                           "awk '{print $2}' /proc/self/uid_map; ls /sys/class/net | tr '\\n' ' '; "
                           "ping -c 1 -W 5 172.17.0.2 >/dev/null && echo pinged"}),
            "200000\neth0 lo pinged");
  docker_output({"rm", "-f", "web"});
  EXPECT_EQ(links_become("veth", 0U), 0U);
}

}  // namespace
}  // namespace dhow::daemon_test
