// SPDX-License-Identifier: Apache-2.0
#include "network/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "sys/netlink.h"

namespace dhow::network {
namespace {

// CTA_FILTER_F_* of the kernel, which are in no header: what of a tuple a dump is to match (from
// Linux 5.8).
constexpr std::uint32_t kMatchSource = 1U << 0;
constexpr std::uint32_t kMatchProtocol = 1U << 3;
constexpr std::uint32_t kMatchSourcePort = 1U << 4;
constexpr std::uint32_t kMatchTargetPort = 1U << 5;

NetlinkRequest request_of(std::uint32_t type, bool is_v6) {
  NetlinkRequest request(static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), 0);
  struct nfgenmsg header{};
  header.nfgen_family = is_v6 ? AF_INET6 : AF_INET;
  header.version = NFNETLINK_V0;
  request.header(header);
  return request;
}

// Connections whose answers come from the port's target, or, when it comes, that are to the port
// of the host.
// The kernel compares addresses of IPv6 the wrong way round there (ctnetlink_filter_match_tuple),
// so the caller looks at those.
NetlinkRequest dump_request(const FirewallPort& port, bool come) {
  bool is_v6 = port.target.is_v6;
  NetlinkRequest request = request_of(IPCTNL_MSG_CT_GET, is_v6);
  std::size_t tuple = request.begin_nested(come ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY);
  if (!come && !is_v6) {
    std::size_t address = request.begin_nested(CTA_TUPLE_IP);
    request.attribute(CTA_IP_V4_SRC, port.target.bytes());
    request.end_nested(address);
  }
  std::size_t protocol = request.begin_nested(CTA_TUPLE_PROTO);
  char number = static_cast<char>(port.protocol);
  request.attribute(CTA_PROTO_NUM, {&number, 1});
  request.attribute(come ? CTA_PROTO_DST_PORT : CTA_PROTO_SRC_PORT,
                    port_bytes(come ? port.host_port : port.target_port));
  request.end_nested(protocol);
  request.end_nested(tuple);
  std::uint32_t of_reply = kMatchProtocol | kMatchSourcePort | (is_v6 ? 0 : kMatchSource);
  // The only one here of which the kernel wants to be told that it is nested.
  std::size_t filter = request.begin_nested(CTA_FILTER | NLA_F_NESTED);
  request.attribute_number(CTA_FILTER_ORIG_FLAGS, come ? kMatchProtocol | kMatchTargetPort : 0);
  request.attribute_number(CTA_FILTER_REPLY_FLAGS, come ? 0 : of_reply);
  request.end_nested(filter);
  return request;
}

std::string address_in(std::string_view tuple, bool is_v6, bool source) {
  auto addresses = find_netlink_attribute(tuple, CTA_TUPLE_IP);
  if (!addresses) return {};
  std::uint16_t type =
      is_v6 ? (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST) : (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST);
  return std::string(find_netlink_attribute(*addresses, type).value_or(""));
}

Status forget(NetlinkSocket& socket, const FirewallPort& port, bool come) {
  TRY_ASSIGN(std::vector<NetlinkMessage> found, socket.dump(dump_request(port, come)));
  for (const NetlinkMessage& message : found) {
    auto original = message.attribute(sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
    auto reply = message.attribute(sizeof(struct nfgenmsg), CTA_TUPLE_REPLY);
    auto id = message.attribute(sizeof(struct nfgenmsg), CTA_ID);
    if (!original || !reply || !id) continue;
    bool is_v6 = port.target.is_v6;
    // One that is redirected already, or is a container's own way out, is somebody else's.
    bool is_plain = address_in(*original, is_v6, false) == address_in(*reply, is_v6, true) &&
                    address_in(*original, is_v6, true) == address_in(*reply, is_v6, false);
    if (come && !is_plain) continue;
    if (!come && address_in(*reply, is_v6, true) != port.target.bytes()) continue;
    NetlinkRequest request = request_of(IPCTNL_MSG_CT_DELETE, is_v6);
    std::size_t tuple = request.begin_nested(CTA_TUPLE_ORIG);
    // As it came: attributes within.
    request.raw_attributes(*original);
    request.end_nested(tuple);
    request.attribute(CTA_ID, *id);
    auto removed = socket.execute(std::move(request));
    // It may have ended by itself.
    if (!removed && removed.error().sys_errno() != ENOENT) return removed;
  }
  return {};
}

}  // namespace

Status forget_connections(const std::vector<FirewallPort>& ports, bool come) {
  std::optional<NetlinkSocket> socket;
  for (const FirewallPort& port : ports) {
    if (port.protocol != IPPROTO_UDP || port.is_direct) continue;
    if (!socket) {
      TRY_ASSIGN(socket, NetlinkSocket::open(NETLINK_NETFILTER));
    }
    auto done = forget(*socket, port, come);
    if (done) continue;
    int why = done.error().sys_errno();
    if (why == EOPNOTSUPP || why == EINVAL || why == ENOENT) return {};
    return fail(std::move(done).error().add_context("forget connections of a published port"));
  }
  return {};
}

}  // namespace dhow::network
