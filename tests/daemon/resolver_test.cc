// SPDX-License-Identifier: Apache-2.0
// Names of containers, in a network namespace of each test's own.
#include <fcntl.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "dns/names.h"
#include "network/links.h"
#include "network/name_space.h"
#include "support/name_server.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::look_up;
using testing_support::NameServer;

class ResolverTest : public BusyboxTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) {
      auto made = network::make_name_space([] { return bring_loopback_up(); });
      ASSERT_TRUE(made.has_value()) << made.error().message();
      network_ = std::move(*made);
    }
    ASSERT_NO_FATAL_FAILURE(BusyboxTest::SetUp());
    if (IsSkipped()) return;
    docker_output({"network", "create", "--subnet", "10.7.0.0/24", "mine"});
  }

  // A container that runs until it is killed. Its id.
  std::string start_one(const std::string& name, const std::vector<std::string>& flags) {
    std::vector<std::string> line = {"run", "-d", "--name", name};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(line.end(), {"busybox", "sleep", "1000"});
    return docker_output(std::move(line));
  }
  // Of a container that runs, also while the engine doesn't.
  Fd space_of(const std::string& name) {
    std::string pid = docker_output({"inspect", name, "-f", "{{.State.Pid}}"});
    auto space = open_at(kCwd, cat("/proc/", pid, "/ns/net"), O_RDONLY);
    EXPECT_TRUE(space.has_value());
    return space ? std::move(*space) : Fd();
  }
  std::string ask(const std::string& container, const std::string& name,
                  dns::Type type = dns::Type::kA) {
    return look_up(space_of(container), name, type);
  }
  std::string file(const std::string& container, const std::string& path) {
    return docker_output({"exec", container, "cat", path});
  }
  // Answers each question for an address with this one.
  std::unique_ptr<NameServer> start_server(const std::string& place, const std::string& answer) {
    auto server = NameServer::start(
        network_, place, [answer](const dns::Query& query, bool) -> std::vector<std::string> {
          dns::Answer text(query, dns::Rcode::kSuccess, dns::kLongestMessage);
          text.add_address(dns::address_bytes(answer));
          return {text.take()};
        });
    EXPECT_TRUE(server.has_value()) << server.error().message();
    return server ? std::move(*server) : nullptr;
  }
};

TEST_F(ResolverTest, NeighboursAreFoundByTheirNames) {
  start_one("first", {"--network", "mine", "--dns", "127.0.0.1"});
  std::string id = start_one("web", {"--network", "mine", "--network-alias", "www", "--hostname",
                                     "inner", "--ip", "10.7.0.9"});
  for (const std::string& name : {std::string("web"), std::string("WWW"), std::string("inner"),
                                  id.substr(0, 12), std::string("web.mine")}) {
    EXPECT_EQ(ask("first", name), "10.7.0.9") << name;
    EXPECT_THAT(docker_output({"exec", "first", "ping", "-c", "1", "-W", "5", name}),
                HasSubstr("(10.7.0.9)"));
  }
  EXPECT_EQ(ask("web", "web"), "10.7.0.9");
  EXPECT_EQ(ask("first", "web", dns::Type::kAaaa), "");
  EXPECT_EQ(ask("first", "9.0.7.10.in-addr.arpa", dns::Type::kPtr), "web.mine");
  EXPECT_EQ(ask("first", "nobody"), "failure 2");
  EXPECT_THAT(docker_output({"exec", "first", "nslookup", "10.7.0.9"}),
              HasSubstr("name = web.mine"));
  EXPECT_THAT(file("first", "/etc/resolv.conf"),
              AllOf(HasSubstr("nameserver 127.0.0.11\n"), HasSubstr("options ndots:0\n")));
  EXPECT_THAT(file("first", "/etc/hosts"), AllOf(HasSubstr("10.7.0."), Not(HasSubstr("10.7.0.9"))));
  EXPECT_EQ(
      docker_output({"inspect", "web", "-f", "{{json .NetworkSettings.Networks.mine.DNSNames}}"}),
      cat("[\"web\",\"www\",\"", id.substr(0, 12), "\",\"inner\"]"));
}

TEST_F(ResolverTest, OneNameCanHaveSeveralAddresses) {
  start_one("first", {"--network", "mine", "--network-alias", "all", "--ip", "10.7.0.8"});
  start_one("second", {"--network", "mine", "--network-alias", "all", "--ip", "10.7.0.9"});
  std::string one = ask("first", "all");
  std::string other = ask("first", "all");
  EXPECT_NE(one, other) << "in turn";
  for (const std::string& words : {one, other}) {
    EXPECT_THAT(words, AnyOf("10.7.0.8 10.7.0.9", "10.7.0.9 10.7.0.8"));
  }
}

TEST_F(ResolverTest, NamesComeAndGoWithContainers) {
  docker_output({"network", "create", "--subnet", "10.8.0.0/24", "other"});
  start_one("first", {"--network", "mine"});
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  docker_output({"rename", "web", "site"});
  EXPECT_EQ(ask("first", "site"), "10.7.0.9");
  EXPECT_EQ(ask("first", "web"), "failure 2");
  docker_output({"network", "connect", "--alias", "too", "--ip", "10.8.0.9", "other", "site"});
  EXPECT_EQ(ask("first", "too"), "failure 2") << "it is not in that network";
  EXPECT_EQ(ask("site", "too"), "10.8.0.9");
  EXPECT_EQ(ask("site", "site.other"), "10.8.0.9");
  EXPECT_THAT(file("site", "/etc/hosts"), AllOf(HasSubstr("10.7.0.9\t"), HasSubstr("10.8.0.9\t")));
  docker_output({"exec", "site", "sh", "-c", "echo 10.0.0.1 mine >> /etc/hosts"});
  docker_output({"network", "disconnect", "mine", "site"});
  EXPECT_EQ(ask("first", "site"), "failure 2");
  EXPECT_EQ(ask("site", "first"), "failure 2");
  EXPECT_EQ(ask("site", "site"), "10.8.0.9");
  EXPECT_THAT(file("site", "/etc/hosts"),
              AllOf(Not(HasSubstr("10.7.0.9")), HasSubstr("10.8.0.9"), HasSubstr("10.0.0.1 mine")));
  docker_output({"network", "connect", "other", "first"});
  EXPECT_EQ(ask("first", "site"), "10.8.0.9");
  docker_output({"stop", "-t", "0", "site"});
  EXPECT_EQ(ask("first", "site"), "failure 2");
  docker_output({"start", "site"});
  EXPECT_EQ(ask("first", "site"), "10.8.0.9");
  docker_output({"rm", "-f", "site", "first"});
  docker_output({"network", "rm", "other"});
  auto left = list_dir(*open_at(kCwd, (folder_ / "state/networks").string(), O_RDONLY));
  EXPECT_EQ(left->size(), 1U) << "of the network that is still there";
}

// On the default network there is no resolver, until it comes into another one.
TEST_F(ResolverTest, TheDefaultNetworkHasNone) {
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  for (const char* name : {"plain", "edited"}) {
    start_one(name, {"--network", "bridge", "--dns", "192.0.2.1", "--dns-search", "example.com"});
    EXPECT_EQ(file(name, "/etc/resolv.conf"), "nameserver 192.0.2.1\nsearch example.com");
  }
  docker_output({"exec", "edited", "sh", "-c", "echo options edns0 >> /etc/resolv.conf"});
  for (const char* name : {"plain", "edited"}) {
    docker_output({"network", "connect", "mine", name});
    EXPECT_EQ(ask(name, "web"), "10.7.0.9");
  }
  EXPECT_THAT(file("plain", "/etc/resolv.conf"),
              AllOf(HasSubstr("nameserver 127.0.0.11\nsearch example.com\noptions ndots:0\n"),
                    HasSubstr("# ExtServers: [192.0.2.1]")));
  EXPECT_EQ(file("edited", "/etc/resolv.conf"),
            "nameserver 192.0.2.1\nsearch example.com\noptions edns0")
      << "what a container has changed is its own";
}

TEST_F(ResolverTest, OptionsOfResolversAreKept) {
  start_one("one", {"--network", "mine", "--dns-search", "a.example", "--dns-search", "b.example",
                    "--dns-opt", "timeout:3", "--dns-opt", "ndots:2"});
  EXPECT_THAT(file("one", "/etc/resolv.conf"),
              HasSubstr("nameserver 127.0.0.11\nsearch a.example b.example\n"
                        "options timeout:3 ndots:2\n"));
  EXPECT_EQ(ask("one", "nobody"), "") << "the client tries it with its domains";
  EXPECT_EQ(ask("one", "one.a.example"), "failure 2");
  start_one("two", {"--network", "mine", "--dns-search", ".", "--dns-opt", "ndots:x"});
  EXPECT_THAT(file("two", "/etc/resolv.conf"),
              AllOf(HasSubstr("options ndots:0\n"), Not(HasSubstr("search"))));
}

TEST_F(ResolverTest, OtherNamesAreAskedOfServers) {
  auto server = start_server("127.0.0.53", "192.0.2.1");
  start_one("one", {"--network", "mine", "--dns", "127.0.0.52", "--dns", "127.0.0.53"});
  EXPECT_EQ(ask("one", "www.example.com"), "192.0.2.1");
  EXPECT_EQ(look_up(space_of("one"), "www.example.com", dns::Type::kA, true), "192.0.2.1");
  std::vector<std::string> asked = {"udp www.example.com", "tcp www.example.com"};
  EXPECT_EQ(server->asked(), asked);
  docker_output({"network", "create", "--internal", "inside"});
  start_one("kept", {"--network", "inside", "--dns", "127.0.0.53"});
  EXPECT_EQ(ask("kept", "www.example.com"), "failure 2");
  EXPECT_THAT(ask("kept", "kept"), Not(HasSubstr("failure")));
  docker_output({"network", "connect", "mine", "kept"});
  EXPECT_EQ(ask("kept", "www.example.com"), "192.0.2.1") << "it has a way out now";
}

TEST_F(ResolverTest, NamesNeedNoEngine) {
  auto server = start_server("127.0.0.53", "192.0.2.1");
  start_one("first", {"--network", "mine", "--dns", "127.0.0.53"});
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  Fd space = space_of("first");
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(look_up(space, "web"), "10.7.0.9");
  EXPECT_EQ(look_up(space, "www.example.com"), "192.0.2.1");
  // There is no moment without names while an engine starts.
  std::atomic<bool> is_over = false;
  std::atomic<int> asked = 0, lost = 0;
  std::thread asking([&] {
    while (!is_over) {
      ++asked;
      if (look_up(space, "web") != "10.7.0.9") ++lost;
    }
  });
  start_daemon();
  docker_output({"ps"});
  is_over = true;
  asking.join();
  EXPECT_GT(asked, 0);
  EXPECT_EQ(lost, 0);
  start_one("late", {"--network", "mine", "--ip", "10.7.0.10"});
  EXPECT_EQ(look_up(space, "late"), "10.7.0.10");
  docker_output({"restart", "-t", "0", "first"});
  EXPECT_EQ(ask("first", "late"), "10.7.0.10");
}

// Its namespace is made by the runtime.
TEST_F(ResolverTest, ContainersWithOtherIdsHaveOne) {
  subordinate_ids_ = "nobody:200000:65536\n";
  std::ofstream(folder_ / "ids") << subordinate_ids_;
  ASSERT_NO_FATAL_FAILURE(configure("userns-remap = \"nobody:nogroup\"\n"));
  docker_output({"network", "create", "--subnet", "10.9.0.0/24", "ours"});
  start_one("first", {"--network", "ours"});
  start_one("web", {"--network", "ours", "--ip", "10.9.0.9"});
  EXPECT_EQ(ask("first", "web"), "10.9.0.9");
  EXPECT_THAT(docker_output({"exec", "first", "ping", "-c", "1", "-W", "5", "web"}),
              HasSubstr("(10.9.0.9)"));
}

TEST_F(ResolverTest, RuntimesAreNotAsked) {
  if (::access("/usr/sbin/runc", X_OK) != 0) GTEST_SKIP() << "runc is not installed";
  start_one("first", {"--network", "mine", "--runtime", "runc"});
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  EXPECT_EQ(ask("first", "web"), "10.7.0.9");
}

// On a network of one's own a link is a name that the linking container alone has.
TEST_F(ResolverTest, LinksAreNames) {
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  start_one("first", {"--network", "mine", "--link", "web:db"});
  start_one("second", {"--network", "mine"});
  EXPECT_EQ(ask("first", "db"), "10.7.0.9");
  EXPECT_EQ(ask("second", "db"), "failure 2");
  EXPECT_EQ(docker_output({"inspect", "first", "-f",
                           "{{json .HostConfig.Links}} {{json "
                           ".NetworkSettings.Networks.mine.Links}}"}),
            "null [\"web:db\"]");
  docker_output({"network", "connect", "--link", "web:other", "mine",
                 start_one("third", {"--network", "bridge"})});
  EXPECT_EQ(ask("third", "other"), "10.7.0.9");
  EXPECT_THAT(docker({"create", "--network", "mine", "--link", "a:b:c", "busybox"}).error_text,
              HasSubstr("bad format for links: a:b:c"));
}

// On the default network it is lines of hosts and variables.
TEST_F(ResolverTest, LinksOfTheDefaultNetworkAreLinesAndVariables) {
  start_one("web", {"--expose", "80", "-e", "A=b", "--hostname", "inner"});
  start_one("first", {"--link", "web:db"});
  std::string address =
      docker_output({"inspect", "web", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}"});
  EXPECT_THAT(file("first", "/etc/hosts"), HasSubstr(cat(address, "\tdb inner web")));
  EXPECT_THAT(docker_output({"exec", "first", "ping", "-c", "1", "-W", "5", "db"}),
              HasSubstr(cat("(", address, ")")));
  EXPECT_THAT(docker_output({"exec", "first", "env"}),
              AllOf(HasSubstr(cat("DB_PORT_80_TCP_ADDR=", address, "\n")),
                    HasSubstr("DB_NAME=/first/db\n"), HasSubstr("DB_ENV_A=b\n")));
  EXPECT_THAT(file("first", "/proc/1/environ"), HasSubstr("DB_NAME=/first/db"));
  EXPECT_EQ(docker_output({"inspect", "first", "-f", "{{json .HostConfig.Links}}"}),
            "[\"/web:/first/db\"]");
  // It is found again where it is after a restart, under its new name too, and by a new engine.
  docker_output({"stop", "-t", "0", "web"});
  start_one("between", {});
  docker_output({"rename", "web", "site"});
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  docker_output({"start", "site"});
  std::string moved =
      docker_output({"inspect", "site", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}"});
  EXPECT_NE(moved, address);
  EXPECT_THAT(file("first", "/etc/hosts"), AllOf(HasSubstr(cat(moved, "\tdb inner site")),
                                                 Not(HasSubstr(cat(address, "\tdb")))));
  docker_output({"stop", "-t", "0", "first", "site"});
  SpawnOutput started = docker({"start", "first"});
  EXPECT_NE(started.exit_code, 0);
  EXPECT_THAT(started.error_text,
              HasSubstr("Cannot link to a non running container: /site AS /first/db"));
}

TEST_F(ResolverTest, LinksCanBeTakenAway) {
  start_one("web", {});
  start_one("first", {"--link", "web:db"});
  EXPECT_THAT(docker({"rm", "--link", "first"}).error_text,
              HasSubstr("cannot remove the default link name of the container"));
  EXPECT_THAT(docker({"rm", "--link", "first/nothing"}).error_text,
              HasSubstr("no such link: /first/nothing"));
  EXPECT_THAT(docker({"rm", "--link", "nobody/db"}).error_text,
              HasSubstr("cannot get parent /nobody for link name db"));
  EXPECT_THAT(file("first", "/etc/hosts"), HasSubstr("\tdb "));
  docker_output({"rm", "--link", "/first/db"});
  EXPECT_THAT(file("first", "/etc/hosts"), Not(HasSubstr("\tdb ")));
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(docker_output({"inspect", "first", "-f", "{{len .HostConfig.Links}}"}), "0");
  EXPECT_EQ(docker_output({"inspect", "web", "-f", "{{.State.Running}}"}), "true");
}

TEST_F(ResolverTest, LinksThatCanNotBeAreRefused) {
  start_one("alone", {"--network", "host"});
  auto refusal = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), "create");
    flags.emplace_back("busybox");
    return docker(std::move(flags)).error_text;
  };
  start_one("inner", {"--network", "mine"});
  EXPECT_THAT(docker({"network", "connect", "--alias", "a", "bridge", "inner"}).error_text,
              HasSubstr("network-scoped alias is supported only for containers in user defined"));
  EXPECT_THAT(refusal({"--link", "nobody"}), HasSubstr("could not get container for nobody"));
  EXPECT_THAT(refusal({"--link", "alone"}),
              HasSubstr("host type networking can't be used with links"));
  EXPECT_THAT(refusal({"--network", "host", "--link", "alone"}),
              HasSubstr("host type networking can't be used with links"));
  EXPECT_THAT(refusal({"--network", "container:alone", "--link", "alone"}),
              HasSubstr("container type network can't be used with links"));
  EXPECT_THAT(refusal({"--network", "container:alone", "--dns", "192.0.2.1"}),
              HasSubstr("conflicting options: dns and the network mode"));
  EXPECT_THAT(refusal({"--network", "container:alone", "--add-host", "a:192.0.2.1"}),
              HasSubstr("conflicting options: custom host-to-IP mapping and the network mode"));
  EXPECT_THAT(refusal({"--network", "container:alone", "--hostname", "me"}),
              HasSubstr("conflicting options: hostname and the network mode"));
}

// A container in the network of another has its names as well.
TEST_F(ResolverTest, ANetworkIsSharedWithItsFiles) {
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  start_one("first", {"--network", "mine", "--hostname", "me", "--domainname", "example.com",
                      "--add-host", "known:192.0.2.1"});
  start_one("guest", {"--network", "container:first"});
  for (const char* path : {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname"}) {
    EXPECT_EQ(file("guest", path), file("first", path));
  }
  EXPECT_EQ(docker_output({"exec", "guest", "hostname"}), "me");
  EXPECT_EQ(docker_output({"exec", "guest", "sh", "-c", "echo $HOSTNAME"}), "me");
  EXPECT_THAT(docker_output({"exec", "guest", "ping", "-c", "1", "-W", "5", "web"}),
              HasSubstr("(10.7.0.9)"));
  EXPECT_EQ(docker_output({"inspect", "guest", "-f", "{{.HostsPath}}"}),
            docker_output({"inspect", "first", "-f", "{{.HostsPath}}"}));
  EXPECT_EQ(docker_output({"inspect", "guest", "-f", "{{.Config.Hostname}}"}), "me");
  docker_output({"exec", "guest", "sh", "-c", "echo 192.0.2.2 more >> /etc/hosts"});
  EXPECT_THAT(file("first", "/etc/hosts"), HasSubstr("192.0.2.2 more"));
  start_one("second", {"--network", "container:guest"});
  EXPECT_THAT(file("second", "/etc/hosts"), HasSubstr("192.0.2.2 more"));
}

// There nobody is who could answer: names are in the file of hosts.
TEST_F(ResolverTest, ShimsOfOthersHaveNone) {
  if (::access("/usr/bin/containerd-shim-runc-v2", X_OK) != 0) GTEST_SKIP() << "no other shim";
  const std::string shim = "io.containerd.runc.v2";
  start_one("first", {"--network", "mine", "--runtime", shim, "--dns", "192.0.2.1"});
  start_one("web", {"--network", "mine", "--ip", "10.7.0.9"});
  std::string place = docker_output({"inspect", "first", "-f", "{{.ResolvConfPath}}"});
  EXPECT_THAT(read_file(place).value_or(""), HasSubstr("nameserver 192.0.2.1"));
  EXPECT_THAT(docker_output({"run", "--rm", "--network", "mine", "--runtime", shim, "busybox",
                             "ping", "-c", "1", "-W", "5", "web"}),
              HasSubstr("(10.7.0.9)"));
  std::string hosts = docker_output({"inspect", "first", "-f", "{{.HostsPath}}"});
  EXPECT_THAT(read_file(hosts).value_or(""), HasSubstr("10.7.0.9\tweb"));
  std::ofstream(hosts, std::ios::app) << "10.0.0.1 mine\n";
  docker_output({"rm", "-f", "web"});
  EXPECT_THAT(read_file(hosts).value_or(""),
              AllOf(HasSubstr("10.0.0.1 mine"), Not(HasSubstr("web"))));
  EXPECT_THAT(ask("first", "web"), "silence");
}

}  // namespace
}  // namespace dhow::daemon_test
