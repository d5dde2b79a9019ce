// SPDX-License-Identifier: Apache-2.0
#include "network/links.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <net/if.h>

#include "base/strings.h"
#include "network/socket_address.h"

namespace dhow::network {
namespace {

NetlinkRequest link_request(std::uint16_t type, unsigned flags, int index, unsigned set_flags) {
  NetlinkRequest request(type, static_cast<std::uint16_t>(flags));
  struct ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = set_flags;
  header.ifi_change = set_flags;
  request.header(header);
  return request;
}

NetlinkRequest address_request(int index, const Address& address) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  struct ifaddrmsg header{};
  header.ifa_family = address.address.is_v6 ? AF_INET6 : AF_INET;
  header.ifa_prefixlen = static_cast<unsigned char>(address.bits);
  header.ifa_flags = address.address.is_v6 ? IFA_F_NODAD : 0;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  header.ifa_index = static_cast<unsigned>(index);
  request.header(header);
  request.attribute(IFA_LOCAL, address.address.bytes());
  request.attribute(IFA_ADDRESS, address.address.bytes());
  if (!address.address.is_v6 && address.bits < 31) {
    Address4 whole{address.address.v4, address.bits};
    request.attribute(IFA_BROADCAST, whole.subnet().last().bytes());
  }
  return request;
}

// Takes the place of the one that is there.
NetlinkRequest default_route(int index, bool is_v6, unsigned char scope) {
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  struct rtmsg header{};
  header.rtm_family = is_v6 ? AF_INET6 : AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = scope;
  header.rtm_type = RTN_UNICAST;
  request.header(header);
  request.attribute_number(RTA_OIF, static_cast<std::uint32_t>(index));
  return request;
}

// Four bytes or sixteen.
std::optional<Ip> read_address(std::string_view bytes) {
  if (bytes.size() == 16) return read_ip6(bytes.data());
  std::uint32_t four = 0;
  if (bytes.size() != sizeof four) return std::nullopt;
  std::memcpy(&four, bytes.data(), sizeof four);
  return Ip4{ntohl(four)};
}

}  // namespace

Result<Links> Links::open() {
  TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
  return Links(std::move(socket));
}

Result<std::optional<LinkInfo>> Links::find(std::string_view name) {
  NetlinkRequest request = link_request(RTM_GETLINK, 0, 0, 0);
  request.attribute_text(IFLA_IFNAME, name);
  auto answer = socket_.request(std::move(request));
  if (!answer) {
    if (answer.error().sys_errno() == ENODEV) return std::optional<LinkInfo>();
    return fail(std::move(answer).error().add_context(cat("find interface ", quoted(name))));
  }
  for (const NetlinkMessage& message : *answer) {
    auto header = message.header<struct ifinfomsg>();
    if (message.type != RTM_NEWLINK || !header) continue;
    LinkInfo info;
    info.index = header->ifi_index;
    info.is_up = (header->ifi_flags & IFF_UP) != 0;
    if (auto nested = message.attribute(sizeof *header, IFLA_LINKINFO)) {
      if (auto kind = find_netlink_attribute(*nested, IFLA_INFO_KIND)) {
        info.kind = kind->substr(0, kind->find('\0'));
      }
    }
    return std::optional(std::move(info));
  }
  return std::optional<LinkInfo>();
}

Result<std::vector<std::string>> Links::names() {
  TRY_ASSIGN(std::vector<NetlinkMessage> answer, socket_.dump(link_request(RTM_GETLINK, 0, 0, 0)));
  std::vector<std::string> result;
  for (const NetlinkMessage& message : answer) {
    auto name = message.attribute(sizeof(struct ifinfomsg), IFLA_IFNAME);
    if (message.type == RTM_NEWLINK && name) result.emplace_back(name->substr(0, name->find('\0')));
  }
  return result;
}

Status Links::make_bridge(std::string_view name, std::string_view mac, std::uint32_t mtu) {
  NetlinkRequest request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
  request.attribute_text(IFLA_IFNAME, name);
  if (!mac.empty()) request.attribute(IFLA_ADDRESS, mac);
  if (mtu != 0) request.attribute_number(IFLA_MTU, mtu);
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute_text(IFLA_INFO_KIND, "bridge");
  request.end_nested(info);
  TRY_CONTEXT(socket_.execute(std::move(request)), cat("make the bridge ", quoted(name)));
  return {};
}

Status Links::make_veth(const VethPlan& plan, FdRef space) {
  NetlinkRequest request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
  request.attribute_text(IFLA_IFNAME, plan.outside);
  request.attribute_number(IFLA_MASTER, static_cast<std::uint32_t>(plan.bridge));
  if (plan.mtu != 0) request.attribute_number(IFLA_MTU, plan.mtu);
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute_text(IFLA_INFO_KIND, "veth");
  std::size_t data = request.begin_nested(IFLA_INFO_DATA);
  std::size_t peer = request.begin_nested(VETH_INFO_PEER);
  request.header(ifinfomsg{});
  request.attribute_text(IFLA_IFNAME, plan.inside);
  request.attribute(IFLA_ADDRESS, plan.mac);
  if (plan.mtu != 0) request.attribute_number(IFLA_MTU, plan.mtu);
  request.attribute_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
  request.end_nested(peer);
  request.end_nested(data);
  request.end_nested(info);
  TRY_CONTEXT(socket_.execute(std::move(request)),
              cat("make the interfaces ", quoted(plan.outside), " and ", quoted(plan.inside)));
  if (!plan.isolated && !plan.hairpin) return {};
  return set_port(plan.outside, plan.isolated, plan.hairpin);
}

Status Links::make_kind(NetlinkRequest request, std::string_view kind, std::string_view name) {
  auto made = socket_.execute(std::move(request));
  if (made) return {};
  int why = made.error().sys_errno();
  // ENOTSUPP of the kernel's own, where there is no such kind (and no module of it).
  constexpr int kNotSupported = 524;
  if (why == EOPNOTSUPP || why == kNotSupported) {
    return fail(Code::kUnimplemented, cat("this kernel has no interfaces of the kind ", kind));
  }
  return fail(std::move(made).error().add_context(cat("make the interface ", quoted(name))));
}

Status Links::make_sublink(const SubLinkPlan& plan, FdRef space) {
  NetlinkRequest request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
  request.attribute_text(IFLA_IFNAME, plan.inside);
  request.attribute_number(IFLA_LINK, static_cast<std::uint32_t>(plan.parent));
  request.attribute_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
  if (!plan.mac.empty()) request.attribute(IFLA_ADDRESS, plan.mac);
  if (plan.mtu != 0) request.attribute_number(IFLA_MTU, plan.mtu);
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute_text(IFLA_INFO_KIND, plan.kind);
  std::size_t data = request.begin_nested(IFLA_INFO_DATA);
  auto half = [&](std::uint16_t type, std::uint32_t value) {
    auto number = static_cast<std::uint16_t>(value);
    request.attribute(type, {reinterpret_cast<const char*>(&number), sizeof number});
  };
  if (plan.kind == "macvlan") {
    request.attribute_number(IFLA_MACVLAN_MODE, plan.mode);
  } else {
    half(IFLA_IPVLAN_MODE, plan.mode);
    half(IFLA_IPVLAN_FLAGS, plan.flags);
  }
  request.end_nested(data);
  request.end_nested(info);
  return make_kind(std::move(request), plan.kind, plan.inside);
}

Status Links::make_vlan(std::string_view name, int parent, std::uint16_t id) {
  NetlinkRequest request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP);
  request.attribute_text(IFLA_IFNAME, name);
  request.attribute_number(IFLA_LINK, static_cast<std::uint32_t>(parent));
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute_text(IFLA_INFO_KIND, "vlan");
  std::size_t data = request.begin_nested(IFLA_INFO_DATA);
  request.attribute(IFLA_VLAN_ID, {reinterpret_cast<const char*>(&id), sizeof id});
  request.end_nested(data);
  request.end_nested(info);
  return make_kind(std::move(request), "vlan", name);
}

Status Links::make_dummy(std::string_view name) {
  NetlinkRequest request = link_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP);
  request.attribute_text(IFLA_IFNAME, name);
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute_text(IFLA_INFO_KIND, "dummy");
  request.end_nested(info);
  return make_kind(std::move(request), "dummy", name);
}

Status Links::set_hairpin(std::string_view name) { return set_port(name, false, true); }

Status Links::set_port(std::string_view name, bool isolated, bool hairpin) {
  NetlinkRequest port = link_request(RTM_NEWLINK, 0, 0, 0);
  port.attribute_text(IFLA_IFNAME, name);
  std::size_t of_port = port.begin_nested(IFLA_LINKINFO);
  port.attribute_text(IFLA_INFO_SLAVE_KIND, "bridge");
  std::size_t slave = port.begin_nested(IFLA_INFO_SLAVE_DATA);
  constexpr char kOn = 1;
  if (isolated) port.attribute(IFLA_BRPORT_ISOLATED, {&kOn, 1});
  if (hairpin) port.attribute(IFLA_BRPORT_MODE, {&kOn, 1});
  port.end_nested(slave);
  port.end_nested(of_port);
  TRY_CONTEXT(socket_.execute(std::move(port)),
              cat("set up the port ", quoted(name), " of the bridge"));
  return {};
}

Status Links::add_address(int index, const Address& address) {
  TRY_CONTEXT(socket_.execute(address_request(index, address)),
              cat("add the address ", address.address.text()));
  return {};
}

Status Links::set_up(int index) {
  TRY_CONTEXT(socket_.execute(link_request(RTM_NEWLINK, 0, index, IFF_UP)),
              "bring an interface up");
  return {};
}

Status Links::set_up_alone(int index) {
  TRY_CONTEXT(socket_.execute(link_request(RTM_NEWLINK, 0, index, IFF_UP | IFF_NOARP)),
              "bring an interface up");
  return {};
}

Status Links::set_port_up(std::string_view name) {
  auto change = [&](unsigned flags) {
    NetlinkRequest request = link_request(RTM_NEWLINK, 0, 0, flags);
    request.attribute_text(IFLA_IFNAME, name);
    return request;
  };
  NetlinkRequest without_address = change(0);
  std::size_t families = without_address.begin_nested(IFLA_AF_SPEC);
  std::size_t six = without_address.begin_nested(AF_INET6);
  constexpr char kNone = IN6_ADDR_GEN_MODE_NONE;
  without_address.attribute(IFLA_INET6_ADDR_GEN_MODE, {&kNone, 1});
  without_address.end_nested(six);
  without_address.end_nested(families);
  std::vector<NetlinkRequest> requests;
  requests.push_back(std::move(without_address));
  requests.push_back(change(IFF_UP));
  Status status = socket_.transact(std::move(requests));
  // A kernel or an MTU without IPv6.
  if (!status && status.error().sys_errno() == EAFNOSUPPORT) {
    status = socket_.execute(change(IFF_UP));
  }
  if (!status && status.error().sys_errno() == ENODEV) {
    return fail(Code::kUnavailable, cat("the interface ", name, " went away"));
  }
  TRY_CONTEXT(std::move(status), cat("bring the interface ", name, " up"));
  return {};
}

Status Links::add_addresses_and_set_up(int index, const std::vector<Address>& addresses) {
  std::vector<NetlinkRequest> requests;
  std::vector<std::string> texts;
  for (const Address& address : addresses) {
    requests.push_back(address_request(index, address));
    texts.push_back(address.address.text());
  }
  requests.push_back(link_request(RTM_NEWLINK, 0, index, IFF_UP));
  TRY_CONTEXT(socket_.transact(std::move(requests)),
              cat("bring an interface up with the addresses ", join(texts, ", ")));
  return {};
}

Status Links::set_default_route(int index, const Ip& gateway) {
  NetlinkRequest request = default_route(index, gateway.is_v6, RT_SCOPE_UNIVERSE);
  request.attribute(RTA_GATEWAY, gateway.bytes());
  TRY_CONTEXT(socket_.execute(std::move(request)),
              cat("set the default route by ", gateway.text()));
  return {};
}

Status Links::set_default_device(int index, bool is_v6) {
  auto scope = is_v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  TRY_CONTEXT(socket_.execute(default_route(index, is_v6, scope)), "set the default route");
  return {};
}

Status Links::leave_bridge(std::string_view name) {
  NetlinkRequest request = link_request(RTM_NEWLINK, 0, 0, 0);
  request.attribute_text(IFLA_IFNAME, name);
  request.attribute_number(IFLA_MASTER, std::uint32_t{0});
  return execute_unless_gone(std::move(request), cat("take ", quoted(name), " out of its bridge"));
}

Status Links::remove(std::string_view name) {
  NetlinkRequest request = link_request(RTM_DELLINK, 0, 0, 0);
  request.attribute_text(IFLA_IFNAME, name);
  return execute_unless_gone(std::move(request), cat("remove interface ", quoted(name)));
}

Status Links::execute_unless_gone(NetlinkRequest request, const std::string& what) {
  auto done = socket_.execute(std::move(request));
  if (done || done.error().sys_errno() == ENODEV) return {};
  return fail(std::move(done).error().add_context(what));
}

Result<std::vector<Address>> Links::route_targets(int family) {
  NetlinkRequest request(RTM_GETROUTE, 0);
  struct rtmsg wanted{};
  wanted.rtm_family = static_cast<unsigned char>(family);
  request.header(wanted);
  TRY_ASSIGN(std::vector<NetlinkMessage> answer, socket_.dump(request));
  std::vector<Address> result;
  for (const NetlinkMessage& message : answer) {
    auto header = message.header<struct rtmsg>();
    if (message.type != RTM_NEWROUTE || !header || header->rtm_family != family) continue;
    if (header->rtm_table != RT_TABLE_MAIN || header->rtm_dst_len == 0) continue;
    auto target = message.attribute(sizeof *header, RTA_DST);
    auto address = target ? read_address(*target) : std::nullopt;
    if (address) result.emplace_back(*address, header->rtm_dst_len);
  }
  return result;
}

template <typename Net>
Result<std::vector<Net>> Links::routes() {
  constexpr bool kIsSix = std::is_same_v<Net, Subnet6>;
  TRY_ASSIGN(std::vector<Address> targets, route_targets(kIsSix ? AF_INET6 : AF_INET));
  std::vector<Net> result;
  for (const Address& target : targets) {
    if constexpr (kIsSix) {
      result.push_back({target.address.v6, target.bits});
    } else {
      result.push_back({target.address.v4, target.bits});
    }
  }
  return result;
}
template Result<std::vector<Subnet4>> Links::routes();
template Result<std::vector<Subnet6>> Links::routes();

Result<std::vector<Address>> Links::addresses(int index) {
  NetlinkRequest request(RTM_GETADDR, 0);
  request.header(ifaddrmsg{});
  TRY_ASSIGN(std::vector<NetlinkMessage> answer, socket_.dump(request));
  std::vector<Address> result;
  for (const NetlinkMessage& message : answer) {
    auto header = message.header<struct ifaddrmsg>();
    if (message.type != RTM_NEWADDR || !header) continue;
    if (header->ifa_index != static_cast<unsigned>(index)) continue;
    // IPv4 has both when there is a peer, IPv6 the latter alone.
    auto local = message.attribute(sizeof *header, IFA_LOCAL);
    if (!local) local = message.attribute(sizeof *header, IFA_ADDRESS);
    auto address = local ? read_address(*local) : std::nullopt;
    if (address) result.emplace_back(*address, header->ifa_prefixlen);
  }
  return result;
}

}  // namespace dhow::network
