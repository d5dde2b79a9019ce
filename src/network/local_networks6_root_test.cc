// SPDX-License-Identifier: Apache-2.0
// Networks with IPv6.
#include "network/testing/networks_fixture.h"

namespace dhow::network {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LocalNetworks6Test : public LocalNetworksTest {
 protected:
  void SetUp() override {
    LocalNetworksTest::SetUp();
    if (!IsSkipped() && ::access("/proc/sys/net/ipv6", F_OK) != 0) {
      GTEST_SKIP() << "this kernel has no IPv6";
    }
  }
  NewNetwork six(const std::string& name, const std::string& subnet = "fd00:7::/64",
                 const std::string& subnet4 = "10.7.0.0/24") {
    NewNetwork wanted;
    wanted.name = name;
    wanted.ipv6 = true;
    if (!subnet4.empty()) wanted.subnets.push_back({subnet4, "", "", {}});
    if (!subnet.empty()) wanted.subnets.push_back({subnet, "", "", {}});
    return wanted;
  }
  void create(const NewNetwork& wanted) {
    auto made = networks_->create(wanted);
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }
  std::string fault(const NewNetwork& wanted) {
    auto made = networks_->create(wanted);
    return made ? std::string() : made.error().message();
  }
  static std::string sysctl_in(const Attachment& attachment, const std::string& name) {
    std::string text;
    std::ignore = run_in_name_space(attachment.space, [&]() -> Status {
      text = read_file("/proc/sys/net/ipv6/conf/" + name, 16).value_or("none");
      return {};
    });
    return std::string(trim(text));
  }
  static std::string host_sysctl(const std::string& name) {
    return std::string(trim(read_file("/proc/sys/net/ipv6/conf/" + name, 16).value_or("none")));
  }
};

TEST_F(LocalNetworks6Test, ContainersReachOneAnotherAndTheHostAtOnce) {
  create(six("mine"));
  Attachment one = attach("one", "mine");
  Attachment two = attach("two", "mine");
  EXPECT_EQ(address6(one), "fd00:7::2");
  EXPECT_EQ(address6(two), "fd00:7::3");
  EXPECT_EQ(address(two), "10.7.0.3");
  Fd socket = socket_in(two, address6(two), 5000);
  // Nobody waits until an address is known to be nobody else's.
  ASSERT_TRUE(send_to(socket_in(one, address6(one), 5000), "a", address6(two), 5000));
  EXPECT_EQ(receive_from(socket), "a fd00:7::2");
  ASSERT_TRUE(send_to(datagram_socket("::", 5000), "b", address6(two), 5000));
  EXPECT_EQ(receive_from(socket), "b fd00:7::1");
  Fd host = datagram_socket("fd00:7::1", 5001);
  ASSERT_TRUE(send_to(socket, "c", "fd00:7::1", 5001));
  EXPECT_EQ(receive_from(host), "c fd00:7::3");
}

TEST_F(LocalNetworks6Test, OnlyInterfacesOfSuchNetworksHaveIt) {
  create(six("mine"));
  Attachment one = attach("one", "mine");
  auto joined = networks_->connect("one", "one", join("bridge"), {}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_EQ(sysctl_in(one, "eth0/disable_ipv6"), "0");
  EXPECT_EQ(sysctl_in(one, "eth0/accept_ra"), "0");
  EXPECT_EQ(sysctl_in(one, "eth1/disable_ipv6"), "1");
  EXPECT_EQ(host_sysctl("dhow0/disable_ipv6"), "1");
  EXPECT_EQ(host_sysctl(networks_->find("mine")->bridge + "/disable_ipv6"), "0");
}

TEST_F(LocalNetworks6Test, ANetworkMayHaveIpv6Alone) {
  NewNetwork wanted = six("mine", "fd00:7::/64", "");
  wanted.ipv4 = false;
  create(wanted);
  Attachment one = attach("one", "mine", {{"udp", 5000, {}, 8000, 8000}});
  const Endpoint& endpoint = one.endpoints.front();
  EXPECT_TRUE(endpoint.address.is_any());
  EXPECT_EQ(address6(one), "fd00:7::2");
  EXPECT_EQ(endpoint.mac, mac_of(endpoint.address6));
  ASSERT_THAT(endpoint.ports, SizeIs(1));
  EXPECT_EQ(endpoint.ports[0].host.text(), "::");
  EXPECT_FALSE(endpoint.is_gateway);
  EXPECT_TRUE(endpoint.is_gateway6);
  open();
  networks_->settle({"one"});
  EXPECT_EQ(networks_->endpoints_of_container("one").front(), endpoint);
  wanted.name = "neither";
  wanted.ipv6 = false;
  EXPECT_EQ(fault(wanted), "IPv4 or IPv6 must be enabled");
}

TEST_F(LocalNetworks6Test, SubnetsComeFromThePrefixOfTheHost) {
  options_.host_id = "machine";
  open();
  create(six("first", "", ""));
  create(six("second", "", ""));
  auto first = networks_->find("first")->v6;
  auto second = networks_->find("second")->v6;
  EXPECT_EQ(first->subnet.bits, 64);
  EXPECT_TRUE(default_pools6("machine").front().base.contains(first->subnet));
  EXPECT_EQ(first->gateway, first->subnet.base.next());
  EXPECT_FALSE(first->subnet.overlaps(second->subnet));
  EXPECT_FALSE(default_pools6("other").front().base.contains(first->subnet));
}

TEST_F(LocalNetworks6Test, RequestsAreTakenAsTheyAre) {
  NewNetwork wanted = six("mine");
  wanted.subnets[1] = {
      "fd00:7::/64", "fd00:7::ff00/120", "fd00:7::9", {{"router", "fd00:7::ff01"}}};
  create(wanted);
  Attachment one = attach("one", "mine");
  EXPECT_EQ(address6(one), "fd00:7::ff00");
  Attachment two = attach("two", "mine");
  EXPECT_EQ(address6(two), "fd00:7::ff02");
  AttachRequest request;
  request.container = request.name = "three";
  request.joins = {join("mine")};
  request.joins[0].address6 = parse_ip6("fd00:7::abcd");
  auto three = networks_->attach(request);
  ASSERT_TRUE(three.has_value()) << three.error().message();
  EXPECT_EQ(address6(*three), "fd00:7::abcd");
  request.container = request.name = "four";
  auto four = networks_->attach(request);
  ASSERT_FALSE(four.has_value());
  EXPECT_EQ(four.error().message(), "Address already in use: fd00:7::abcd");
  request.joins[0].address6 = parse_ip6("fd00:8::1");
  four = networks_->attach(request);
  ASSERT_FALSE(four.has_value());
  EXPECT_THAT(four.error().message(), HasSubstr("no configured subnet contains IP address fd00:8"));
  // The other family's address is free again.
  request.joins[0].address6.reset();
  four = networks_->attach(request);
  ASSERT_TRUE(four.has_value()) << four.error().message();
  EXPECT_EQ(address(*four), "10.7.0.5");
}

TEST_F(LocalNetworks6Test, FaultsAreTold) {
  create(six("mine"));
  EXPECT_EQ(fault(six("x", "fd00:7::/80", "10.8.0.0/24")),
            "invalid pool request: Pool overlaps with other one on this address space");
  EXPECT_EQ(fault(six("x", "fd00:8::1/64", "")),
            "invalid network config: invalid subnet fd00:8::1/64: it should be fd00:8::/64");
  EXPECT_THAT(fault(six("x", "fd00:8::/129", "")), HasSubstr("invalid CIDR block notation"));
  EXPECT_THAT(fault(six("x", "fd00:8::/127", "")), HasSubstr("it has no room for"));
  NewNetwork wanted = six("x", "fd00:8::/64", "");
  wanted.subnets[0].gateway = "fd00:9::1";
  EXPECT_EQ(fault(wanted), "invalid network config: no matching subnet for gateway fd00:9::1");
  wanted.subnets[0].gateway = "10.0.0.1";
  EXPECT_EQ(fault(wanted), "invalid gateway 10.0.0.1: not an IPv6 address");
  wanted = six("x", "fd00:8::/64", "");
  wanted.subnets.push_back({"fd00:9::/64", "", "", {}});
  EXPECT_EQ(fault(wanted), "bridge driver doesn't support multiple subnets");
  wanted = six("x", "fd00:8::/64", "");
  wanted.options["com.docker.network.driver.mtu"] = "1000";
  EXPECT_THAT(fault(wanted), HasSubstr("IPv6 needs at least 1280"));
  // As docker has it: a subnet of a family that is not wanted is nobody's.
  wanted = six("x", "fd00:8::/64", "");
  wanted.ipv6 = false;
  EXPECT_EQ(fault(wanted), "");
  EXPECT_FALSE(networks_->find("x")->v6.has_value());
}

class PublishedPort6Test : public LocalNetworks6Test, public ::testing::WithParamInterface<bool> {};

TEST_P(PublishedPort6Test, AnswersComeBack) {
  if (!GetParam()) turn_off_bridge_filter();
  create(six("mine"));
  create(six("other", "fd00:8::/64", "10.8.0.0/24"));
  Attachment server = attach("server", "mine", {{"udp", 5000, {}, 8000, 8000}});
  ASSERT_THAT(server.endpoints.front().ports, SizeIs(2));
  EXPECT_EQ(server.endpoints.front().ports[1].host.with_port(8000), "[::]:8000");
  Attachment neighbour = attach("neighbour", "mine");
  Attachment stranger = attach("stranger", "other");
  Fd socket = socket_in(server, address6(server), 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("::", 7001), socket, "fd00:7::1"), "back fd00:7::1");
  EXPECT_EQ(answer_by_port(socket_in(neighbour, address6(neighbour), 7002), socket, "fd00:7::1"),
            "back fd00:7::1");
  EXPECT_EQ(answer_by_port(socket_in(server, address6(server), 7003), socket, "fd00:7::1"),
            "back fd00:7::1");
  EXPECT_EQ(answer_by_port(socket_in(stranger, address6(stranger), 7004), socket, "fd00:7::1"),
            "back fd00:7::1");
  // And with IPv4 beside it.
  Fd socket4 = socket_in(server, 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("127.0.0.1", 7000), socket4, "127.0.0.1"),
            "back 127.0.0.1");
}

INSTANTIATE_TEST_SUITE_P(BridgeFilter, PublishedPort6Test, ::testing::Bool());

TEST_F(LocalNetworks6Test, OnePortIsOfOneAddress) {
  create(six("mine"));
  PortWish wish{"udp", 5000, *parse_ip6("fd00:7::1"), 8000, 8000};
  Attachment server = attach("server", "mine", {wish});
  ASSERT_THAT(server.endpoints.front().ports, SizeIs(1));
  Fd socket = socket_in(server, address6(server), 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("::", 7001), socket, "fd00:7::1"), "back fd00:7::1");
  // Of another family it is another port, of all addresses of the family the same.
  Attachment four = attach("four", "bridge", {{"udp", 5000, {}, 8000, 8000}});
  EXPECT_THAT(four.endpoints.front().ports, SizeIs(1));
  auto all = try_attach("all", "mine", {{"udp", 5000, *parse_ip6("::"), 8000, 8000}});
  ASSERT_FALSE(all.has_value());
  EXPECT_THAT(all.error().message(),
              HasSubstr("Bind for [::]:8000 failed: port is already allocated: container server"));
  auto without = try_attach("without", "bridge", {{"tcp", 80, *parse_ip6("::"), 8001, 8001}});
  ASSERT_FALSE(without.has_value());
  EXPECT_THAT(without.error().message(),
              HasSubstr("cannot publish port 80/tcp at [::]:8001: the container has no IPv6"));
}

TEST_F(LocalNetworks6Test, AFreePortIsFreeInBothFamilies) {
  create(six("mine"));
  Attachment one = attach("one", "mine", {{"tcp", 80, {}, 0, 0}});
  const std::vector<PublishedPort>& ports = one.endpoints.front().ports;
  ASSERT_THAT(ports, SizeIs(2));
  EXPECT_EQ(ports[0].host_port, ports[1].host_port);
  EXPECT_NE(ports[0].host_port, 0);
  Fd other(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int on = 1;
  ::setsockopt(other.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(other.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  auto name = socket_address("::", ports[0].host_port);
  bool is_taken = ::bind(other.get(), name.get(), name.size) != 0 || ::listen(other.get(), 1) != 0;
  EXPECT_TRUE(is_taken);
  EXPECT_EQ(errno, EADDRINUSE);
}

TEST_F(LocalNetworks6Test, ANumberThatIsTakenInOneFamilyIsLeftOut) {
  create(six("mine"));
  Fd other(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int on = 1;
  ::setsockopt(other.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  auto name = socket_address("::", 8000);
  ASSERT_EQ(::bind(other.get(), name.get(), name.size), 0);
  Attachment one = attach("one", "mine", {{"udp", 80, {}, 8000, 8003}});
  ASSERT_THAT(one.endpoints.front().ports, SizeIs(2));
  EXPECT_EQ(one.endpoints.front().ports[0].host_port, 8001);
  EXPECT_EQ(one.endpoints.front().ports[1].host_port, 8001);
  // What was taken of the family in which it was free is free again.
  Attachment two = attach("two", "bridge", {{"udp", 80, {}, 8000, 8000}});
  EXPECT_THAT(two.endpoints.front().ports, SizeIs(1));
}

TEST_F(LocalNetworks6Test, NetworksAreApart) {
  create(six("mine"));
  create(six("other", "fd00:8::/64", "10.8.0.0/24"));
  Attachment one = attach("one", "mine");
  Attachment two = attach("two", "other");
  Attachment three = attach("three", "other");
  Fd socket = socket_in(two, address6(two), 5000);
  ASSERT_TRUE(send_to(socket_in(one, address6(one), 5000), "stranger", address6(two), 5000));
  ASSERT_TRUE(send_to(socket_in(three, address6(three), 5000), "friend", address6(two), 5000));
  EXPECT_EQ(receive_from(socket), cat("friend ", address6(three)));
}

TEST_F(LocalNetworks6Test, AnInternalNetworkHasNoWayOut) {
  NewNetwork wanted = six("mine");
  wanted.internal = true;
  create(wanted);
  Attachment one = attach("one", "mine");
  Fd socket = socket_in(one, address6(one), 5000);
  EXPECT_FALSE(send_to(socket, "x", "2001:db8::1", 5000));
  EXPECT_EQ(errno, ENETUNREACH);
  EXPECT_EQ(host_sysctl("all/forwarding"), "0");
}

TEST_F(LocalNetworks6Test, TheHostForwardsAndGoesOnLearning) {
  Links links = Links::open().value();
  ASSERT_TRUE(links.make_bridge("uplink", *parse_mac("02:42:00:00:00:01"), 0).has_value());
  ASSERT_TRUE(write_existing("/proc/sys/net/ipv6/conf/uplink/accept_ra", "1").has_value());
  EXPECT_EQ(host_sysctl("all/forwarding"), "0");
  create(six("mine"));
  Attachment four = attach("four");
  EXPECT_EQ(host_sysctl("all/forwarding"), "0");
  Attachment one = attach("one", "mine");
  EXPECT_EQ(host_sysctl("all/forwarding"), "1");
  EXPECT_EQ(host_sysctl("uplink/accept_ra"), "2");
  EXPECT_EQ(::access((folder_ + "/forwarding6-by-dhow").c_str(), F_OK), 0);
}

TEST_F(LocalNetworks6Test, RowsAreSettledAfterADeath) {
  create(six("mine"));
  Attachment lives = attach("lives", "mine", {{"udp", 5000, {}, 8000, 8000}});
  Attachment dies = attach("dies", "mine", {{"udp", 5000, {}, 8001, 8001}});
  open();
  networks_->settle({"lives"});
  EXPECT_THAT(networks_->endpoints_of_container("dies"), IsEmpty());
  Fd socket = socket_in(lives, address6(lives), 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("::", 7001), socket, "fd00:7::1"), "back fd00:7::1");
  Attachment next = attach("next", "mine", {{"udp", 5000, {}, 8001, 8001}});
  EXPECT_EQ(address6(next), address6(dies));
  EXPECT_FALSE(try_attach("newer", "mine", {{"udp", 5000, {}, 8000, 8000}}).has_value());
}

TEST_F(LocalNetworks6Test, TheDefaultNetworkHasItWhenItIsToldTo) {
  options_.ipv6 = true;
  options_.subnet6 = "fd00:17::/64";
  open();
  Attachment one = attach("one");
  EXPECT_EQ(address6(one), "fd00:17::2");
  // In use it stays as it is.
  options_.ipv6 = false;
  open();
  EXPECT_TRUE(networks_->find("bridge")->v6.has_value());
  networks_->detach("one");
  open();
  EXPECT_FALSE(networks_->find("bridge")->v6.has_value());
  Attachment two = attach("two");
  EXPECT_TRUE(two.endpoints.front().address6.is_any());
  EXPECT_EQ(host_sysctl("dhow0/disable_ipv6"), "1");
}

// ---- options of bridges ----

TEST_F(LocalNetworks6Test, WhatLeavesHasTheAddressThatIsAskedFor) {
  auto world = make_name_space([] { return bring_loopback_up(); });
  ASSERT_TRUE(world.has_value());
  Links links = Links::open().value();
  ASSERT_TRUE(links.make_bridge("up0", *parse_mac("02:42:00:00:00:01"), 0).has_value());
  int index = links.find("up0").value()->index;
  VethPlan plan;
  plan.outside = "plug";
  plan.bridge = index;
  plan.inside = "wire";
  plan.mac = *parse_mac("02:42:00:00:00:02");
  ASSERT_TRUE(links.make_veth(plan, *world).has_value());
  ASSERT_TRUE(links.set_up(links.find("plug").value()->index).has_value());
  ASSERT_TRUE(links
                  .add_addresses_and_set_up(index, {*parse_address4("192.0.2.1/24"),
                                                    *parse_address4("192.0.2.7/24"),
                                                    {*parse_ip6("fd00:99::1"), 64},
                                                    {*parse_ip6("fd00:99::7"), 64}})
                  .has_value());
  Fd four;
  Fd sixth;
  auto wired = run_in_name_space(*world, [&]() -> Status {
    TRY_ASSIGN(Links there, Links::open());
    TRY_ASSIGN(auto link, there.find("wire"));
    TRY(there.add_addresses_and_set_up(
        link->index, {*parse_address4("192.0.2.9/24"), {*parse_ip6("fd00:99::9"), 64}}));
    four = datagram_socket("192.0.2.9", 5000);
    sixth = datagram_socket("fd00:99::9", 5000);
    return {};
  });
  ASSERT_TRUE(wired.has_value()) << wired.error().message();
  NewNetwork wanted = six("mine");
  wanted.options["com.docker.network.host_ipv4"] = "192.0.2.7";
  wanted.options["com.docker.network.host_ipv6"] = "fd00:99::7";
  create(wanted);
  create(six("plain", "fd00:8::/64", "10.8.0.0/24"));
  Attachment one = attach("one", "mine");
  ASSERT_TRUE(send_to(socket_in(one, 5000), "a", "192.0.2.9", 5000));
  EXPECT_EQ(receive_from(four), "a 192.0.2.7");
  ASSERT_TRUE(send_to(socket_in(one, address6(one), 5000), "b", "fd00:99::9", 5000));
  EXPECT_EQ(receive_from(sixth), "b fd00:99::7");
  Attachment two = attach("two", "plain");
  ASSERT_TRUE(send_to(socket_in(two, 5000), "c", "192.0.2.9", 5000));
  EXPECT_EQ(receive_from(four), "c 192.0.2.1");
}

TEST_F(LocalNetworks6Test, PortsAreBoundToTheAddressOfTheNetwork) {
  NewNetwork wanted = six("mine");
  wanted.options["com.docker.network.bridge.host_binding_ipv4"] = "127.0.0.1";
  create(wanted);
  Attachment one = attach("one", "mine", {{"udp", 5000, {}, 8000, 8000}});
  ASSERT_THAT(one.endpoints.front().ports, SizeIs(1));
  EXPECT_EQ(one.endpoints.front().ports[0].host.text(), "127.0.0.1");
  // What names an address has that one.
  Attachment two = attach("two", "mine", {{"udp", 5000, *parse_ip4("0.0.0.0"), 8001, 8001}});
  EXPECT_EQ(two.endpoints.front().ports[0].host.text(), "0.0.0.0");
}

TEST_F(LocalNetworks6Test, ABridgeMayBeWithoutAddressOfIpv4) {
  NewNetwork wanted = six("mine");
  wanted.options["com.docker.network.bridge.inhibit_ipv4"] = "true";
  create(wanted);
  Attachment one = attach("one", "mine");
  Links links = Links::open().value();
  int index = links.find(networks_->find("mine")->bridge).value()->index;
  std::vector<std::string> found;
  auto addresses = links.addresses(index);
  ASSERT_TRUE(addresses.has_value());
  for (const Address& address : *addresses) {
    if (!address.address.v6.is_link_local()) found.push_back(address.address.text());
  }
  EXPECT_THAT(found, ::testing::ElementsAre("fd00:7::1"));
}

TEST_F(LocalNetworks6Test, OptionsThatCanNotBeAreTold) {
  auto with = [&](const std::string& name, const std::string& value) {
    NewNetwork wanted = six("x");
    wanted.options[name] = value;
    return fault(wanted);
  };
  EXPECT_THAT(with("com.docker.network.host_ipv4", "fd00::1"), HasSubstr("not an address of"));
  EXPECT_THAT(with("com.docker.network.host_ipv6", "10.0.0.1"), HasSubstr("not an address of"));
  EXPECT_THAT(with("com.docker.network.host_ipv4", "0.0.0.0"), HasSubstr("not an address of"));
  EXPECT_THAT(with("com.docker.network.bridge.host_binding_ipv4", "x"),
              HasSubstr("not an address of"));
  EXPECT_FALSE(networks_->find("x").has_value());
}

// ---- connections that the kernel remembers ----

class RememberedTest : public LocalNetworks6Test,
                       public ::testing::WithParamInterface<const char*> {};

// A client that goes on sending comes to whoever has the port now.
TEST_P(RememberedTest, AClientOfUdpFollowsThePort) {
  create(six("mine"));
  PortWish wish{"udp", 5000, {}, 8000, 8000};
  bool is_v6 = std::string_view(GetParam()) == "fd00:7::1";
  Fd client = datagram_socket(is_v6 ? "::" : "0.0.0.0", 7001);
  auto server_of = [&](const Attachment& attachment) {
    return socket_in(attachment, is_v6 ? address6(attachment) : address(attachment), 5000);
  };
  // Nobody is there yet; the bridge is.
  Attachment other = attach("other", "mine");
  ASSERT_TRUE(send_to(client, "too early", GetParam(), 8000));
  Attachment first = attach("first", "mine", {wish});
  EXPECT_EQ(answer_by_port(client, server_of(first), GetParam()), cat("back ", GetParam()));
  networks_->detach("first");
  Attachment between = attach("between", "mine");
  Attachment second = attach("second", "mine", {wish});
  EXPECT_NE(address(second), address(first));
  EXPECT_EQ(answer_by_port(client, server_of(second), GetParam()), cat("back ", GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Families, RememberedTest, ::testing::Values("10.7.0.1", "fd00:7::1"));

// ---- which network carries what ----

TEST_F(LocalNetworks6Test, PortsGoWithTheGateway) {
  create(six("mine"));
  create(six("other", "fd00:8::/64", "10.8.0.0/24"));
  Attachment one = attach("one", "mine", {{"udp", 5000, {}, 8000, 8000}});
  Join better = join("other");
  better.priority = 1;
  auto joined = networks_->connect("one", "one", better, {}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_TRUE(joined->is_gateway);
  EXPECT_TRUE(joined->is_gateway6);
  EXPECT_THAT(joined->ports, SizeIs(2));
  Fd there = socket_in(one, joined->address6.text(), 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("::", 7001), there, "fd00:8::1"), "back fd00:8::1");
  // And back, when that one is left.
  ASSERT_TRUE(networks_->disconnect("one", id_of("other"), one.space).has_value());
  auto left = networks_->endpoints_of_container("one");
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_THAT(left[0].ports, SizeIs(2));
  Fd here = socket_in(one, address6(one), 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("::", 7002), here, "fd00:7::1"), "back fd00:7::1");
  Fd here4 = socket_in(one, 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("0.0.0.0", 7003), here4, "10.7.0.1"), "back 10.7.0.1");
}

TEST_F(LocalNetworks6Test, WithoutANetworkThereAreNoPorts) {
  create(six("mine"));
  PortWish wish{"udp", 5000, {}, 8000, 8000};
  Attachment one = attach("one", "mine", {wish});
  ASSERT_TRUE(networks_->disconnect("one", id_of("mine"), one.space).has_value());
  Attachment two = attach("two", "mine", {wish});
  networks_->detach("two");
  auto joined = networks_->connect("one", "one", join("bridge"), {wish}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_THAT(joined->ports, SizeIs(1));
  EXPECT_FALSE(try_attach("three", "mine", {wish}).has_value());
}

}  // namespace
}  // namespace dhow::network
