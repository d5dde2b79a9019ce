// SPDX-License-Identifier: Apache-2.0
// What each gateway mode lets through, from a client behind a router.
#include "network/testing/world_fixture.h"

namespace dhow::network {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint16_t kPort = 5000;    // published, at 8000
constexpr std::uint16_t kClosed = 5001;  // not

class GatewayModesTest : public WorldTest, public ::testing::WithParamInterface<bool> {
 protected:
  static bool is_six() { return GetParam(); }
  static std::string option() { return std::string(is_six() ? kGatewayMode6 : kGatewayMode); }
  static std::string address_of(const Attachment& one) {
    return is_six() ? address6(one) : address(one);
  }
  static const char* host() { return is_six() ? kHost6 : kHost; }
  static const char* client() { return is_six() ? kClient6 : kClient; }
  Attachment serve(const std::string& mode, const TextMap& more = {}) {
    TextMap options = more;
    if (!mode.empty()) options[option()] = mode;
    make_dual("mine", options);
    return attach("server", "mine", {{"udp", kPort, {}, 8000, 8000}});
  }
  Fd opened(const Attachment& one, std::uint16_t port) {
    return socket_in(one, address_of(one), port);
  }
  // Which of these come from the client to the socket: sent one after the other, so one that
  // doesn't come has been dropped when a later one comes. The last has to come.
  std::string arrivals(const Fd& socket, const std::vector<std::pair<std::string, int>>& targets) {
    Fd from = socket_of_client(client(), 7000);
    for (const auto& [address, port] : targets) {
      EXPECT_TRUE(send_to(from, cat(address, " ", port), address, static_cast<std::uint16_t>(port)))
          << errno_text(errno);
    }
    std::string all;
    std::string last = cat(targets.back().first, " ", targets.back().second);
    for (std::string one; one != last;) {
      SocketAddress source;
      one = receive(socket, source);
      if (one.empty()) return all + "nothing";
      EXPECT_EQ(text_of(source), client());
      all += (one == cat(host(), " 8000") ? "host;" : "direct;");
    }
    return all;
  }
  // The address that what the container sends has at the client.
  std::string leaves_as(const Attachment& one) {
    Fd at_client = socket_of_client(client(), 7001);
    EXPECT_TRUE(send_to(opened(one, 6000), "x", client(), 7001));
    return receive_from(at_client);
  }
};

TEST_P(GatewayModesTest, NatLeavesThePublishedPortAtTheHostAlone) {
  Attachment one = serve("");
  Fd socket = opened(one, kPort);
  EXPECT_EQ(arrivals(socket, {{address_of(one), kPort}, {host(), 8000}}), "host;");
  EXPECT_EQ(leaves_as(one), cat("x ", host()));
}

TEST_P(GatewayModesTest, TrustedInterfacesReachPublishedPorts) {
  Attachment one = serve("", {{std::string(kTrusted), "other0:up0"}});
  Fd closed = opened(one, kClosed);
  Fd socket = opened(one, kPort);
  Fd from = socket_of_client(client(), 7002);
  ASSERT_TRUE(send_to(from, "closed", address_of(one), kClosed));
  EXPECT_EQ(arrivals(socket, {{address_of(one), kPort}, {host(), 8000}}), "direct;host;");
  char byte = 0;
  EXPECT_EQ(::recv(closed.get(), &byte, 1, MSG_DONTWAIT), -1);
}

TEST_P(GatewayModesTest, UnprotectedIsReachedAtAllPorts) {
  Attachment one = serve("nat-unprotected");
  Fd closed = opened(one, kClosed);
  EXPECT_EQ(arrivals(closed, {{address_of(one), kClosed}}), "direct;");
  Fd socket = opened(one, kPort);
  EXPECT_EQ(arrivals(socket, {{host(), 8000}}), "host;");
  EXPECT_EQ(leaves_as(one), cat("x ", host()));
  // But not from another network.
  make_dual("other", {}, false, 1);
  Attachment two = attach("two", "other");
  ASSERT_TRUE(send_to(opened(two, 6001), "stranger", address_of(one), kClosed));
  EXPECT_EQ(arrivals(closed, {{address_of(one), kClosed}}), "direct;");
}

TEST_P(GatewayModesTest, RoutedIsReachedAtItsOwnAddress) {
  Attachment one = serve("routed");
  ASSERT_THAT(one.endpoints.front().ports, SizeIs(2));
  EXPECT_TRUE(one.endpoints.front().ports[1].is_direct);
  Fd closed = opened(one, kClosed);
  Fd socket = opened(one, kPort);
  Fd from = socket_of_client(client(), 7002);
  ASSERT_TRUE(send_to(from, "closed", address_of(one), kClosed));
  EXPECT_EQ(arrivals(socket, {{host(), 8000}, {address_of(one), kPort}}), "direct;");
  char byte = 0;
  EXPECT_EQ(::recv(closed.get(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(leaves_as(one), cat("x ", address_of(one)));
  EXPECT_TRUE(pings(address_of(one)));
  // From another network too.
  make_dual("other", {}, false, 1);
  Attachment two = attach("two", "other");
  ASSERT_TRUE(send_to(opened(two, 6001), "stranger", address_of(one), kPort));
  EXPECT_EQ(receive_from(socket), cat("stranger ", address_of(two)));
  // Nothing of the host's is taken, in that family.
  EXPECT_TRUE(datagram_socket(host(), 8000));
  networks_->detach("server");
  EXPECT_TRUE(datagram_socket(is_six() ? kHost : kHost6, 8000));
}

TEST_P(GatewayModesTest, PortsChangeWithTheMode) {
  serve("routed");
  networks_->detach("server");
  Attachment one = attach("server", "mine", {{"udp", kPort, {}, 8000, 8000}});
  make_dual("plain", {}, false, 1);
  Join better = join("plain");
  better.priority = 1;
  auto joined = networks_->connect("server", "server", better, {}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  std::string there = is_six() ? joined->address6.text() : joined->address.text();
  Fd socket = socket_in(one, there, kPort);
  EXPECT_EQ(arrivals(socket, {{there, kPort}, {host(), 8000}}), "host;");
  ASSERT_TRUE(networks_->disconnect("server", id_of("plain"), one.space).has_value());
  Fd here = opened(one, kPort);
  EXPECT_EQ(arrivals(here, {{host(), 8000}, {address_of(one), kPort}}), "direct;");
  EXPECT_TRUE(datagram_socket(host(), 8000));
}

TEST_P(GatewayModesTest, RowsAreSettledAfterADeath) {
  Attachment one = serve("routed");
  open();
  networks_->settle({"server"});
  Fd socket = opened(one, kPort);
  EXPECT_EQ(arrivals(socket, {{host(), 8000}, {address_of(one), kPort}}), "direct;");
  EXPECT_EQ(networks_->endpoints_of_container("server"), one.endpoints);
}

INSTANTIATE_TEST_SUITE_P(Families, GatewayModesTest, ::testing::Bool());

using IsolatedTest = WorldTest;

TEST_F(IsolatedTest, TheHostIsNotThere) {
  make_dual("mine",
            {{std::string(kGatewayMode), "isolated"}, {std::string(kGatewayMode6), "isolated"}},
            true);
  Attachment one = attach("one", "mine");
  Attachment two = attach("two", "mine");
  Links links = Links::open().value();
  auto bridge = links.find(networks_->find("mine")->bridge);
  ASSERT_TRUE(bridge.has_value() && *bridge);
  auto addresses = links.addresses((*bridge)->index);
  ASSERT_TRUE(addresses.has_value());
  EXPECT_THAT(*addresses, IsEmpty());
  for (bool is_six : {false, true}) {
    std::string from = is_six ? address6(one) : address(one);
    std::string to = is_six ? address6(two) : address(two);
    Fd socket = socket_in(two, to, 5000);
    ASSERT_TRUE(send_to(socket_in(one, from, 5000), "x", to, 5000));
    EXPECT_THAT(receive_from(socket), Eq(cat("x ", from)));
  }
  // Nor by an address that it has elsewhere, to whom the container sends as to a neighbour.
  Fd host = datagram_socket("0.0.0.0", 6000);
  in(one.space, "ip route add 192.0.2.1 dev eth0");
  ASSERT_TRUE(send_to(socket_in(one, 6001), "stranger", kHost, 6000));
  ASSERT_TRUE(send_to(datagram_socket("127.0.0.1", 6002), "host", "127.0.0.1", 6000));
  EXPECT_EQ(receive_from(host), "host 127.0.0.1");
}

TEST_F(IsolatedTest, ModesThatCanNotBeAreTold) {
  auto fault = [&](const std::string& name, const std::string& value) {
    NewNetwork wanted;
    wanted.name = "x";
    wanted.options[name] = value;
    auto made = networks_->create(wanted);
    return made ? std::string() : made.error().message();
  };
  EXPECT_THAT(fault(std::string(kGatewayMode), "isolated"),
              HasSubstr("gateway mode 'isolated' can only be used for an internal network"));
  EXPECT_THAT(fault(std::string(kGatewayMode6), "other"), HasSubstr("unknown gateway mode other"));
  EXPECT_THAT(fault(std::string(kTrusted), "up0:a/b"),
              HasSubstr("\"a/b\": not the name of an interface"));
  EXPECT_THAT(fault("com.docker.network.bridge.enable_icc", "no"),
              HasSubstr("\"no\": neither true nor false"));
  EXPECT_FALSE(networks_->find("x").has_value());
}

}  // namespace
}  // namespace dhow::network
