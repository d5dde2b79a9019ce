// SPDX-License-Identifier: Apache-2.0
// Networks on the kernel that is there, in a network namespace of each test's own.
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct sockaddr_in socket_address(std::string_view address, std::uint16_t port) {
  struct sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(parse_ip4(address)->value);
  return out;
}

// A UDP socket of the calling thread's namespace.
Fd datagram_socket(std::string_view address, std::uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  auto name = socket_address(address, port);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0)
      << address << ": " << errno_text(errno);
  return socket;
}

bool send_to(const Fd& socket, std::string_view text, std::string_view address,
             std::uint16_t port) {
  auto to = socket_address(address, port);
  return ::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to),
                  sizeof to) == static_cast<ssize_t>(text.size());
}

// The next datagram, with where it is from: "text 10.0.0.1:80"; "" for none after a long time.
std::string receive_from(const Fd& socket) {
  struct timeval limit{10, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char text[256];
  struct sockaddr_in from{};
  socklen_t size = sizeof from;
  ssize_t got =
      ::recvfrom(socket.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (got < 0) return {};
  return cat(std::string_view(text, static_cast<std::size_t>(got)), " ",
             Ip4{ntohl(from.sin_addr.s_addr)}.text());
}

class LocalNetworksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_TRUE(bring_loopback_up().has_value());
    std::string pattern = "/tmp/dhow-networks.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto database = metadata::Database::open(folder_ + "/dhow.db");
    ASSERT_TRUE(database.has_value());
    database_ = std::move(*database);
    open();
  }
  void TearDown() override {
    networks_.reset();
    database_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void open() {
    networks_.reset();
    NetworksOptions options;
    options.state = folder_;
    options.bridge = "dhow0";
    options.table = "dhow";
    auto networks = LocalNetworks::open(options, *database_);
    ASSERT_TRUE(networks.has_value()) << networks.error().message();
    networks_ = std::move(*networks);
  }
  std::string id_of(std::string_view name) { return networks_->find(name)->id; }
  std::string make(const std::string& name, bool internal = false) {
    NewNetwork wanted;
    wanted.name = name;
    wanted.internal = internal;
    auto made = networks_->create(wanted);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? made->id : std::string();
  }
  Result<Attachment> try_attach(const std::string& container, const std::string& network,
                                std::vector<PortWish> ports = {}) {
    AttachRequest request;
    request.container = container;
    request.name = container;
    request.joins.push_back({id_of(network), {}, {}, {}, 0});
    request.ports = std::move(ports);
    return networks_->attach(request);
  }
  Attachment attach(const std::string& container, const std::string& network = "bridge",
                    std::vector<PortWish> ports = {}) {
    auto attached = try_attach(container, network, std::move(ports));
    EXPECT_TRUE(attached.has_value()) << attached.error().message();
    Attachment none;
    none.endpoints.emplace_back();
    return attached ? std::move(*attached) : std::move(none);
  }
  Fd socket_in(const Attachment& attachment, std::uint16_t port) {
    Fd socket;
    auto status = run_in_name_space(attachment.space, [&]() -> Status {
      socket = datagram_socket(attachment.endpoints.front().address.text(), port);
      return {};
    });
    EXPECT_TRUE(status.has_value());
    return socket;
  }
  static std::string address(const Attachment& attachment) {
    return attachment.endpoints.front().address.text();
  }
  // Bridged frames are then not seen as packets, whatever the machine has set.
  static void turn_off_bridge_filter() {
    std::ignore = write_existing("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
  }
  bool has_link(const std::string& name) {
    networks_->finish();
    return Links::open()->find(name)->has_value();
  }

  std::string folder_;
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<LocalNetworks> networks_;
};

TEST_F(LocalNetworksTest, NothingIsMadeBeforeItIsNeeded) {
  make("mine");
  EXPECT_FALSE(has_link("dhow0"));
  EXPECT_THAT(networks_->list(), SizeIs(4));
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

// Sends by the published port, and has the server answer to where that came from.
std::string answer_by_port(const Fd& client, const Fd& server, std::string_view address) {
  EXPECT_TRUE(send_to(client, "hello", address, 8000));
  struct timeval limit{10, 0};
  ::setsockopt(server.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  struct sockaddr_in from{};
  socklen_t size = sizeof from;
  char text[16];
  EXPECT_EQ(
      ::recvfrom(server.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size), 5);
  EXPECT_EQ(::sendto(server.get(), "back", 4, 0, reinterpret_cast<sockaddr*>(&from), size), 4);
  return receive_from(client);
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
  auto joined = networks_->connect("one", "one", {id_of("other"), {}, {}, {}, 0}, one.space);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  EXPECT_EQ(joined->inside, "eth1");
  Fd socket = socket_in(two, 5000);
  ASSERT_TRUE(send_to(socket_in(one, 5000), "x", address(two), 5000));
  EXPECT_THAT(networks_->endpoints_of_container("one"), SizeIs(2));
  ASSERT_TRUE(networks_->disconnect("one", id_of("other")).has_value());
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
  ASSERT_TRUE(links.add_address_and_set_up(index, *parse_address4("172.17.0.1/16")).has_value());
  Attachment one = attach("one");
  EXPECT_EQ(address(one), "172.18.0.2");
}

}  // namespace
}  // namespace dhow::network
