// SPDX-License-Identifier: Apache-2.0
#include "network/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/address_pool.h"
#include "network/local_networks.h"
#include "network/ports.h"

namespace dhow::network {
namespace {

using ::testing::Optional;
using ::testing::Pair;

Subnet4 subnet(std::string_view text) { return *parse_subnet4(text); }

TEST(AddressTest, AddressesAreReadAndWritten) {
  EXPECT_EQ(parse_ip4("10.1.2.3")->text(), "10.1.2.3");
  EXPECT_EQ(parse_ip4("10.1.2.3")->bytes(), std::string("\x0a\x01\x02\x03"));
  for (std::string_view text : {"", "10.1.2", "10.1.2.256", "10.1.2.3.4", "10.01.2.3", "a.b.c.d"}) {
    EXPECT_FALSE(parse_ip4(text).has_value()) << text;
  }
  EXPECT_EQ(parse_address4("10.1.2.3/24")->subnet().text(), "10.1.2.0/24");
  for (std::string_view text : {"10.1.2.3", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/-1"}) {
    EXPECT_FALSE(parse_subnet4(text).has_value()) << text;
  }
  EXPECT_TRUE(subnet("0.0.0.0/0").contains(*parse_ip4("255.0.0.1")));
}

TEST(AddressTest, SubnetsOverlap) {
  EXPECT_TRUE(subnet("10.0.0.0/8").overlaps(subnet("10.2.0.0/16")));
  EXPECT_TRUE(subnet("10.2.0.0/16").overlaps(subnet("10.0.0.0/8")));
  EXPECT_FALSE(subnet("10.2.0.0/16").overlaps(subnet("10.3.0.0/16")));
  EXPECT_FALSE(subnet("10.2.0.0/16").contains(subnet("10.0.0.0/8")));
  EXPECT_EQ(subnet("10.2.0.0/16").last().text(), "10.2.255.255");
}

TEST(AddressTest, AddressesOfIpv6AreReadAndWritten) {
  EXPECT_EQ(parse_ip6("FD00:0:0::a")->text(), "fd00::a");
  EXPECT_EQ(parse_ip6("fd00::1:2")->bytes(), std::string("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\1\0\2", 16));
  EXPECT_TRUE(parse_ip6("fe80::1")->is_link_local());
  EXPECT_FALSE(parse_ip6("fd00::1")->is_link_local());
  EXPECT_EQ(parse_ip6("fd00::ffff:ffff:ffff:ffff")->next().text(), "fd00:0:0:1::");
  for (std::string_view text : {"", "fd00", "fd00:::1", "10.0.0.1", "fe80::1%eth0",
                                "::ffff:10.0.0.1", "[fd00::1]", "1:2:3:4:5:6:7:8:9"}) {
    EXPECT_FALSE(parse_ip6(text).has_value()) << text;
  }
  EXPECT_EQ(parse_subnet6("fd00:1:2:3:4::1/66")->text(), "fd00:1:2:3::/66");
  EXPECT_EQ(parse_subnet6("fd00::/64")->last().text(), "fd00::ffff:ffff:ffff:ffff");
  EXPECT_EQ(parse_subnet6("fd00::7/127")->last().text(), "fd00::7");
  for (std::string_view text : {"fd00::1", "fd00::1/129", "fd00::1/", "10.0.0.0/8"}) {
    EXPECT_FALSE(parse_subnet6(text).has_value()) << text;
  }
  EXPECT_TRUE(parse_subnet6("fd00::/48")->overlaps(*parse_subnet6("fd00:0:0:9::/64")));
  EXPECT_FALSE(parse_subnet6("fd00::/64")->overlaps(*parse_subnet6("fd00:0:0:9::/64")));
  EXPECT_EQ(parse_ip("fd00::1")->with_port(80), "[fd00::1]:80");
  EXPECT_EQ(parse_ip("10.0.0.1")->with_port(80), "10.0.0.1:80");
  EXPECT_FALSE(parse_ip("x").has_value());
}

TEST(AddressTest, MacAddressesAreOfTheAddress) {
  EXPECT_NE(mac_of(*parse_ip6("fd00::1")), mac_of(*parse_ip6("fd00::1:0:0:1")));

  EXPECT_EQ(mac_of(*parse_ip4("172.17.0.2")), "02:42:ac:11:00:02");
  EXPECT_EQ(parse_mac("02:42:AC:11:00:02")->size(), 6U);
  for (std::string_view text :
       {"", "02:42", "02:42:ac:11:00:0g", "2:42:ac:11:00:2", "01:42:ac:11:00:02"}) {
    EXPECT_FALSE(parse_mac(text).has_value()) << text;
  }
}

TEST(AddressPoolTest, GivesTheLowestThatIsFree) {
  AddressPool pool(subnet("10.0.0.0/29"), subnet("10.0.0.0/29"));
  EXPECT_TRUE(pool.take(*parse_ip4("10.0.0.1")));
  EXPECT_TRUE(pool.take(*parse_ip4("10.0.0.3")));
  EXPECT_FALSE(pool.take(*parse_ip4("10.0.0.3")));
  EXPECT_EQ(pool.take()->text(), "10.0.0.2");
  EXPECT_EQ(pool.take()->text(), "10.0.0.4");
  EXPECT_EQ(pool.take()->text(), "10.0.0.5");
  EXPECT_EQ(pool.take()->text(), "10.0.0.6");
  EXPECT_FALSE(pool.take().has_value());
  pool.give_back(*parse_ip4("10.0.0.3"));
  pool.give_back(*parse_ip4("10.0.0.2"));
  EXPECT_EQ(pool.take()->text(), "10.0.0.2");
  EXPECT_EQ(pool.take()->text(), "10.0.0.3");
  EXPECT_FALSE(pool.take().has_value());
}

TEST(AddressPoolTest, GivesNoneOutsideOfItsRangeUnlessAskedFor) {
  AddressPool pool(subnet("10.0.0.0/24"), subnet("10.0.0.128/30"));
  for (const char* text : {"10.0.0.128", "10.0.0.129", "10.0.0.130", "10.0.0.131"}) {
    EXPECT_EQ(pool.take()->text(), text);
  }
  EXPECT_FALSE(pool.take().has_value());
  EXPECT_TRUE(pool.take(*parse_ip4("10.0.0.7")));
  pool.give_back(*parse_ip4("10.0.0.7"));
  EXPECT_FALSE(pool.take().has_value());
  for (const char* text : {"10.0.0.0", "10.0.0.255", "10.0.1.1"}) {
    EXPECT_FALSE(pool.take(*parse_ip4(text))) << text;
  }
}

TEST(AddressPoolTest, SubnetsThatAreInUseAreLeftAlone) {
  std::vector<SubnetPool> pools = {{subnet("10.0.0.0/22"), 24}, {subnet("10.9.0.0/24"), 24}};
  EXPECT_EQ(free_subnet(pools, {})->text(), "10.0.0.0/24");
  std::vector<Subnet4> used = {subnet("10.0.0.0/23")};
  EXPECT_EQ(free_subnet(pools, used)->text(), "10.0.2.0/24");
  used.push_back(subnet("10.0.2.7/32"));
  EXPECT_EQ(free_subnet(pools, used)->text(), "10.0.3.0/24");
  used.push_back(subnet("10.0.0.0/16"));
  EXPECT_EQ(free_subnet(pools, used)->text(), "10.9.0.0/24");
  used.push_back(subnet("0.0.0.0/1"));
  EXPECT_FALSE(free_subnet(pools, used).has_value());
}

TEST(AddressPoolTest, GivesAddressesOfIpv6) {
  AddressPool6 pool(*parse_subnet6("fd00::/64"), *parse_subnet6("fd00::/64"));
  EXPECT_TRUE(pool.take(*parse_ip6("fd00::1")));
  EXPECT_EQ(pool.take()->text(), "fd00::2");
  EXPECT_TRUE(pool.take_of_range(*parse_ip6("fd00::3")));
  EXPECT_FALSE(pool.take_of_range(*parse_ip6("fd00::3")));
  EXPECT_FALSE(pool.take_of_range(*parse_ip6("fd00:0:0:1::3")));
  EXPECT_EQ(pool.take()->text(), "fd00::4");
  // The one of any router is nobody's, the last one is.
  EXPECT_FALSE(pool.take(*parse_ip6("fd00::")));
  EXPECT_TRUE(pool.take(*parse_ip6("fd00::ffff:ffff:ffff:ffff")));
  AddressPool6 small(*parse_subnet6("fd00::8/126"), *parse_subnet6("fd00::8/126"));
  EXPECT_EQ(small.take()->text(), "fd00::9");
  EXPECT_EQ(small.take()->text(), "fd00::a");
  EXPECT_EQ(small.take()->text(), "fd00::b");
  EXPECT_FALSE(small.take().has_value());
  small.give_back(*parse_ip6("fd00::a"));
  EXPECT_EQ(small.take()->text(), "fd00::a");
}

TEST(AddressPoolTest, SubnetsOfIpv6AreLeftAlone) {
  // As moby makes it: the last 40 bits of the first eight bytes of SHA-256.
  std::vector<SubnetPool6> pools = default_pools6("machine");
  EXPECT_EQ(pools.front().base.text(), "fd35:b7f9:cb13::/48");
  std::vector<Subnet6> used = {*parse_subnet6("fd35:b7f9:cb13::/63")};
  EXPECT_EQ(free_subnet(pools, used)->text(), "fd35:b7f9:cb13:2::/64");
  used.push_back(*parse_subnet6("fd35:b7f9:cb13:2::5/128"));
  EXPECT_EQ(free_subnet(pools, used)->text(), "fd35:b7f9:cb13:3::/64");
  used.push_back(*parse_subnet6("fd00::/8"));
  EXPECT_FALSE(free_subnet(pools, used).has_value());
}

TEST(PortTest, PortsAndRangesAreRead) {
  EXPECT_THAT(parse_port("80/tcp"), Optional(Pair(80, "tcp")));
  EXPECT_THAT(parse_port("53/UDP"), Optional(Pair(53, "udp")));
  EXPECT_THAT(parse_port("53"), Optional(Pair(53, "tcp")));
  for (std::string_view text : {"", "0/tcp", "80/icmp", "65536", "80-90", "80/"}) {
    EXPECT_FALSE(parse_port(text).has_value()) << text;
  }
  EXPECT_THAT(parse_port_range(""), Optional(Pair(0, 0)));
  EXPECT_THAT(parse_port_range("80"), Optional(Pair(80, 80)));
  EXPECT_THAT(parse_port_range("80-90"), Optional(Pair(80, 90)));
  for (std::string_view text : {"90-80", "0-80", "80-", "-80", "x"}) {
    EXPECT_FALSE(parse_port_range(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dhow::network
