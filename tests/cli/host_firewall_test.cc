// SPDX-License-Identifier: Apache-2.0
// What an engine says of the firewall of its host, which is a network namespace of the test's own.
#include <unistd.h>

#include <cstdlib>

#include "cli/client_fixture.h"
#include "network/name_space.h"
#include "sys/netlink.h"

namespace dhow::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HostFirewallTest : public ClientTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (std::system("command -v nft >/dev/null") != 0) GTEST_SKIP() << "no nft";
    auto made = network::make_name_space([] { return bring_loopback_up(); });
    ASSERT_TRUE(made.has_value()) << made.error().message();
    network_ = std::move(*made);
    ClientTest::SetUp();
  }
  void on_host(const std::string& line) {
    EXPECT_TRUE(network::run_in_name_space(network_, [&]() -> Status {
                  EXPECT_EQ(std::system(line.c_str()), 0) << line;
                  return {};
                }).has_value());
  }
};

TEST_P(HostFirewallTest, WhatItDropsIsTold) {
  const std::string words =
      "the host's firewall (table inet wall, chain forward) drops what is forwarded";
  EXPECT_EQ(output({"info", "--format", "{{json .Warnings}}"}), "[]");
  on_host(
      "nft add table inet wall; nft add chain inet wall forward "
      "'{ type filter hook forward priority 0; policy drop; }'");
  EXPECT_THAT(call({"info"}).error_text, HasSubstr(cat("WARNING: ", words)));
  if (is_docker()) return;
  EXPECT_THAT(call({"doctor"}).output, HasSubstr(cat("warning ", words)));
  on_host("nft delete table inet wall");
  EXPECT_THAT(call({"doctor"}).output, Not(HasSubstr("firewall")));
}

INSTANTIATE_TEST_SUITE_P(Programs, HostFirewallTest, ::testing::Values("docker", "dhow"));

}  // namespace
}  // namespace dhow::cli_test
