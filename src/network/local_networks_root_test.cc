// SPDX-License-Identifier: Apache-2.0
// Networks on the kernel that is there, in a network namespace of each test's own.
#include <fcntl.h>

#include <cstdlib>

#include "network/testing/networks_fixture.h"

namespace dhow::network {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(LocalNetworksTest, NothingIsMadeBeforeItIsNeeded) {
  make("mine");
  EXPECT_FALSE(has_link("dhow0"));
  EXPECT_THAT(networks_->list(), SizeIs(4));
}

// To one of as many addresses, and not of as many as other networks have.
TEST_F(LocalNetworksTest, TheDefaultNetworkMovesOutOfTheWayOfARoute) {
  ASSERT_EQ(std::system("ip link add taken type veth peer name other && "
                        "ip address add 172.17.0.9/16 dev taken && ip link set taken up"),
            0);
  EXPECT_EQ(address(attach("one")), "172.18.0.2");
  auto network = networks_->find("bridge");
  ASSERT_TRUE(network.has_value() && network->v4);
  EXPECT_EQ(network->v4->subnet.text(), "172.18.0.0/16");
}

TEST_F(LocalNetworksTest, ContainersReachOneAnotherAndTheHost) {
  Attachment one = attach("one");
  Attachment two = attach("two");
  EXPECT_EQ(address(one), "172.17.0.2");
  EXPECT_EQ(address(two), "172.17.0.3");
  Fd socket = socket_in(two, 5000);
  ASSERT_TRUE(send_to(socket_in(one, 5000), "a", address(two), 5000));
  EXPECT_EQ(receive_from(socket), "a 172.17.0.2");
  ASSERT_TRUE(send_to(datagram_socket("0.0.0.0", 5000), "b", address(two), 5000));
  EXPECT_EQ(receive_from(socket), "b 172.17.0.1");
  Fd host = datagram_socket("172.17.0.1", 5001);
  ASSERT_TRUE(send_to(socket, "c", "172.17.0.1", 5001));
  EXPECT_EQ(receive_from(host), "c 172.17.0.3");
}

TEST_F(LocalNetworksTest, APublishedPortIsReachedFromEverywhere) {
  PortWish wish{"udp", 5000, {}, 8000, 8000};
  Attachment server = attach("server", "bridge", {wish});
  Attachment neighbour = attach("neighbour");
  make("other");
  Attachment stranger = attach("stranger", "other");
  Fd socket = socket_in(server, 5000);
  ASSERT_TRUE(send_to(datagram_socket("127.0.0.1", 7000), "loopback", "127.0.0.1", 8000));
  EXPECT_EQ(receive_from(socket), "loopback 172.17.0.1");
  ASSERT_TRUE(send_to(datagram_socket("172.17.0.1", 7001), "host", "172.17.0.1", 8000));
  EXPECT_EQ(receive_from(socket), "host 172.17.0.1");
  ASSERT_TRUE(send_to(socket_in(neighbour, 7002), "neighbour", "172.17.0.1", 8000));
  // Routed it has the gateway's address, bridged (by br_netfilter) its own.
  EXPECT_THAT(receive_from(socket), AnyOf("neighbour 172.17.0.1", "neighbour 172.17.0.3"));
  ASSERT_TRUE(send_to(socket_in(server, 7003), "itself", "172.17.0.1", 8000));
  EXPECT_EQ(receive_from(socket), "itself 172.17.0.1");
  // One from outside is seen as who it is.
  ASSERT_TRUE(send_to(socket_in(stranger, 7004), "stranger", "172.17.0.1", 8000));
  EXPECT_EQ(receive_from(socket), cat("stranger ", address(stranger)));
}

class PublishedPortTest : public LocalNetworksTest, public ::testing::WithParamInterface<bool> {};

TEST_P(PublishedPortTest, AnswersComeBack) {
  if (!GetParam()) turn_off_bridge_filter();
  Attachment server = attach("server", "bridge", {{"udp", 5000, {}, 8000, 8000}});
  Attachment neighbour = attach("neighbour");
  make("other");
  Attachment stranger = attach("stranger", "other");
  Fd socket = socket_in(server, 5000);
  EXPECT_EQ(answer_by_port(datagram_socket("127.0.0.1", 7000), socket, "127.0.0.1"),
            "back 127.0.0.1");
  EXPECT_EQ(answer_by_port(datagram_socket("0.0.0.0", 7001), socket, "172.17.0.1"),
            "back 172.17.0.1");
  EXPECT_EQ(answer_by_port(socket_in(neighbour, 7002), socket, "172.17.0.1"), "back 172.17.0.1");
  EXPECT_EQ(answer_by_port(socket_in(server, 7003), socket, "172.17.0.1"), "back 172.17.0.1");
  EXPECT_EQ(answer_by_port(socket_in(stranger, 7004), socket, "172.17.0.1"), "back 172.17.0.1");
}

INSTANTIATE_TEST_SUITE_P(BridgeFilter, PublishedPortTest, ::testing::Bool());

TEST_F(LocalNetworksTest, NetworksAreApart) {
  make("other");
  Attachment one = attach("one");
  Attachment two = attach("two", "other");
  Attachment three = attach("three", "other");
  Fd socket = socket_in(two, 5000);
  // Had the first come through, it would be there first.
  ASSERT_TRUE(send_to(socket_in(one, 5000), "stranger", address(two), 5000));
  ASSERT_TRUE(send_to(socket_in(three, 5000), "friend", address(two), 5000));
  EXPECT_EQ(receive_from(socket), cat("friend ", address(three)));
}

TEST_F(LocalNetworksTest, AnInternalNetworkHasNoWayOut) {
  make("inner", true);
  Attachment one = attach("one", "inner");
  Attachment two = attach("two", "inner");
  Fd socket = socket_in(one, 5000);
  EXPECT_FALSE(send_to(socket, "x", "198.51.100.1", 5000));
  EXPECT_EQ(errno, ENETUNREACH);
  Fd other = socket_in(two, 5000);
  ASSERT_TRUE(send_to(socket, "x", address(two), 5000));
  EXPECT_EQ(receive_from(other), cat("x ", address(one)));
}

TEST_F(LocalNetworksTest, ADetachedContainerLeavesNothing) {
  Attachment one = attach("one", "bridge", {{"tcp", 80, {}, 8000, 8000}});
  std::string link = one.endpoints.front().outside;
  EXPECT_TRUE(has_link(link));
  networks_->detach("one");
  // Also while somebody else keeps the namespace.
  EXPECT_FALSE(has_link(link));
  EXPECT_THAT(networks_->endpoints_of_container("one"), IsEmpty());
  Attachment two = attach("two", "bridge", {{"tcp", 80, {}, 8000, 8000}});
  EXPECT_EQ(address(two), address(one));
}

// Whatever kind of network a run was in that nobody has taken away.
TEST_F(LocalNetworksTest, AFormerRunIsTakenAwayBeforeTheNext) {
  Fd folder = *open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(replace_file(folder, "plugin",
                           cat("#!/bin/sh\necho $CNI_COMMAND >>", folder_,
                               R"(/log
[ $CNI_COMMAND = DEL ] || echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}'
)"),
                           0755));
  ASSERT_TRUE(replace_file(
      folder, "plugged.conflist",
      R"({"cniVersion":"1.0.0","name":"plugged","plugins":[{"type":"plugin"}]})", 0600));
  options_.cni_plugins = {folder_};
  open();
  NewNetwork wanted;
  wanted.name = "plugged";
  wanted.driver = "cni";
  wanted.options["conflist"] = folder_ + "/plugged.conflist";
  auto made = networks_->create(wanted);
  ASSERT_TRUE(made.has_value()) << made.error().message();
  make("mine");
  std::string outside = attach("one", "mine").endpoints.front().outside;
  ASSERT_TRUE(has_link(outside));
  EXPECT_TRUE(attach("one", "plugged").endpoints.front().cni);
  EXPECT_FALSE(has_link(outside));
  EXPECT_THAT(networks_->endpoints_of_network(id_of("mine")), IsEmpty());
  attach("one", "plugged");
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(1));
  attach("one", "mine");
  EXPECT_THAT(networks_->endpoints_of_network(id_of("plugged")), IsEmpty());
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(1));
  EXPECT_EQ(*read_file(folder_ + "/log", 64), "ADD\nDEL\nADD\nDEL\n");
  networks_->detach("one");
  EXPECT_TRUE(networks_->remove("mine"));
  EXPECT_TRUE(networks_->remove("plugged"));
}

TEST_F(LocalNetworksTest, ATakenPortIsRefusedWithItsHolder) {
  Attachment one = attach("one", "bridge", {{"tcp", 80, {}, 8000, 8000}});
  auto second = try_attach("two", "bridge", {{"tcp", 81, *parse_ip4("127.0.0.1"), 8000, 8000}});
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(
      second.error().message(),
      HasSubstr("Bind for 127.0.0.1:8000 failed: port is already allocated: container one"));
  EXPECT_THAT(networks_->endpoints_of_container("two"), IsEmpty());
  // In a range the next one does; of another protocol it is another port.
  Attachment two =
      attach("two", "bridge", {{"tcp", 80, {}, 8000, 8003}, {"udp", 80, {}, 8000, 8000}});
  EXPECT_EQ(two.endpoints.front().ports[0].host_port, 8001);
  Attachment any = attach("any", "bridge", {{"tcp", 80, {}, 0, 0}});
  EXPECT_NE(any.endpoints.front().ports[0].host_port, 0);
}

TEST_F(LocalNetworksTest, AForeignPortIsRefusedWithItsHolder) {
  Fd other = datagram_socket("0.0.0.0", 8000);
  auto attached = try_attach("one", "bridge", {{"udp", 80, {}, 8000, 8000}});
  ASSERT_FALSE(attached.has_value());
  EXPECT_THAT(attached.error().message(),
              HasSubstr("failed to bind host port 0.0.0.0:8000/udp: address already in use"));
  EXPECT_THAT(attached.error().message(), HasSubstr(cat("process ", ::getpid(), " (")));
}

TEST_F(LocalNetworksTest, RowsAreSettledAfterADeath) {
  Attachment lives = attach("lives", "bridge", {{"udp", 5000, {}, 8000, 8000}});
  Attachment dies = attach("dies", "bridge", {{"udp", 5000, {}, 8001, 8001}});
  std::string link = dies.endpoints.front().outside;
  // As after a death: nobody has detached the second.
  open();
  networks_->settle({"lives"});
  EXPECT_FALSE(has_link(link));
  EXPECT_TRUE(has_link(lives.endpoints.front().outside));
  EXPECT_THAT(networks_->endpoints_of_container("lives"), SizeIs(1));
  EXPECT_THAT(networks_->endpoints_of_container("dies"), IsEmpty());
  Fd socket = socket_in(lives, 5000);
  ASSERT_TRUE(send_to(datagram_socket("127.0.0.1", 7000), "x", "127.0.0.1", 8000));
  EXPECT_EQ(receive_from(socket), "x 172.17.0.1");
  // The port is free again, and the other is still taken.
  EXPECT_TRUE(try_attach("new", "bridge", {{"udp", 5000, {}, 8001, 8001}}).has_value());
  EXPECT_FALSE(try_attach("newer", "bridge", {{"udp", 5000, {}, 8000, 8000}}).has_value());
}

TEST_F(LocalNetworksTest, AFirewallThatSomebodyFlushedIsMadeAgain) {
  Attachment server = attach("server", "bridge", {{"udp", 5000, {}, 8000, 8000}});
  nft::Batch batch("dhow");
  batch.remove_table();
  ASSERT_TRUE(batch.commit().has_value());
  Attachment other = attach("other", "bridge", {{"udp", 5000, {}, 8001, 8001}});
  Fd socket = socket_in(server, 5000);
  ASSERT_TRUE(send_to(datagram_socket("127.0.0.1", 7000), "x", "127.0.0.1", 8000));
  EXPECT_EQ(receive_from(socket), "x 172.17.0.1");
}

TEST_F(LocalNetworksTest, ContainersJoinAndLeaveAsTheyRun) {
  make("other");
  Attachment one = attach("one");
  Attachment two = attach("two", "other");
  auto joined = networks_->connect("one", "one", join("other"), {}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_EQ(joined->inside, "eth1");
  Fd socket = socket_in(two, 5000);
  ASSERT_TRUE(send_to(socket_in(one, 5000), "x", address(two), 5000));
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(2));
  ASSERT_TRUE(networks_->disconnect("one", id_of("other"), one.space).has_value());
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(1));
  EXPECT_FALSE(has_link(joined->outside));
}

TEST_F(LocalNetworksTest, NetworksAreRefusedInDockersWords) {
  auto fault = [&](NewNetwork wanted) {
    if (wanted.name.empty()) wanted.name = "x";
    auto made = networks_->create(wanted);
    return made ? std::string() : made.error().message();
  };
  NewNetwork wanted;
  wanted.name = "bridge";
  EXPECT_EQ(fault(wanted), "operation is not permitted on predefined bridge network");
  make("mine");
  wanted.name = "mine";
  EXPECT_EQ(fault(wanted), "network with name mine already exists");
  NewNetwork subnet;
  subnet.subnets = {{"172.17.3.0/24", "", "", {}}};
  EXPECT_EQ(fault(subnet),
            "invalid pool request: Pool overlaps with other one on this address space");
  subnet.subnets = {{"10.7.0.0/24", "", "10.8.0.1", {}}};
  EXPECT_EQ(fault(subnet), "invalid network config: no matching subnet for gateway 10.8.0.1");
  subnet.subnets = {{"10.7.0.0/24", "10.8.0.0/25", "", {}}};
  EXPECT_THAT(fault(subnet), HasSubstr("invalid ip-range 10.8.0.0/25"));
}

TEST_F(LocalNetworksTest, SubnetsOfARequestAreTakenAsTheyAre) {
  NewNetwork wanted;
  wanted.name = "mine";
  wanted.subnets = {{"10.7.0.0/24", "10.7.0.128/25", "10.7.0.9", {{"router", "10.7.0.129"}}}};
  ASSERT_TRUE(networks_->create(wanted).has_value());
  // The range begins with an address that is a host's, and goes on behind the auxiliary one.
  Attachment one = attach("one", "mine");
  EXPECT_EQ(address(one), "10.7.0.128");
  Attachment two = attach("two", "mine");
  EXPECT_EQ(address(two), "10.7.0.130");
}

TEST_F(LocalNetworksTest, ANetworkInUseStays) {
  make("mine");
  Attachment one = attach("one", "mine");
  auto removed = networks_->remove("mine");
  ASSERT_FALSE(removed.has_value());
  EXPECT_THAT(removed.error().message(), HasSubstr("has active endpoints (name:\"one\""));
  std::string bridge = networks_->find("mine")->bridge;
  EXPECT_TRUE(has_link(bridge));
  networks_->detach("one");
  EXPECT_TRUE(networks_->remove("mine").has_value());
  EXPECT_FALSE(has_link(bridge));
  EXPECT_FALSE(networks_->find("mine").has_value());
}

TEST_F(LocalNetworksTest, ThereAreMoreThanThirtyNetworks) {
  for (int i = 0; i < 100; ++i) make(cat("net", i));
  EXPECT_THAT(networks_->list(), SizeIs(103));
}

TEST_F(LocalNetworksTest, TheDefaultNetworkKeepsOffTheHostsRoutes) {
  Links links = Links::open().value();
  ASSERT_TRUE(links.make_bridge("foreign", *parse_mac("02:42:00:00:00:01"), 0).has_value());
  int index = links.find("foreign").value()->index;
  ASSERT_TRUE(
      links.add_addresses_and_set_up(index, {*parse_address4("172.17.0.1/16")}).has_value());
  Attachment one = attach("one");
  EXPECT_EQ(address(one), "172.18.0.2");
}

}  // namespace
}  // namespace dhow::network
