// SPDX-License-Identifier: Apache-2.0
// Networks with settings of others, and ways to published ports that not all networks have.
#include <signal.h>

#include "daemon/networks_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

TEST_F(NetworksTest, ARoutedNetworkTakesNothingOfTheHosts) {
  docker_output({"network", "create", "-o", "com.docker.network.bridge.gateway_mode_ipv4=routed",
                 "--subnet", "10.7.0.0/24", "mine"});
  start_server("web", {"--network", "mine", "-p", "8080:80"});
  EXPECT_EQ(inspect("web", "{{json .NetworkSettings.Ports}}"),
            R"({"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""}]})");
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "connection refused");
  EXPECT_EQ(answer_of("10.7.0.2", 80), "hello");
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "wget", "-qO-", "http://10.7.0.2/"}), "hello");
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(docker_output(
                {"run", "--rm", "-p", "8080:80", "busybox", "wget", "-qO-", "http://10.7.0.2/"}),
            "hello");
  EXPECT_THAT(docker({"network", "create", "-o",
                      "com.docker.network.bridge.gateway_mode_ipv4=isolated", "x"})
                  .error_text,
              HasSubstr("gateway mode 'isolated' can only be used for an internal network"));
  docker_output({"network", "create", "--internal", "-o",
                 "com.docker.network.bridge.gateway_mode_ipv4=isolated", "alone"});
  EXPECT_EQ(
      docker_output({"network", "inspect", "alone", "-f", "{{(index .IPAM.Config 0).Gateway}}"}),
      "");
}

// By the container's shim, of a container that has no IPv6 itself.
TEST_F(NetworksTest, PortsAreReachedAtLoopbackOfIpv6) {
  start_server("web", {"-p", "[::1]:8080:80"});
  EXPECT_EQ(docker_output({"port", "web"}), "80/tcp -> [::1]:8080");
  EXPECT_EQ(answer_of("::1", 8080), "hello");
  EXPECT_EQ(answer_of("127.0.0.1", 8080), "connection refused");
  EXPECT_THAT(docker({"run", "--rm", "-p", "[::1]:8080:80", "busybox", "true"}).error_text,
              HasSubstr("Bind for [::1]:8080 failed: port is already allocated"));
  docker_output({"exec", "web", "sh", "-c", "yes | head -c 8388608 > /www/index.html"});
  EXPECT_EQ(answer_of("::1", 8080).size(), 8388607U);
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(answer_of("::1", 8080).size(), 8388607U);
  start_daemon();
  docker_output({"network", "create", "--subnet", "10.7.0.0/24", "mine"});
  docker_output({"network", "connect", "mine", "web"});
  docker_output({"network", "disconnect", "bridge", "web"});
  EXPECT_EQ(answer_of("::1", 8080).size(), 8388607U);
  docker_output({"network", "disconnect", "mine", "web"});
  EXPECT_EQ(answer_of("::1", 8080), "connection refused");
  docker_output({"network", "connect", "mine", "web"});
  EXPECT_EQ(answer_of("::1", 8080).size(), 8388607U);
  docker_output({"restart", "-t", "0", "web"});
  docker_output(
      {"exec", "web", "sh", "-c", "until grep -q ':0050 .* 0A ' /proc/net/tcp6; do :; done"});
  EXPECT_EQ(answer_of("::1", 8080), "hello");
  docker_output({"rm", "-f", "web"});
  EXPECT_EQ(answer_of("::1", 8080), "connection refused");
}

TEST_F(NetworksTest, SettingsOfOneNetworkAreThoseOfAnother) {
  docker_output({"network", "create", "--config-only", "--subnet", "10.7.0.0/24", "--gateway",
                 "10.7.0.9", "-o", "com.docker.network.driver.mtu=1400", "--label", "a=b",
                 "settings"});
  const std::string format =
      "{{.Driver}} {{.ConfigOnly}} {{.ConfigFrom.Network}} {{(index .IPAM.Config 0).Subnet}} "
      "{{(index .IPAM.Config 0).Gateway}} {{.Labels.a}} {{.EnableIPv4}}";
  EXPECT_EQ(docker_output({"network", "inspect", "settings", "-f", format}),
            "null true  10.7.0.0/24 10.7.0.9 b true");
  docker_output({"network", "create", "--config-from", "settings", "mine"});
  EXPECT_EQ(docker_output({"network", "inspect", "mine", "-f", format}),
            "bridge false settings 10.7.0.0/24 10.7.0.9 b true");
  EXPECT_EQ(docker_output(
                {"run", "--rm", "--network", "mine", "busybox", "cat", "/sys/class/net/eth0/mtu"}),
            "1400");
  // It is no network, but for who lists them.
  SpawnOutput used = docker({"run", "--name", "one", "--network", "settings", "busybox", "true"});
  EXPECT_EQ(used.exit_code, 125);
  EXPECT_THAT(used.error_text, HasSubstr("cannot create endpoint on configuration-only network"));
  docker_output({"run", "-d", "--name", "two", "busybox", "sleep", "1000"});
  EXPECT_THAT(docker({"network", "connect", "settings", "two"}).error_text,
              HasSubstr("cannot create endpoint on configuration-only network"));
  EXPECT_EQ(docker_output({"network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"}),
            "mine\nsettings");
  EXPECT_THAT(docker({"network", "rm", "settings"}).error_text,
              HasSubstr("configuration network \"settings\" is in use"));
  auto fault = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"network", "create"});
    flags.emplace_back("other");
    return docker(flags).error_text;
  };
  EXPECT_THAT(fault({"--config-from", "settings"}), HasSubstr("Pool overlaps with other one"));
  EXPECT_THAT(fault({"--config-from", "none"}),
              HasSubstr("configuration network \"none\" does not exist"));
  EXPECT_THAT(fault({"--config-from", "settings", "--label", "c=d"}),
              HasSubstr("user specified configurations are not supported"));
  EXPECT_THAT(fault({"--config-from", "settings", "-o", "c=d"}),
              HasSubstr("network driver options are not supported"));
  EXPECT_THAT(fault({"--config-from", "settings", "--config-only"}),
              HasSubstr("cannot depend on another configuration network"));
  EXPECT_THAT(fault({"--config-only", "--internal"}),
              HasSubstr("configuration network can only contain network specific fields"));
  EXPECT_THAT(fault({"--config-only", "--subnet", "10.9.0.1/24"}),
              HasSubstr("it should be 10.9.0.0/24"));
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  start_daemon();
  EXPECT_EQ(docker_output({"network", "inspect", "settings", "-f", format}),
            "null true  10.7.0.0/24 10.7.0.9 b true");
  docker_output({"rm", "-f", "one"});
  EXPECT_EQ(docker_output({"network", "prune", "-f"}), "Deleted Networks:\nmine");
  docker_output({"network", "rm", "settings"});
}

}  // namespace
}  // namespace dhow::daemon_test
