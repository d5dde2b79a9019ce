// SPDX-License-Identifier: Apache-2.0
#include "network/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "network/nfnetlink.h"

namespace dhow::network {
namespace {

// CTA_FILTER_F_* of the kernel, which are in no header: what of a tuple a dump is to match (from
// Linux 5.8).
constexpr std::uint32_t kMatchSource = 1U << 0;
constexpr std::uint32_t kMatchProtocol = 1U << 3;
constexpr std::uint32_t kMatchSourcePort = 1U << 4;
constexpr std::uint32_t kMatchTargetPort = 1U << 5;

NetlinkRequest request_of(std::uint32_t type, bool is_v6) {
  return nfnetlink_request(NFNL_SUBSYS_CTNETLINK, type, 0, is_v6 ? kFamilyIpv6 : kFamilyIpv4);
}

// Connections whose answers come from the port's target, or, when it comes, that are to the port
// of the host; of several ports all of the protocol. The caller looks at each: the kernel compares
// addresses of IPv6 the wrong way round there (ctnetlink_filter_match_tuple).
NetlinkRequest dump_request(const FirewallPort& port, bool come, bool is_alone) {
  bool is_v6 = port.target.is_v6;
  bool has_address = is_alone && !come && !is_v6;
  NetlinkRequest request = request_of(IPCTNL_MSG_CT_GET, is_v6);
  std::size_t tuple = request.begin_nested(come ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY);
  if (has_address) {
    std::size_t address = request.begin_nested(CTA_TUPLE_IP);
    request.attribute(CTA_IP_V4_SRC, port.target.bytes());
    request.end_nested(address);
  }
  std::size_t protocol = request.begin_nested(CTA_TUPLE_PROTO);
  char number = static_cast<char>(port.protocol);
  request.attribute(CTA_PROTO_NUM, {&number, 1});
  if (is_alone) {
    request.attribute(come ? CTA_PROTO_DST_PORT : CTA_PROTO_SRC_PORT,
                      port_bytes(come ? port.host_port : port.target_port));
  }
  request.end_nested(protocol);
  request.end_nested(tuple);
  std::uint32_t flags = kMatchProtocol;
  if (is_alone) flags |= come ? kMatchTargetPort : kMatchSourcePort;
  if (has_address) flags |= kMatchSource;
  // The only one here of which the kernel wants to be told that it is nested.
  std::size_t filter = request.begin_nested(CTA_FILTER | NLA_F_NESTED);
  request.attribute_number(CTA_FILTER_ORIG_FLAGS, come ? flags : 0);
  request.attribute_number(CTA_FILTER_REPLY_FLAGS, come ? 0 : flags);
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

std::string port_in(std::string_view tuple, std::uint16_t type) {
  std::string_view protocol = find_netlink_attribute(tuple, CTA_TUPLE_PROTO).value_or("");
  return std::string(find_netlink_attribute(protocol, type).value_or(""));
}

// Whether it leads to the port's target, or, when the port comes, to nobody but the host's port.
bool is_of(const FirewallPort& port, std::string_view original, std::string_view reply, bool come) {
  bool is_v6 = port.target.is_v6;
  if (!come) {
    return address_in(reply, is_v6, true) == port.target.bytes() &&
           port_in(reply, CTA_PROTO_SRC_PORT) == port_bytes(port.target_port);
  }
  // One that is redirected already, or is a container's own way out, is somebody else's.
  return address_in(original, is_v6, false) == address_in(reply, is_v6, true) &&
         address_in(original, is_v6, true) == address_in(reply, is_v6, false) &&
         port_in(original, CTA_PROTO_DST_PORT) == port_bytes(port.host_port);
}

// All are of one family. One dump serves them all.
Status forget(NetlinkSocket& socket, const std::vector<FirewallPort>& ports, bool come) {
  if (ports.empty()) return {};
  NetlinkRequest dump = dump_request(ports.front(), come, ports.size() == 1);
  TRY_ASSIGN(std::vector<NetlinkMessage> found, socket.dump(dump));
  for (const NetlinkMessage& message : found) {
    auto original = message.attribute(sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
    auto reply = message.attribute(sizeof(struct nfgenmsg), CTA_TUPLE_REPLY);
    auto id = message.attribute(sizeof(struct nfgenmsg), CTA_ID);
    if (!original || !reply || !id) continue;
    bool is_one = std::ranges::any_of(
        ports, [&](const FirewallPort& port) { return is_of(port, *original, *reply, come); });
    if (!is_one) continue;
    NetlinkRequest request = request_of(IPCTNL_MSG_CT_DELETE, ports.front().target.is_v6);
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
  std::vector<FirewallPort> of_family[2];
  for (const FirewallPort& port : ports) {
    if (port.protocol != IPPROTO_UDP || port.is_direct) continue;
    of_family[port.target.is_v6 ? 1 : 0].push_back(port);
  }
  if (of_family[0].empty() && of_family[1].empty()) return {};
  TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER));
  for (const std::vector<FirewallPort>& some : of_family) {
    auto done = forget(socket, some, come);
    if (done) continue;
    int why = done.error().sys_errno();
    if (why == EOPNOTSUPP || why == EINVAL || why == ENOENT) return {};
    return fail(std::move(done).error().add_context("forget connections of a published port"));
  }
  return {};
}

}  // namespace dhow::network
