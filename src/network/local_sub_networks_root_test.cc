// SPDX-License-Identifier: Apache-2.0
// Networks on an interface of the host: macvlan and ipvlan. The host's is one end of a pair, of
// which the other is in a namespace that stands for the world.
#include "network/sub_networks.h"
#include "network/testing/networks_fixture.h"

namespace dhow::network {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SubNetworksTest : public LocalNetworksTest {
 protected:
  void SetUp() override {
    LocalNetworksTest::SetUp();
    if (IsSkipped()) return;
    auto made = make_name_space([] { return bring_loopback_up(); });
    ASSERT_TRUE(made.has_value());
    world_ = std::move(*made);
    Links links = Links::open().value();
    ASSERT_TRUE(links.make_bridge("plug", *parse_mac("02:42:00:00:00:01"), 0).has_value());
    VethPlan plan;
    plan.outside = "up0";
    plan.bridge = links.find("plug").value()->index;
    plan.inside = "wire";
    plan.mac = *parse_mac("02:42:00:00:00:02");
    ASSERT_TRUE(links.make_veth(plan, world_).has_value());
    ASSERT_TRUE(links.leave_bridge("up0").has_value());
    ASSERT_TRUE(links.set_up(links.find("up0").value()->index).has_value());
    auto wired = run_in_name_space(world_, []() -> Status {
      TRY_ASSIGN(Links there, Links::open());
      TRY_ASSIGN(auto link, there.find("wire"));
      return there.add_addresses_and_set_up(
          link->index, {*parse_address4("10.7.0.1/24"), {*parse_ip6("fd00:7::1"), 64}});
    });
    ASSERT_TRUE(wired.has_value()) << wired.error().message();
  }
  NewNetwork on(const std::string& parent, const std::string& driver = "macvlan") {
    NewNetwork wanted;
    wanted.name = "lan";
    wanted.driver = driver;
    wanted.ipv6 = true;
    wanted.subnets = {{"10.7.0.0/24", "", "10.7.0.1", {}}, {"fd00:7::/64", "", "fd00:7::1", {}}};
    if (!parent.empty()) wanted.options["parent"] = parent;
    return wanted;
  }
  std::string fault(const NewNetwork& wanted) {
    auto made = networks_->create(wanted);
    return made ? std::string() : made.error().message();
  }
  Fd socket_of_world(std::string_view address, std::uint16_t port) {
    Fd socket;
    std::ignore = run_in_name_space(world_, [&]() -> Status {
      socket = datagram_socket(address, port);
      return {};
    });
    return socket;
  }
  static bool has_inner(const Fd& space, const std::string& name) {
    bool found = false;
    std::ignore = run_in_name_space(space, [&]() -> Status {
      TRY_ASSIGN(Links links, Links::open());
      TRY_ASSIGN(auto link, links.find(name));
      found = link.has_value();
      return {};
    });
    return found;
  }

  Fd world_;
};

TEST_F(SubNetworksTest, ContainersAreNeighboursOfTheWorld) {
  ASSERT_EQ(fault(on("up0")), "");
  Attachment one = attach("one", "lan");
  Attachment two = attach("two", "lan");
  EXPECT_EQ(address(one), "10.7.0.2");
  EXPECT_EQ(address6(two), "fd00:7::3");
  EXPECT_TRUE(one.endpoints.front().outside.empty());
  Fd world = socket_of_world("10.7.0.1", 5000);
  ASSERT_TRUE(send_to(socket_in(one, 5000), "a", "10.7.0.1", 5000));
  EXPECT_EQ(receive_from(world), "a 10.7.0.2");
  Fd world6 = socket_of_world("fd00:7::1", 5001);
  ASSERT_TRUE(send_to(socket_in(two, address6(two), 5000), "b", "fd00:7::1", 5001));
  EXPECT_EQ(receive_from(world6), "b fd00:7::3");
  Fd second = socket_in(two, 5002);
  ASSERT_TRUE(send_to(socket_in(one, 5002), "c", address(two), 5002));
  EXPECT_EQ(receive_from(second), "c 10.7.0.2");
  // No bridge, no firewall.
  EXPECT_FALSE(has_link("dhow0"));
}

TEST_F(SubNetworksTest, NothingIsPublishedAndNothingIsLeft) {
  ASSERT_EQ(fault(on("up0")), "");
  Attachment one = attach("one", "lan", {{"tcp", 80, {}, 8000, 8000}});
  EXPECT_THAT(one.endpoints.front().ports, IsEmpty());
  networks_->detach("one");
  EXPECT_THAT(networks_->endpoints_of_container("one"), IsEmpty());
  EXPECT_TRUE(networks_->remove("lan").has_value());
  EXPECT_TRUE(has_link("up0"));
}

TEST_F(SubNetworksTest, ContainersJoinAndLeaveAsTheyRun) {
  ASSERT_EQ(fault(on("up0")), "");
  Attachment one = attach("one", "bridge", {{"udp", 5000, {}, 8000, 8000}});
  auto joined = networks_->connect("one", "one", join("lan"), {}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_EQ(joined->inside, "eth1");
  EXPECT_FALSE(joined->is_half);
  EXPECT_TRUE(has_inner(one.space, "eth1"));
  EXPECT_THAT(networks_->endpoints_of_container("one")[0].ports, SizeIs(1));
  ASSERT_TRUE(networks_->disconnect("one", id_of("lan"), one.space).has_value());
  EXPECT_FALSE(has_inner(one.space, "eth1"));
}

TEST_F(SubNetworksTest, WhatADeathLeavesIsMadeWhole) {
  ASSERT_EQ(fault(on("up0")), "");
  Attachment one = attach("one");
  auto joined = networks_->connect("one", "one", join("lan"), {}, one.space);
  ASSERT_TRUE(joined.has_value());
  open();
  networks_->settle({"one"});
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(2));
  // As if the death had come before the row was said to be whole.
  joined->is_half = true;
  ASSERT_TRUE(database_
                  ->write([&](metadata::Transaction& transaction) {
                    return Rows(transaction, "moby").update(*joined);
                  })
                  .has_value());
  open();
  networks_->settle({"one"});
  ASSERT_THAT(networks_->endpoints_of_container("one"), SizeIs(1));
  EXPECT_TRUE(has_inner(one.space, "eth1"));
  auto again = networks_->connect("one", "one", join("lan"), {}, one.space);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->inside, "eth1");
  // Of one that has ended nothing stays.
  open();
  networks_->settle({});
  EXPECT_THAT(networks_->endpoints_of_network(id_of("lan")), IsEmpty());
}

TEST_F(SubNetworksTest, AnInternalNetworkHasNoWayOut) {
  NewNetwork wanted = on("up0");
  wanted.internal = true;
  ASSERT_EQ(fault(wanted), "");
  Attachment one = attach("one", "lan");
  EXPECT_FALSE(one.endpoints.front().is_gateway);
  Fd socket = socket_in(one, 5000);
  EXPECT_FALSE(send_to(socket, "x", "198.51.100.1", 5000));
  EXPECT_EQ(errno, ENETUNREACH);
}

class MacvlanModeTest : public SubNetworksTest,
                        public ::testing::WithParamInterface<const char*> {};

TEST_P(MacvlanModeTest, IsTaken) {
  NewNetwork wanted = on("up0");
  wanted.options["macvlan_mode"] = GetParam();
  ASSERT_EQ(fault(wanted), "");
  Attachment one = attach("one", "lan");
  Fd world = socket_of_world("10.7.0.1", 5000);
  ASSERT_TRUE(send_to(socket_in(one, 5000), "a", "10.7.0.1", 5000));
  EXPECT_EQ(receive_from(world), "a 10.7.0.2");
}

INSTANTIATE_TEST_SUITE_P(Modes, MacvlanModeTest,
                         ::testing::Values("bridge", "private", "vepa", "passthru"));

TEST_F(SubNetworksTest, FaultsAreTold) {
  EXPECT_EQ(fault(on("lo")), "loopback interface is not a valid macvlan parent link");
  EXPECT_EQ(fault(on("nothere")),
            "invalid subinterface vlan name nothere, example formatting is eth0.10");
  EXPECT_EQ(fault(on("up0.4095")), "vlan id must be between 1-4094, received: 4095");
  EXPECT_EQ(fault(on("up0.x")), "vlan id must be between 1-4094, received: x");
  EXPECT_EQ(fault(on("nothere.7")), "failed to find master interface nothere on the host");
  NewNetwork wanted = on("up0");
  wanted.options["macvlan_mode"] = "other";
  EXPECT_EQ(fault(wanted),
            "requested macvlan mode 'other' is not valid, 'bridge' is the macvlan driver default");
  wanted = on("up0", "ipvlan");
  wanted.options["ipvlan_mode"] = "l4";
  EXPECT_EQ(fault(wanted),
            "requested ipvlan mode 'l4' is not valid, 'l2' is the ipvlan driver default");
  wanted.options["ipvlan_mode"] = "l3s";
  wanted.options["ipvlan_flag"] = "none";
  EXPECT_EQ(fault(wanted),
            "requested ipvlan flag 'none' is not valid, 'bridge' is the ipvlan driver default");
  ASSERT_EQ(fault(on("up0")), "");
  wanted = on("up0");
  wanted.name = "second";
  wanted.subnets = {{"10.8.0.0/24", "", "", {}}};
  wanted.ipv6 = false;
  EXPECT_THAT(fault(wanted), HasSubstr("is already using parent interface up0"));
}

// Kinds that not every kernel has: where this one has none, that is what is told.
class SubKindTest : public SubNetworksTest {
 protected:
  // Whether it is there; else the fault has been looked at.
  bool attaches(const NewNetwork& wanted, std::string_view kind) {
    EXPECT_EQ(fault(wanted), "");
    auto attached = try_attach("one", "lan");
    if (attached) {
      one_ = std::move(*attached);
      return true;
    }
    EXPECT_THAT(attached.error().message(),
                HasSubstr(cat("this kernel has no interfaces of the kind ", kind)));
    EXPECT_EQ(attached.error().code(), Code::kUnimplemented);
    EXPECT_THAT(networks_->endpoints_of_container("one"), IsEmpty());
    return false;
  }
  Attachment one_;
};

TEST_F(SubKindTest, IpvlanHasTheParentsAddress) {
  if (!attaches(on("up0", "ipvlan"), "ipvlan")) GTEST_SKIP() << "no ipvlan";
  EXPECT_EQ(one_.endpoints.front().mac, "");
  Fd world = socket_of_world("10.7.0.1", 5000);
  ASSERT_TRUE(send_to(socket_in(one_, 5000), "a", "10.7.0.1", 5000));
  EXPECT_EQ(receive_from(world), "a 10.7.0.2");
}

TEST_F(SubKindTest, AVlanIsMadeAndGoesWithTheNetwork) {
  bool is_there = attaches(on("up0.10"), "vlan");
  EXPECT_EQ(has_link("up0.10"), is_there);
  networks_->detach("one");
  one_ = {};
  EXPECT_TRUE(networks_->remove("lan").has_value());
  EXPECT_FALSE(has_link("up0.10"));
  EXPECT_TRUE(has_link("up0"));
  if (!is_there) GTEST_SKIP() << "no vlan";
}

TEST_F(SubKindTest, WithoutAParentThereIsADummy) {
  bool is_there = attaches(on(""), "dummy");
  std::string parent = networks_->find("lan")->parent;
  EXPECT_EQ(parent, "dm-" + id_of("lan").substr(0, 12));
  EXPECT_EQ(has_link(parent), is_there);
  networks_->detach("one");
  one_ = {};
  EXPECT_TRUE(networks_->remove("lan").has_value());
  EXPECT_FALSE(has_link(parent));
  if (!is_there) GTEST_SKIP() << "no dummy";
}

}  // namespace
}  // namespace dhow::network
