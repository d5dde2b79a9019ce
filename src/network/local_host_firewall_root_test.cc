// SPDX-License-Identifier: Apache-2.0
// Firewalls of others on the same host: what they drop stays dropped, but for who asks otherwise.
#include "network/testing/world_fixture.h"

namespace dhow::network {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

bool has_program(const std::string& name) {
  return std::system(cat("command -v ", name, " >/dev/null").c_str()) == 0;
}

class HostFirewallTest : public WorldTest {
 protected:
  void SetUp() override {
    WorldTest::SetUp();
    if (!IsSkipped() && !has_program("nft")) GTEST_SKIP() << "no nft to make another's firewall";
  }
  void open_with(bool opens) {
    options_.opens_host_firewall = opens;
    open();
  }
  void serve() {
    make_dual("mine");
    server_ = attach("server", "mine", {{"udp", 5000, {}, 8000, 8000}});
    socket_ = socket_in(server_, 5000);
    bridge_ = networks_->find("mine")->bridge;
  }
  // Whether the client outside reaches the published port: by what comes before a packet of the
  // host's own.
  bool is_reached() {
    EXPECT_TRUE(send_to(socket_of_client(kClient, 7000), "client", kHost, 8000));
    EXPECT_TRUE(send_to(datagram_socket("127.0.0.1", 7001), "host", "127.0.0.1", 8000));
    std::string first = receive_from(socket_);
    if (first == cat("client ", kClient)) return receive_from(socket_) == "host 10.7.0.1";
    EXPECT_EQ(first, "host 10.7.0.1");
    return false;
  }
  static void make_closed_chain(const std::string& family = "ip") {
    shell(cat("nft add table ", family, " filter; nft add chain ", family,
              " filter FORWARD '{ type filter hook forward priority 0; policy drop; }'"));
  }

  Attachment server_;
  Fd socket_;
  std::string bridge_;
};

TEST_F(HostFirewallTest, WhatItDropsIsNotReachedAndTold) {
  EXPECT_THAT(networks_->warnings(), IsEmpty());
  make_closed_chain();
  EXPECT_THAT(networks_->warnings(), ElementsAre(HasSubstr("let dhow0 through")));
  serve();
  EXPECT_FALSE(is_reached());
  EXPECT_THAT(networks_->warnings(),
              ElementsAre(AllOf(HasSubstr("WARNING: the host's firewall (table ip filter, chain "
                                          "FORWARD) drops what is forwarded"),
                                HasSubstr(cat("let ", bridge_, " through there")))));
  shell(cat("nft add rule ip filter FORWARD iifname ", bridge_, " counter accept"));
  EXPECT_THAT(networks_->warnings(), Not(IsEmpty()));
  shell(cat("nft add rule ip filter FORWARD oifname ", bridge_, " accept"));
  EXPECT_TRUE(is_reached());
  EXPECT_THAT(networks_->warnings(), IsEmpty());
}

TEST_F(HostFirewallTest, ALastRuleThatRefusesIsSeenToo) {
  shell(
      "nft add table inet wall; nft add chain inet wall forward '{ type filter hook forward "
      "priority 10; }'; nft add rule inet wall forward tcp dport 1 drop");
  EXPECT_THAT(networks_->warnings(), IsEmpty());
  shell("nft add rule inet wall forward counter reject with icmpx admin-prohibited");
  EXPECT_THAT(networks_->warnings(), ElementsAre(HasSubstr("table inet wall, chain forward")));
  // What is in no way of ours is not told of.
  shell(
      "nft delete table inet wall; nft add table bridge wall; nft add chain bridge wall forward "
      "'{ type filter hook forward priority 10; policy drop; }'; nft add table inet wall; "
      "nft add chain inet wall input '{ type filter hook input priority 10; policy drop; }'");
  EXPECT_THAT(networks_->warnings(), IsEmpty());
}

TEST_F(HostFirewallTest, ItIsOpenedForWhoAsks) {
  make_closed_chain();
  make_closed_chain("ip6");
  open_with(true);
  serve();
  EXPECT_TRUE(is_reached());
  EXPECT_THAT(networks_->warnings(), IsEmpty());
  // One that is flushed meanwhile is opened again with the next bridge.
  shell("nft flush chain ip filter FORWARD");
  EXPECT_FALSE(is_reached());
  make_dual("other", {}, false, 1);
  attach("two", "other");
  EXPECT_TRUE(is_reached());
  // Once for each bridge, also after a death.
  open_with(true);
  networks_->settle({"server", "two"});
  shell("test $(nft list chain ip filter FORWARD | grep -c accept) = 4");
  networks_->detach("two");
  ASSERT_TRUE(networks_->remove("other").has_value());
  shell(
      cat("test $(nft list chain ip6 filter FORWARD | grep -c accept) = 2; "
          "nft list chain ip6 filter FORWARD | grep -q ",
          bridge_));
  // And nothing is left of it when that is no longer asked for.
  open_with(false);
  networks_->settle({"server"});
  shell("! nft list ruleset | grep -q 'accept comment'");
  EXPECT_FALSE(is_reached());
}

TEST_F(HostFirewallTest, RulesForDockersUsersHoldFirst) {
  make_closed_chain();
  shell(cat("nft add chain ip filter DOCKER-USER; nft add rule ip filter DOCKER-USER ip saddr ",
            kClient, " drop; nft add rule ip filter FORWARD counter jump DOCKER-USER"));
  open_with(true);
  serve();
  EXPECT_FALSE(is_reached());
  shell("nft flush chain ip filter DOCKER-USER");
  EXPECT_TRUE(is_reached());
  networks_->detach("server");
  ASSERT_TRUE(networks_->remove("mine").has_value());
  shell("! nft list ruleset | grep -q 'accept comment'");
}

class IptablesTest : public HostFirewallTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(IptablesTest, ItsPolicyIsSeen) {
  const std::string program = GetParam();
  bool is_there = has_program(program) &&
                  std::system(cat(program, " -P FORWARD DROP 2>/dev/null").c_str()) == 0;
  if (!is_there) GTEST_SKIP() << "no " << program << ", or not with this kernel";
  bool is_legacy = program.ends_with("legacy");
  const std::string where = cat(is_legacy ? "iptables-legacy, " : "", "table ip",
                                program.starts_with("ip6") ? "6" : "", " filter, chain FORWARD");
  EXPECT_THAT(networks_->warnings(), ElementsAre(HasSubstr(where)));
  open_with(true);
  make_dual("mine");
  attach("server", "mine");
  bridge_ = networks_->find("mine")->bridge;
  // Legacy tables are replaced as a whole, by programs that expect to be alone.
  EXPECT_EQ(networks_->warnings().empty(), !is_legacy);
  shell(cat(program, " -I FORWARD -i ", bridge_, " -j ACCEPT; ", program, " -I FORWARD -o ",
            bridge_, " -j ACCEPT"));
  EXPECT_THAT(networks_->warnings(), IsEmpty());
  // What we have put there, it can read.
  shell(cat("test $(", program, " -S FORWARD | grep -c -- '-j ACCEPT') = ", is_legacy ? 2 : 4));
}

INSTANTIATE_TEST_SUITE_P(Programs, IptablesTest,
                         ::testing::Values("iptables-nft", "iptables-legacy", "ip6tables-nft",
                                           "ip6tables-legacy"));

}  // namespace
}  // namespace dhow::network
