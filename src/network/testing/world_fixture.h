// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdlib>

#include "network/testing/networks_fixture.h"

// A client behind a router, each in a namespace of its own, and the host that the test is on:
//
//     client 203.0.113.9 — 203.0.113.1 router 192.0.2.254 — 192.0.2.1 host
//     2001:db8:1::9 — ::1           2001:db8:2::fe — ::1
//
// The router sends what is to 10.7.0.0/16 and fd00:7::/48 to the host, so that containers can be
// called at their own addresses.
namespace dhow::network {

class WorldTest : public LocalNetworksTest {
 protected:
  static constexpr const char* kHost = "192.0.2.1";
  static constexpr const char* kHost6 = "2001:db8:2::1";
  static constexpr const char* kClient = "203.0.113.9";
  static constexpr const char* kClient6 = "2001:db8:1::9";

  void SetUp() override {
    LocalNetworksTest::SetUp();
    if (IsSkipped()) return;
    auto router = make_name_space([] { return bring_loopback_up(); });
    auto client = make_name_space([] { return bring_loopback_up(); });
    ASSERT_TRUE(router.has_value() && client.has_value());
    router_ = std::move(*router);
    client_ = std::move(*client);
    // Addresses of the link can be used at once: neighbours are asked for with them.
    const std::string trusting =
        "for at in all default; do "
        "echo 0 >/proc/sys/net/ipv6/conf/$at/accept_dad; done";
    shell(trusting);
    in(router_, trusting);
    in(client_, trusting + "; echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range");
    shell("ip link add up0 type veth peer name down0 netns " + path(router_));
    shell(
        "ip address add 192.0.2.1/24 dev up0; ip address add 2001:db8:2::1/64 dev up0; "
        "ip link set up0 up; ip route add default via 192.0.2.254; "
        "ip route add default via 2001:db8:2::fe dev up0");
    in(router_,
       cat("ip link add out0 type veth peer name eth0 netns ", path(client_), "; ",
           "ip address add 192.0.2.254/24 dev down0; ip address add 203.0.113.1/24 dev out0; "
           "ip address add 2001:db8:2::fe/64 dev down0; "
           "ip address add 2001:db8:1::1/64 dev out0; "
           "ip link set down0 up; ip link set out0 up; "
           "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; "
           "ip route add 10.7.0.0/16 via 192.0.2.1; ip route add fd00:7::/48 via 2001:db8:2::1"));
    in(client_,
       "ip address add 203.0.113.9/24 dev eth0; ip address add 2001:db8:1::9/64 dev eth0; "
       "ip link set eth0 up; ip route add default via 203.0.113.1; "
       "ip route add default via 2001:db8:1::1");
  }

  static std::string path(const Fd& space) {
    return cat("/proc/", ::getpid(), "/fd/", space.get());
  }
  static void shell(const std::string& text) {
    EXPECT_EQ(std::system(("set -e; " + text).c_str()), 0) << text;
  }
  static void in(const Fd& space, const std::string& text) {
    EXPECT_TRUE(run_in_name_space(space, [&]() -> Status {
                  shell(text);
                  return {};
                }).has_value());
  }
  template <typename Make>
  static Fd made_in(const Fd& space, Make make) {
    Fd made;
    EXPECT_TRUE(run_in_name_space(space, [&]() -> Status {
                  made = make();
                  return {};
                }).has_value());
    return made;
  }
  Fd socket_of_client(std::string_view address, std::uint16_t port) {
    return made_in(client_, [&] { return datagram_socket(address, port); });
  }

  // Whether the client gets an answer to a ping, within ten seconds.
  bool pings(std::string_view address) {
    SocketAddress to = socket_address(address, 0);
    bool is_six = to.bytes.ss_family == AF_INET6;
    Fd socket = made_in(client_, [&] {
      return Fd(::socket(to.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC,
                         is_six ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP}));
    });
    char request[8] = {static_cast<char>(is_six ? 128 : 8)};  // an echo request
    EXPECT_EQ(::sendto(socket.get(), request, sizeof request, 0, to.get(), to.size), 8);
    SocketAddress from;
    return !receive(socket, from).empty();
  }

  // A network of both families with a mode for each.
  void make_dual(const std::string& name, const TextMap& options = {}, bool internal = false,
                 int number = 0) {
    NewNetwork wanted;
    wanted.name = name;
    wanted.ipv6 = true;
    wanted.internal = internal;
    wanted.options = options;
    wanted.subnets = {{cat("10.7.", number, ".0/24"), "", "", {}},
                      {cat("fd00:7:0:", number, "::/64"), "", "", {}}};
    auto made = networks_->create(wanted);
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }

  Fd router_;
  Fd client_;
};

}  // namespace dhow::network
