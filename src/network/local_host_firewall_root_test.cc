// SPDX-License-Identifier: Apache-2.0
// Firewalls of others on the same host: what they drop stays dropped, but for who asks otherwise.
#include <poll.h>

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
  // host's own. What is on its way through the gate may be overtaken, so it is waited for.
  bool is_reached() { return is_reached_at(kHost, kClient, "127.0.0.1", socket_); }
  bool is_reached_at(const char* host, const char* client, const char* own, const Fd& socket) {
    const std::string wanted = cat("client ", client);
    EXPECT_TRUE(send_to(socket_of_client(client, own_port()), "client", host, 8000));
    EXPECT_TRUE(send_to(datagram_socket(own, own_port()), "host", own, 8000));
    std::string first = receive_from(socket);
    if (first == wanted) {
      EXPECT_THAT(receive_from(socket), ::testing::StartsWith("host "));
      return true;
    }
    EXPECT_THAT(first, ::testing::StartsWith("host "));
    constexpr int kLongest = 300;  // milliseconds
    pollfd late{socket.get(), POLLIN, 0};
    if (::poll(&late, 1, kLongest) == 0) return false;
    EXPECT_EQ(receive_from(socket), wanted);
    return true;
  }
  // Another each time: who has been let through once stays let through.
  std::uint16_t own_port() { return next_port_++; }
  static void make_closed_chain(const std::string& family = "ip") {
    shell(cat("nft add table ", family, " filter; nft add chain ", family,
              " filter FORWARD '{ type filter hook forward priority 0; policy drop; }'"));
  }

  Attachment server_;
  Fd socket_;
  std::string bridge_;
  std::uint16_t next_port_ = 7000;
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

// What a host says of who may call it, which most do in the hook input.
class InputTest : public HostFirewallTest {
 protected:
  static void close_input() {
    shell(
        "nft add table inet wall; nft add chain inet wall input '{ type filter hook input priority "
        "0; policy drop; }'; nft add rule inet wall input ct state established,related accept; "
        "nft add rule inet wall input icmpv6 type '{ nd-neighbor-solicit, nd-neighbor-advert }' "
        "accept");
  }
  bool is_reached6() {
    if (!socket6_) socket6_ = socket_in(server_, address6(server_), 5000);
    return is_reached_at(kHost6, kClient6, kHost6, socket6_);
  }
  Fd socket6_;
};

TEST_F(InputTest, WhatItDropsDoesNotReachAPublishedPort) {
  serve();
  EXPECT_TRUE(is_reached());
  close_input();
  EXPECT_FALSE(is_reached());
  EXPECT_FALSE(is_reached6());
  shell("nft add rule inet wall input ip saddr 198.51.100.0/24 udp dport 8000 accept");
  EXPECT_FALSE(is_reached());
  // By the port of the host, the client's address and the interface that he comes by.
  shell(
      cat("nft add rule inet wall input iifname up0 ip saddr ", kClient, " udp dport 8000 accept"));
  EXPECT_TRUE(is_reached());
  EXPECT_FALSE(is_reached6());
  shell(cat("nft add rule inet wall input iifname up0 ip6 saddr ", kClient6,
            " udp dport 8000 accept"));
  EXPECT_TRUE(is_reached6());
  EXPECT_THAT(networks_->warnings(), IsEmpty());
}

TEST_F(InputTest, PacketsHaveToComeFromWhereTheyWouldBeAnswered) {
  shell("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  serve();
  EXPECT_TRUE(is_reached());
}

TEST_F(InputTest, ContainersCallPublishedPortsWhateverItSays) {
  serve();
  close_input();
  Attachment neighbour = attach("neighbour", "mine");
  Fd socket = socket_in(neighbour, 7004);
  EXPECT_TRUE(send_to(socket, "neighbour", kHost, 8000));
  EXPECT_THAT(receive_from(socket_), ::testing::StartsWith("neighbour "));
}

TEST_F(InputTest, WhoAsksForItHasThemOpen) {
  close_input();
  open_with(true);
  serve();
  EXPECT_TRUE(is_reached());
  EXPECT_FALSE(has_link("dhow-i"));
  // And back, with the same bridge and port.
  open_with(false);
  networks_->settle({"server"});
  EXPECT_FALSE(is_reached());
  EXPECT_TRUE(has_link("dhow-i"));
  open_with(true);
  networks_->settle({"server"});
  EXPECT_TRUE(is_reached());
  EXPECT_FALSE(has_link("dhow-i"));
  shell("! nft list tables | grep -E 'ip6? dhow'");
}

TEST_F(InputTest, ItComesAndGoesWithTheBridges) {
  serve();
  EXPECT_TRUE(has_link("dhow-i"));
  shell("nft list table ip dhow >/dev/null; nft list table ip6 dhow >/dev/null");
  networks_->detach("server");
  ASSERT_TRUE(networks_->remove("mine").has_value());
  EXPECT_FALSE(has_link("dhow-i"));
  shell("! nft list tables | grep -E 'ip6? dhow'");
  // The table is still there: what the host did not forward before us stays so.
  shell("nft list table inet dhow >/dev/null");
  close_input();
  serve();
  EXPECT_FALSE(is_reached());
  EXPECT_TRUE(has_link("dhow-i"));
}

TEST_F(InputTest, AForeignInterfaceStaysAndIsToldOf) {
  shell("ip link add dhow-i type veth peer name other");
  serve();
  EXPECT_TRUE(is_reached());
  EXPECT_THAT(networks_->warnings(), ElementsAre(HasSubstr("none of ours")));
  networks_->detach("server");
  ASSERT_TRUE(networks_->remove("mine").has_value());
  EXPECT_TRUE(has_link("dhow-i"));
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
