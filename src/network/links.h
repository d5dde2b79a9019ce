// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "sys/fd.h"
#include "sys/netlink.h"

namespace dhow::network {

struct LinkInfo {
  int index = 0;
  bool is_up = false;
  std::string kind;  // "bridge", "veth"; "" for hardware
};

// A pair of interfaces that is to be made: one end in a bridge here, the other in a container.
struct VethPlan {
  std::string outside;  // its name here
  int bridge = 0;       // index of the bridge
  std::string inside;   // its name there, as "eth0"
  std::string mac;      // six bytes, of the inner end
  std::uint32_t mtu = 0;
  bool isolated = false;  // no frames to and from others that are isolated
  bool hairpin = false;   // frames may go back to where they are from
};

// An interface in a container that is on one of the host.
struct SubLinkPlan {
  std::string kind;  // "macvlan" or "ipvlan"
  int parent = 0;    // index
  std::string inside;
  std::string mac;  // six bytes; none with ipvlan
  std::uint32_t mtu = 0;
  std::uint32_t mode = 0;   // MACVLAN_MODE_*, IPVLAN_MODE_*
  std::uint32_t flags = 0;  // of ipvlan: IPVLAN_F_*
};

// How much may leave by an interface.
struct Shape {
  std::uint64_t rate = 0;   // bytes a second
  std::uint64_t burst = 0;  // bytes at once
};

// Interfaces, addresses and routes of one network namespace: that of the thread which opened it
// (rtnetlink(7)). Blocking; not thread safe. Failures name the interface and the kernel's reason.
class Links {
 public:
  static Result<Links> open();

  // None: there is no interface of that name.
  Result<std::optional<LinkInfo>> find(std::string_view name);
  // Of all interfaces.
  Result<std::vector<std::string>> names();
  // Makes a bridge that is down, with an address (six bytes) that stays as its ports come and go;
  // "": one of the kernel's.
  // kAlreadyExists: the name is taken.
  Status make_bridge(std::string_view name, std::string_view mac, std::uint32_t mtu);
  // Makes both ends with everything that can be said at once; both are down.
  Status make_veth(const VethPlan& plan, FdRef space);
  // One that is down. kUnimplemented when the kernel has no such kind.
  Status make_sublink(const SubLinkPlan& plan, FdRef space);
  // "vlan" of another interface, or "dummy": both up.
  Status make_vlan(std::string_view name, int parent, std::uint16_t id);
  Status make_dummy(std::string_view name);
  // One that is there stays. One of IPv6 can be used at once: nobody else is asked whether he has
  // it (RFC 4862, 5.4).
  Status add_address(int index, const Address& address);
  Status set_up(int index);
  // One where no neighbours are asked for: whatever leaves has its own address of the link.
  Status set_up_alone(int index);
  // A port of a bridge, which has no use for an address of its link and what that brings along:
  // routes and groups, through which the kernel looks when any interface goes. kUnavailable: it
  // went away.
  Status set_port_up(std::string_view name);
  // In one message: the addresses, and the interface up.
  Status add_addresses_and_set_up(int index, const std::vector<Address>& addresses);
  // In the place of the one that there is.
  Status set_default_route(int index, const Ip& gateway);
  // The same without a gateway: all are neighbours there.
  Status set_default_device(int index, bool is_v6);
  // What leaves by the interface passes a token bucket (tc-tbf(8)).
  Status shape(int index, const Shape& shape);
  // A BPF program says what becomes of what leaves by the interface (tc-bpf(8)), in the place of
  // an earlier one. It lives with the interface.
  Status give_outgoing_to(int index, FdRef program);
  // Frames may go back to where they are from, by this port of a bridge.
  Status set_hairpin(std::string_view name);
  // Nothing passes between it and the others of its bridge from then on. None is success.
  Status leave_bridge(std::string_view name);
  // None is success.
  Status remove(std::string_view name);
  // Where the routes of the main table lead, but for the default one.
  template <typename Net>
  Result<std::vector<Net>> routes();
  // The addresses of an interface.
  Result<std::vector<Address>> addresses(int index);

 private:
  explicit Links(NetlinkSocket socket) : socket_(std::move(socket)) {}

  // Targets and lengths of the routes of a family (AF_INET, AF_INET6).
  Result<std::vector<Address>> route_targets(int family);
  Status make_kind(NetlinkRequest request, std::string_view kind, std::string_view name);
  Status set_port(std::string_view name, bool isolated, bool hairpin);
  // That there is no such interface is success.
  Status execute_unless_gone(NetlinkRequest request, const std::string& what);

  NetlinkSocket socket_;
};

}  // namespace dhow::network
