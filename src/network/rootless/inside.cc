// SPDX-License-Identifier: Apache-2.0
// The side of the containers: sockets that speak in the name of clients.
#include "network/rootless/inside.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <net/if.h>
#include <netinet/in.h>
#include <optional>

#include "base/strings.h"
#include "network/nft.h"
#include "network/socket_address.h"
#include "sys/netlink.h"

namespace dhow::network::rootless {
namespace {

// What marks an answer, and the table of routes that is asked for what is marked.
constexpr std::uint32_t kMark = 0x64686f77;
constexpr std::uint32_t kTable = 0x64686f77;

// All that is marked is for this host (RTN_LOCAL), whatever its address.
Status route_answers(NetlinkSocket& socket, unsigned char family) {
  NetlinkRequest route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  struct rtmsg header{};
  header.rtm_family = family;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_HOST;
  header.rtm_type = RTN_LOCAL;
  route.header(header);
  route.attribute_number(RTA_TABLE, kTable);
  route.attribute_number(RTA_OIF, ::if_nametoindex("lo"));
  TRY_CONTEXT(socket.execute(std::move(route)), "route answers to clients");
  NetlinkRequest rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  struct fib_rule_hdr rule_header{};
  rule_header.family = family;
  rule_header.action = FR_ACT_TO_TBL;
  rule.header(rule_header);
  rule.attribute_number(FRA_FWMARK, kMark);
  rule.attribute_number(FRA_TABLE, kTable);
  TRY_CONTEXT(socket.execute(std::move(rule)), "add a rule for the routes of answers");
  return {};
}

// The address that this host would speak to the other one from; none: there is no route.
std::optional<Ip> own_address_to(const Ip& other) {
  Fd probe(::socket(other.is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct sockaddr_storage address{};
  socklen_t size = write_socket_address(other, 9, address);
  auto* pointer = reinterpret_cast<struct sockaddr*>(&address);
  // Nothing is sent by that.
  if (!probe || ::connect(probe.get(), pointer, size) != 0) return std::nullopt;
  if (::getsockname(probe.get(), pointer, &size) != 0) return std::nullopt;
  return address_of(address);
}

bool can_be_spoken_for(const Ip& client, const Ip& target) {
  if (client.is_v6 != target.is_v6 || client.is_any()) return false;
  if (client.is_v6 ? client.v6.is_loopback() || client.v6.is_link_local()
                   : client.v4.is_loopback()) {
    return false;
  }
  // The container would take it for a neighbour, and its answers would not come this way.
  auto to_client = own_address_to(client);
  return !to_client || to_client != own_address_to(target);
}

void speak_for(const Fd& socket, const Peer& client) {
  int on = 1;
  bool allowed =
      client.address.is_v6
          ? ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0
          : ::setsockopt(socket.get(), IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
  if (!allowed) return;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_storage address{};
  // Its port may be in use here by another connection of ours; any will do then.
  for (std::uint16_t port : {client.port, std::uint16_t{0}}) {
    socklen_t size = write_socket_address(client.address, port, address);
    if (::bind(socket.get(), reinterpret_cast<struct sockaddr*>(&address), size) == 0) return;
  }
}

}  // namespace

Status take_in_answers() {
  nft::Batch batch("dhow-answers");
  constexpr std::int32_t kMangle = -150;  // the priority of nft(8)
  batch.add_table();
  batch.add_chain({"prerouting", "filter", nft::Hook::kPrerouting, kMangle});
  batch.add_rule(nft::Rule("prerouting").for_transparent_socket().set_mark(kMark));
  TRY_CONTEXT(batch.commit(), "mark answers to clients");
  TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
  TRY(route_answers(socket, AF_INET));
  // A kernel without IPv6 has no clients with it.
  auto six = route_answers(socket, AF_INET6);
  if (!six && six.error().sys_errno() != EAFNOSUPPORT && six.error().sys_errno() != EOPNOTSUPP) {
    return six;
  }
  return {};
}

Result<Fd> connect_inside(int type, const Peer& client, const Peer& target, bool as_client) {
  Fd socket(
      ::socket(target.address.is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, "make a socket");
  if (as_client && can_be_spoken_for(client.address, target.address)) speak_for(socket, client);
  struct sockaddr_storage address{};
  socklen_t size = write_socket_address(target.address, target.port, address);
  if (::connect(socket.get(), reinterpret_cast<struct sockaddr*>(&address), size) == 0 ||
      errno == EINPROGRESS) {
    return socket;
  }
  return fail_errno(errno, cat("connect to ", target.address.with_port(target.port)));
}

}  // namespace dhow::network::rootless
