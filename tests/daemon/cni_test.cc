// SPDX-License-Identifier: Apache-2.0
// Networks of the driver "cni", with the reference plugins and with some that fail, in a network
// namespace of each test's own.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "network/name_space.h"
#include "sys/file_io.h"
#include "sys/netlink.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kStock = "/usr/lib/cni";

// Fails, or kills the engine, when a test has put the file `fail` or `kill` beside it.
constexpr std::string_view kTrouble = R"sh(#!/bin/sh
here=${0%/*}
echo "$CNI_COMMAND $CNI_NETNS" >>"$here/log"
if [ "$CNI_COMMAND" = ADD ] && [ -f "$here/kill" ]; then kill -9 "$(cat "$here/kill")"; fi
if [ "$CNI_COMMAND" = ADD ] && [ -f "$here/fail" ]; then
  echo '{"cniVersion":"1.0.0","code":101,"msg":"out of luck","details":"today"}'
  exit 1
fi
if [ "$CNI_COMMAND" = ADD ]; then sed 's/.*"prevResult"://; s/}$//'; fi
)sh";

class CniTest : public BusyboxTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) {
      if (::access(cat(kStock, "/bridge").c_str(), X_OK) != 0) {
        GTEST_SKIP() << "the package containernetworking-plugins is not installed";
      }
      auto made = network::make_name_space([] { return bring_loopback_up(); });
      ASSERT_TRUE(made.has_value()) << made.error().message();
      network_ = std::move(*made);
    }
    BusyboxTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(folder_ / "plugins");
    std::filesystem::create_directory(folder_ / "net.d");
    write("plugins/trouble", kTrouble);
    ASSERT_EQ(::chmod((folder_ / "plugins/trouble").c_str(), 0755), 0);
    configure(cat("cni-plugin-dirs = [\"", kStock, "\", \"", folder_.string(),
                  "/plugins\"]\ncni-conf-dir = \"", folder_.string(), "/net.d\"\n"));
    // Address 2 to 9 of a bridge, with published ports.
    put_list("blue", R"(,{"type":"portmap","capabilities":{"portMappings":true}})");
    put_list("red", R"(,{"type":"trouble"})");
  }
  void put_list(const std::string& name, std::string_view more) {
    write(cat("net.d/", name, ".conflist"),
          cat(R"({"cniVersion":"1.0.0","name":")", name, R"(","plugins":[{"type":"bridge",
              "bridge":"cni-)",
              name, R"(","isGateway":true,"ipMasq":true,
              "capabilities":{"ips":true},
              "ipam":{"type":"host-local","dataDir":")",
              folder_.string(), R"(/ipam",
              "ranges":[[{"subnet":"10.88.0.0/24","rangeEnd":"10.88.0.9"}]],
              "routes":[{"dst":"0.0.0.0/0"}]}})",
              more, "]}"));
  }
  std::string failure_of(std::vector<std::string> arguments) {
    SpawnOutput output = docker(std::move(arguments));
    EXPECT_NE(output.exit_code, 0);
    return output.error_text;
  }
  std::string inspect(const std::string& name, const std::string& format) {
    return docker_output({"inspect", name, "-f", format});
  }
  // Of a program in the host's place.
  std::string host_output(const std::vector<std::string>& command) {
    std::string text;
    std::ignore = network::run_in_name_space(network_, [&]() -> Status {
      TRY_ASSIGN(SpawnOutput output, run_program(command));
      text = output.output + output.error_text;
      return {};
    });
    return text;
  }
  void start_server(const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> line = {"run", "-d", "--name", name};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(line.end(), {"busybox", "sh", "-c",
                             "mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www"});
    docker_output(line);
    docker_output({"exec", name, "sh", "-c",
                   "until grep -q ':0050 .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done"});
  }
  // The document that a web server has at "ADDRESS/PORT".
  std::string page(const std::string& address) {
    std::string answer = host_output(
        {"bash", "-c",
         cat("exec 3<>/dev/tcp/", address, "; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3")});
    std::size_t head = answer.find("\r\n\r\n");
    return std::string(trim(head == std::string::npos ? answer : answer.substr(head)));
  }
  // One that runs until it is killed, in that network.
  void start_in(const std::string& network, const std::string& name) {
    docker_output({"run", "-d", "--name", name, "--network", network, "busybox", "sleep", "10000"});
  }
  // Leases, mounts, rules and what is remembered of attachments.
  void expect_nothing_left() {
    std::vector<std::string> files;
    for (const char* folder : {"ipam/blue", "ipam/red", "state/cni/results", "state/cni/netns"}) {
      if (!std::filesystem::exists(folder_ / folder)) continue;
      for (const auto& entry : std::filesystem::directory_iterator(folder_ / folder)) {
        std::string name = entry.path().filename();
        if (name != "lock" && !name.starts_with("last_reserved")) files.push_back(entry.path());
      }
    }
    EXPECT_THAT(files, IsEmpty());
    EXPECT_THAT(read_file("/proc/self/mountinfo").value_or(""),
                Not(HasSubstr((folder_ / "state/cni").string())));
    EXPECT_THAT(host_output({"ip", "-o", "link"}), Not(HasSubstr("veth")));
    EXPECT_THAT(host_output({"iptables-save"}), Not(HasSubstr("10.88.0.")));
  }
};

TEST_F(CniTest, ANetworkNeedsAConfiguration) {
  auto create = [&](std::vector<std::string> flags) {
    std::vector<std::string> line = {"network", "create", "-d", "cni"};
    line.insert(line.end(), flags.begin(), flags.end());
    line.push_back("net");
    return failure_of(line);
  };
  EXPECT_THAT(create({}), HasSubstr("needs the option \"conflist\""));
  EXPECT_THAT(create({"-o", "conflist=green"}), HasSubstr("no network \"green\" in"));
  EXPECT_THAT(create({"-o", "conflist=/missing/file"}), HasSubstr("no such file or directory"));
  write("net.d/bad.conflist", R"({"name":"bad","plugins":[{"kind":"x"}]})");
  EXPECT_THAT(create({"-o", cat("conflist=", folder_.string(), "/net.d/bad.conflist")}),
              HasSubstr("$.plugins[0].type: required"));
  write("net.d/bad.conflist", R"({"name":"bad","plugins":[{"type":"nobody"}]})");
  EXPECT_THAT(create({"-o", "conflist=bad"}), HasSubstr("failed to find plugin \"nobody\""));
  EXPECT_THAT(create({"-o", "conflist=blue", "--subnet", "10.1.0.0/24"}),
              HasSubstr("IPAM.Config: a network of the driver \"cni\""));
  EXPECT_THAT(create({"-o", "conflist=blue", "--internal"}), HasSubstr("Internal"));
  EXPECT_THAT(docker_output({"network", "ls", "--format", "{{.Name}}"}), Not(HasSubstr("net\n")));
}

TEST_F(CniTest, ContainersAreReachedAndShown) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=blue", "net"});
  EXPECT_EQ(docker_output({"network", "ls", "-f", "driver=cni", "--format", "{{.Name}}"}), "net");
  start_server("web", {"--network", "net", "-p", "8080:80"});
  EXPECT_EQ(inspect("web",
                    "{{with .NetworkSettings.Networks.net}}{{.IPAddress}}/{{.IPPrefixLen}} "
                    "{{.Gateway}}{{end}}"),
            "10.88.0.2/24 10.88.0.1");
  EXPECT_EQ(docker_output({"exec", "web", "cat", "/sys/class/net/eth0/address"}),
            inspect("web", "{{.NetworkSettings.Networks.net.MacAddress}}"));
  EXPECT_EQ(docker_output({"network", "inspect", "net", "-f",
                           "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}"}),
            "web 10.88.0.2/24");
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> 0.0.0.0:8080");
  EXPECT_EQ(page("10.88.0.2/80"), "hello");
  EXPECT_EQ(page("10.88.0.1/8080"), "hello");
  // A neighbour by its name.
  EXPECT_EQ(
      docker_output({"run", "--rm", "--network", "net", "busybox", "wget", "-qO-", "http://web/"}),
      "hello");
  EXPECT_THAT(failure_of({"run", "--rm", "--network", "net", "-p", "8080:80", "busybox"}),
              HasSubstr("port is already allocated"));
  EXPECT_THAT(failure_of({"network", "rm", "net"}), HasSubstr("has active endpoints"));
  docker_output({"restart", "-t", "0", "web"});
  EXPECT_NE(inspect("web", "{{.NetworkSettings.Networks.net.IPAddress}}"), "");
  docker_output({"rm", "-f", "web"});
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "net", "--ip", "10.88.0.7", "busybox", "sh",
                           "-c", "ip -4 -o addr show eth0 | grep -o '10.88.0.7/24'"}),
            "10.88.0.7/24");
  expect_nothing_left();
  docker_output({"network", "rm", "net"});
}

TEST_F(CniTest, WhatNoPluginCanDoIsRefused) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=blue", "net"});
  docker_output({"network", "create", "mine"});
  EXPECT_THAT(failure_of({"run", "--rm", "--network", "net", "--mac-address", "02:00:00:00:00:07",
                          "busybox", "true"}),
              HasSubstr("network blue: none of its plugins has the capability \"mac\""));
  start_in("net", "one");
  EXPECT_THAT(failure_of({"network", "connect", "mine", "one"}),
              HasSubstr("cannot be in other networks as well"));
  start_in("mine", "two");
  EXPECT_THAT(failure_of({"network", "connect", "net", "two"}),
              HasSubstr("cannot be in other networks as well"));
  docker_output({"rm", "-f", "one", "two"});
}

TEST_F(CniTest, ContainersComeAndGoWhileTheyRun) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=red", "net"});
  start_in("none", "one");
  docker_output({"network", "disconnect", "none", "one"});
  docker_output({"network", "connect", "net", "one"});
  EXPECT_THAT(docker_output({"exec", "one", "ip", "-4", "-o", "addr", "show", "eth0"}),
              HasSubstr("10.88.0.2/24"));
  docker_output({"network", "disconnect", "net", "one"});
  EXPECT_THAT(docker_output({"exec", "one", "ip", "-o", "link"}), Not(HasSubstr("eth0")));
  expect_nothing_left();
}

TEST_F(CniTest, AFailingPluginIsNamedAndNothingIsLeft) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=red", "net"});
  write("plugins/fail", "");
  EXPECT_THAT(
      failure_of({"run", "--rm", "--network", "net", "busybox", "true"}),
      HasSubstr("plugin type=\"trouble\" name=\"red\" failed (add): out of luck; today (CNI "
                "error 101)"));
  expect_nothing_left();
}

TEST_F(CniTest, ContainersStayInItWhenTheEngineDies) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=blue", "net"});
  start_server("web", {"--network", "net", "-p", "8080:80"});
  start_in("net", "gone");
  auto pid = parse_number<pid_t>(inspect("gone", "{{.State.Pid}}"));
  ASSERT_TRUE(pid);
  stop_daemon(SIGKILL);
  EXPECT_EQ(page("10.88.0.1/8080"), "hello");
  ASSERT_EQ(::kill(*pid, SIGKILL), 0);
  start_daemon();
  EXPECT_EQ(docker_output({"network", "inspect", "net", "-f",
                           "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}"}),
            "web 10.88.0.2/24");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "ipam/blue/10.88.0.3"));
  EXPECT_EQ(page("10.88.0.1/8080"), "hello");
  EXPECT_THAT(failure_of({"run", "--rm", "-p", "8080:80", "busybox"}),
              HasSubstr("port is already allocated"));
  docker_output({"rm", "-f", "web", "gone"});
  expect_nothing_left();
}

TEST_F(CniTest, ADeathInTheMiddleOfAnAddLeavesNothing) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=red", "net"});
  docker_output({"create", "--name", "one", "--network", "net", "busybox", "true"});
  write("plugins/kill", cat(pid_));
  EXPECT_NE(docker({"start", "one"}).exit_code, 0);
  await_daemon();
  std::filesystem::remove(folder_ / "plugins/kill");
  // The bridge's plugin has made an interface and an address by then.
  EXPECT_TRUE(std::filesystem::exists(folder_ / "ipam/red/10.88.0.2"));
  start_daemon();
  expect_nothing_left();
  docker_output({"start", "-a", "one"});
  docker_output({"rm", "one"});
  expect_nothing_left();
}

TEST_F(CniTest, WhatCouldNotBeTakenAwayIsTakenAwayLater) {
  docker_output({"network", "create", "-d", "cni", "-o", "conflist=red", "net"});
  start_in("net", "one");
  ASSERT_EQ(::chmod((folder_ / "plugins/trouble").c_str(), 0644), 0);
  docker_output({"rm", "-f", "one"});
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "state/cni/results"));
  ASSERT_EQ(::chmod((folder_ / "plugins/trouble").c_str(), 0755), 0);
  docker_output({"network", "rm", "net"});
  expect_nothing_left();
}

}  // namespace
}  // namespace dhow::daemon_test
