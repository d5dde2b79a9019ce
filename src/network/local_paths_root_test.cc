// SPDX-License-Identifier: Apache-2.0
// Every way to a published port, and what is left when nobody needs it any more.
#include <cstdio>
#include <memory>

#include "network/testing/world_fixture.h"

namespace dhow::network {
namespace {

using ::testing::Eq;
using ::testing::SizeIs;

struct Way {
  const char* protocol;
  bool is_six;
};

class PathsTest : public WorldTest, public ::testing::WithParamInterface<Way> {
 protected:
  void SetUp() override {
    WorldTest::SetUp();
    if (IsSkipped()) return;
    turn_off_bridge_filter();
    if (!socket_of(host())) GTEST_SKIP() << "no " << GetParam().protocol << " in this kernel";
    make_dual("mine");
    make_dual("other", {}, false, 1);
    // Forwarding and the guard of it stay until the next boot.
    attach("first", "mine");
    networks_->detach("first");
    ASSERT_TRUE(networks_->remove("mine").has_value());
    networks_->finish();
    before_ = state_of_host();
    make_dual("mine");
  }

  static bool is_six() { return GetParam().is_six; }
  static bool is_datagram() { return std::string_view(GetParam().protocol) == "udp"; }
  static const char* host() { return is_six() ? kHost6 : kHost; }
  static std::string address_of(const Attachment& one) {
    return is_six() ? address6(one) : address(one);
  }
  static PortWish wish(std::uint16_t first, std::uint16_t last, std::optional<Ip> at = {}) {
    return {GetParam().protocol, 5000, at, first, last};
  }
  // One of the protocol and the family; none where the kernel hasn't it.
  static Fd socket_of(std::string_view address) {
    SocketAddress name = socket_address(address, 0);
    Fd socket(::socket(name.bytes.ss_family,
                       (is_datagram() ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                       protocol_number(GetParam().protocol)));
    struct timeval limit{10, 0};
    for (int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      ::setsockopt(socket.get(), SOL_SOCKET, option, &limit, sizeof limit);
    }
    return socket;
  }
  static Fd server_in(const Attachment& one) {
    return made_in(one.space, [&] {
      Fd socket = socket_of(address_of(one));
      SocketAddress name = socket_address(address_of(one), 5000);
      EXPECT_EQ(::bind(socket.get(), name.get(), name.size), 0) << errno_text(errno);
      EXPECT_TRUE(is_datagram() || ::listen(socket.get(), 8) == 0);
      return socket;
    });
  }
  // Calls the address from the namespace (none: this host's), and has the server answer; whom it
  // has seen, or what went wrong.
  std::string seen_by(const Fd& server, const Fd* space, std::string_view address,
                      std::uint16_t port) {
    auto make = [&] { return socket_of(address); };
    Fd client = space != nullptr ? made_in(*space, make) : make();
    SocketAddress to = socket_address(address, port);
    if (::connect(client.get(), to.get(), to.size) != 0) return errno_text(errno);
    if (::send(client.get(), "hello", 5, MSG_NOSIGNAL) != 5) return errno_text(errno);
    SocketAddress from;
    char text[16] = "";
    Fd connection;
    if (!is_datagram()) {
      connection = Fd(::accept4(server.get(), from.get(), &from.size, SOCK_CLOEXEC));
      if (!connection || ::recv(connection.get(), text, sizeof text, 0) != 5) return "no call";
      if (::send(connection.get(), "back", 4, MSG_NOSIGNAL) != 4) return errno_text(errno);
    } else {
      ssize_t got = ::recvfrom(server.get(), text, sizeof text, 0, from.get(), &from.size);
      if (got != 5) return "no call";
      ::sendto(server.get(), "back", 4, 0, from.get(), from.size);
    }
    if (::recv(client.get(), text, sizeof text, 0) != 4) return "no answer";
    return text_of(from);
  }
  // Links, addresses, routes, tables of nf_tables and sysctls of the host.
  static std::string state_of_host() {
    constexpr const char* kAll =
        "ip -o link; ip -o address; ip route show table all; ip -6 route show table all; "
        "if command -v nft >/dev/null; then nft list ruleset; fi; "
        "grep -rs . /proc/sys/net | grep -v -e nf_conntrack_count -e hwsim";
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(kAll, "re"), ::pclose);
    std::string text;
    char part[4096];
    while (std::size_t got = std::fread(part, 1, sizeof part, pipe.get())) text.append(part, got);
    return text;
  }
  void expect_nothing_left() {
    for (const char* name : {"server", "second", "neighbour", "stranger"}) networks_->detach(name);
    for (const char* name : {"mine", "other"}) {
      EXPECT_TRUE(networks_->remove(name).has_value());
    }
    networks_->finish();
    EXPECT_THAT(state_of_host(), Eq(before_));
  }

  std::string before_;
};

TEST_P(PathsTest, EverybodyComesThroughAsWhoHeIs) {
  Attachment server = attach("server", "mine", {wish(8000, 8000)});
  Attachment neighbour = attach("neighbour", "mine");
  Attachment stranger = attach("stranger", "other");
  Fd socket = server_in(server);
  const std::string gateway = is_six() ? "fd00:7::1" : "10.7.0.1";
  EXPECT_EQ(seen_by(socket, &client_, host(), 8000), is_six() ? kClient6 : kClient);
  EXPECT_EQ(seen_by(socket, nullptr, host(), 8000), host());
  EXPECT_EQ(seen_by(socket, &stranger.space, host(), 8000), address_of(stranger));
  EXPECT_EQ(seen_by(socket, &neighbour.space, host(), 8000), gateway);
  EXPECT_EQ(seen_by(socket, &server.space, host(), 8000), gateway);
  if (!is_six()) {
    EXPECT_EQ(seen_by(socket, nullptr, "127.0.0.1", 8000), gateway);
  }
  expect_nothing_left();
}

TEST_P(PathsTest, PortsAreWhereTheyAreAskedFor) {
  const std::string outside = is_six() ? kClient6 : kClient;
  const std::string other_address = is_six() ? "2001:db8:2::7" : "192.0.2.7";
  shell(cat("ip address add ", other_address, is_six() ? "/64" : "/24", " dev up0"));
  // Of one address, of a range of which the first is taken, and any.
  Attachment server =
      attach("server", "mine", {wish(8100, 8100, parse_ip(host())), wish(8200, 8200)});
  Attachment second = attach("second", "mine", {wish(8200, 8203), wish(0, 0)});
  Fd socket = server_in(server);
  Fd other = server_in(second);
  EXPECT_EQ(seen_by(socket, &client_, host(), 8100), outside);
  if (!is_datagram()) {
    EXPECT_EQ(seen_by(socket, &client_, other_address, 8100), "connection refused");
  }
  EXPECT_EQ(seen_by(socket, &client_, other_address, 8200), outside);
  const std::vector<PublishedPort>& ports = second.endpoints.front().ports;
  // One for each family.
  ASSERT_THAT(ports, SizeIs(4));
  EXPECT_EQ(ports[0].host_port, 8201);
  EXPECT_EQ(seen_by(other, &client_, host(), 8201), outside);
  EXPECT_EQ(seen_by(other, &client_, host(), ports[2].host_port), outside);
  shell(cat("ip address del ", other_address, is_six() ? "/64" : "/24", " dev up0"));
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Ways, PathsTest,
                         ::testing::Values(Way{"tcp", false}, Way{"tcp", true}, Way{"udp", false},
                                           Way{"udp", true}, Way{"sctp", false}, Way{"sctp", true}),
                         [](const auto& way) {
                           return cat(way.param.protocol, way.param.is_six ? "6" : "4");
                         });

// Connections of UDP that the kernel remembers follow all of the ports, found by one look.
using RememberedPortsTest = WorldTest;
TEST_F(RememberedPortsTest, ClientsOfSeveralPortsFollowThem) {
  make_dual("mine");
  const std::vector<PortWish> wishes = {{"udp", 5000, {}, 8000, 8000},
                                        {"udp", 5001, {}, 8001, 8001}};
  const char* hosts[] = {kHost, kHost6};
  Fd clients[] = {socket_of_client(kClient, 7000), socket_of_client(kClient6, 7000)};
  auto expect_calls = [&](const Attachment& one) {
    for (std::size_t family : {0U, 1U}) {
      for (int i : {0, 1}) {
        Fd server = socket_in(one, family == 0 ? address(one) : address6(one),
                              static_cast<std::uint16_t>(5000 + i));
        auto port = static_cast<std::uint16_t>(8000 + i);
        ASSERT_TRUE(send_to(clients[family], "hello", hosts[family], port));
        SocketAddress from;
        EXPECT_EQ(receive(server, from), "hello") << hosts[family] << " " << port;
      }
    }
  };
  Attachment first = attach("first", "mine", wishes);
  expect_calls(first);
  networks_->detach("first");
  Attachment between = attach("between", "mine");
  Attachment second = attach("second", "mine", wishes);
  EXPECT_NE(address(second), address(first));
  expect_calls(second);
}

}  // namespace
}  // namespace dhow::network
