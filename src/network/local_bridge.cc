// SPDX-License-Identifier: Apache-2.0
// The bridges of networks, and what of the host has to be set for them.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "network/host_firewall.h"
#include "network/local_networks.h"
#include "network/six.h"
#include "network/sub_networks.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

// What the kernel has of a family.
struct Forwarding {
  const char* sysctl;
  // Beside the state: forwarding is off again after the next boot as well.
  const char* mark;
};
constexpr Forwarding kForwarding4{"/proc/sys/net/ipv4/ip_forward", "/forwarding-by-dhow"};
constexpr Forwarding kForwarding6{"/proc/sys/net/ipv6/conf/all/forwarding", "/forwarding6-by-dhow"};
constexpr const char* kConfigurations6 = "/proc/sys/net/ipv6/conf";

FirewallBridge firewall_bridge(const NetworkRecord& record) {
  bool masquerade = record.option("com.docker.network.bridge.enable_ip_masquerade", true);
  GatewayMode mode = record.gateway_mode(false);
  GatewayMode mode6 = record.gateway_mode(true);
  return {record.bridge,
          masquerade && record.v4 && mode != GatewayMode::kRouted,
          masquerade && record.v6 && mode6 != GatewayMode::kRouted,
          record.internal,
          parse_ip4(record.text_option("com.docker.network.host_ipv4")),
          parse_ip6(record.text_option("com.docker.network.host_ipv6")),
          mode,
          mode6,
          record.trusted_interfaces()};
}

bool has_mark(const NetworksOptions& options, const Forwarding& forwarding) {
  return open_at(kCwd, options.state + forwarding.mark, O_RDONLY).has_value();
}

// A host that forwards IPv6 no longer believes what routers tell, but where it is told to.
Status keep_learning_routes() {
  TRY_ASSIGN(Fd folder, open_at(kCwd, kConfigurations6, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  for (const std::string& name : names) {
    std::string path = cat(kConfigurations6, "/", name, "/accept_ra");
    constexpr std::size_t kShort = 16;
    auto now = read_file(path, kShort);
    if (name == "all" || !now || trim(*now) != "1") continue;
    // It may be gone by now.
    std::ignore = write_existing(path, "2");
  }
  return {};
}

// A bridge of a network without IPv6 has no address of it either.
Status set_up_six(const NetworkRecord& record) {
  if (!record.v6 || record.gateway_mode(true) == GatewayMode::kIsolated) {
    forbid_six(record.bridge);
    return {};
  }
  auto set = allow_six(record.bridge);
  if (set) return {};
  if (set.error().sys_errno() != ENOENT) return set;
  return fail(Code::kUnimplemented, "this kernel has no IPv6");
}

}  // namespace

FirewallState LocalNetworks::truth() const {
  FirewallState state;
  bool is_plugged = false;
  bool is_marked = has_mark(options_, kForwarding4);
  bool is_marked6 = has_mark(options_, kForwarding6);
  std::lock_guard lock(mutex_);
  for (const auto& [id, network] : networks_) {
    if (network.is_made) state.bridges.push_back(firewall_bridge(network.record));
  }
  for (const auto& [container, wired] : wired_) {
    for (const Wired& one : wired) {
      is_plugged = is_plugged || one.endpoint.cni;
      if (one.is_leaving) continue;
      std::ranges::move(firewall_ports(one.endpoint), std::back_inserter(state.ports));
    }
  }
  state.is_judged =
      !options_.gate.empty() && !options_.opens_host_firewall && !state.bridges.empty();
  // What plugins have connected is not known to us, so it cannot be let through alone.
  state.guards_forwarding = !is_plugged && is_marked;
  state.guards_forwarding6 = !is_plugged && is_marked6;
  return state;
}

// Plugins have connected the first container, or taken away the last.
Status LocalNetworks::guard_forwarding() {
  if (!has_mark(options_, kForwarding4) && !has_mark(options_, kForwarding6)) return {};
  return firewall_.rebuild();
}

// A host that has forwarded nothing so far begins to: the mark has the firewall let nothing through
// but what is a container's.
Status LocalNetworks::enable_forwarding(bool is_v6) {
  const Forwarding& forwarding = is_v6 ? kForwarding6 : kForwarding4;
  TRY_ASSIGN(std::string now, read_file(forwarding.sysctl, 16));
  if (trim(now) == "1") return {};
  TRY(open_at(kCwd, options_.state + forwarding.mark, O_WRONLY | O_CREAT, 0600));
  TRY(firewall_.rebuild());
  if (is_v6) TRY_CONTEXT(keep_learning_routes(), "let the host go on learning routes of IPv6");
  TRY_CONTEXT(write_existing(forwarding.sysctl, "1"), "let the host forward what containers send");
  return {};
}

// The host may have got a route to the subnet since it was chosen.
Status LocalNetworks::rechoose(Links& links, NetworkRecord& record) {
  if (!record.v4 || !record.v4->chosen || !endpoints_of_network(record.id).empty()) return {};
  TRY_ASSIGN(std::vector<Subnet4> routes, links.routes<Subnet4>());
  bool is_taken = std::ranges::any_of(
      routes, [&](const Subnet4& route) { return route.overlaps(record.v4->subnet); });
  if (!is_taken) return {};
  TRY_ASSIGN(record.v4->subnet,
             choose_subnet<Subnet4>(record.is_default() ? pools_of_default() : pools(), record.id));
  record.v4->gateway = record.v4->subnet.base.next();
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space).update(record);
  }));
  log::info(cat("network ", record.name, " has the subnet ", record.v4->subnet.text(),
                ", as the host has a route to the former"));
  std::lock_guard lock(mutex_);
  add_memory(record);
  return {};
}

Status LocalNetworks::make_bridge(Links& links, NetworkRecord& record) {
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  if (!link) {
    TRY(rechoose(links, record));
    std::string mac = record.v4 ? mac_of(record.v4->gateway) : mac_of(record.v6->gateway);
    TRY(links.make_bridge(record.bridge, parse_mac(mac).value_or(""), record.mtu()));
    TRY_ASSIGN(link, links.find(record.bridge));
    if (!link) return fail(Code::kUnavailable, cat("the bridge ", record.bridge, " went away"));
  } else if (link->kind != "bridge") {
    return fail(Code::kFailedPrecondition,
                cat("the interface ", record.bridge, " is there, and is no bridge"));
  }
  // A death may have come in between, so each is looked at by itself.
  std::string sysctl = cat("/proc/sys/net/ipv4/conf/", record.bridge, "/");
  TRY_CONTEXT(write_existing(sysctl + "route_localnet", "1"), cat("set up ", record.bridge));
  TRY_CONTEXT(set_up_six(record), cat("set up ", record.bridge));
  TRY_ASSIGN(std::vector<Address> addresses, links.addresses(link->index));
  std::vector<Address> wanted;
  bool is_inhibited = record.option("com.docker.network.bridge.inhibit_ipv4", false) ||
                      record.gateway_mode(false) == GatewayMode::kIsolated;
  bool is_inhibited6 = record.gateway_mode(true) == GatewayMode::kIsolated;
  if (record.v4 && !is_inhibited) {
    wanted.emplace_back(record.v4->gateway, record.v4->subnet.bits);
  }
  if (record.v6 && !is_inhibited6) {
    wanted.emplace_back(record.v6->gateway, record.v6->subnet.bits);
  }
  for (const Address& address : wanted) {
    bool is_there = std::ranges::any_of(
        addresses, [&](const Address& one) { return one.address == address.address; });
    if (!is_there) TRY(links.add_address(link->index, address));
  }
  if (!link->is_up) TRY(links.set_up(link->index));
  return {};
}

Result<int> LocalNetworks::ensure_device(Links& links, const std::string& network) {
  TRY_ASSIGN(NetworkRecord record, by_id(network));
  if (record.is_bridge()) return ensure_bridge(links, network);
  auto parent = ensure_parent(links, record);
  if (parent) return parent;
  return fail(std::move(parent).error().add_context(cat("set up network ", record.name)));
}

// Its record, and the interface if that has been made and is there.
Result<std::optional<int>> LocalNetworks::made_bridge(Links& links, const std::string& network,
                                                      NetworkRecord& record) {
  bool is_made = false;
  {
    std::lock_guard lock(mutex_);
    auto found = networks_.find(network);
    if (found == networks_.end()) {
      return fail(Code::kNotFound, cat("network ", network, " not found"));
    }
    record = found->second.record;
    is_made = found->second.is_made;
  }
  if (!is_made) return std::nullopt;
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  return link ? std::optional(link->index) : std::nullopt;
}

void LocalNetworks::set_made(const std::string& network, bool is_made) {
  std::lock_guard lock(mutex_);
  auto found = networks_.find(network);
  if (found != networks_.end()) found->second.is_made = is_made;
}

Result<int> LocalNetworks::ensure_bridge(Links& links, const std::string& network) {
  NetworkRecord record;
  TRY_ASSIGN(std::optional<int> made, made_bridge(links, network, record));
  if (made) return *made;
  std::lock_guard one(bridge_mutex_);
  // Whoever had the lock before may have made it, with another subnet than it had.
  TRY_ASSIGN(made, made_bridge(links, network, record));
  if (made) return *made;
  TRY_CONTEXT(make_bridge(links, record), cat("set up network ", record.name));
  set_made(network, true);
  auto set = [&]() -> Status {
    if (!record.internal && record.v4) TRY(enable_forwarding(false));
    if (!record.internal && record.v6) TRY(enable_forwarding(true));
    return firewall_.add_bridge(firewall_bridge(record));
  }();
  if (!set) {
    set_made(network, false);
    return fail(std::move(set).error().add_context(cat("set up network ", record.name)));
  }
  if (options_.opens_host_firewall) settle_host_firewall();
  // Once: it may take a while where there are many rules.
  if (made_bridges().size() == 1) {
    for (const std::string& warning : chain_warnings()) log::warning(warning);
  }
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  if (!link) return fail(Code::kUnavailable, cat("the bridge ", record.bridge, " went away"));
  return link->index;
}

std::vector<std::string> LocalNetworks::made_bridges() const {
  std::vector<std::string> bridges;
  std::lock_guard lock(mutex_);
  for (const auto& [id, network] : networks_) {
    if (network.is_made && network.record.is_bridge()) bridges.push_back(network.record.bridge);
  }
  return bridges;
}

void LocalNetworks::settle_host_firewall() const {
  std::vector<std::string> bridges;
  if (options_.opens_host_firewall) bridges = made_bridges();
  if (auto opened = open_chains(options_.table, bridges); !opened) {
    log::warning(cat("networks: ", opened.error().message()));
  }
}

std::vector<std::string> LocalNetworks::warnings() const {
  if (!options_.usable) return {};
  std::vector<std::string> result = chain_warnings();
  if (std::string told = firewall_.warning(); !told.empty()) {
    result.push_back(cat("WARNING: ", told));
  }
  return result;
}

std::vector<std::string> LocalNetworks::chain_warnings() const {
  std::vector<std::string> result;
  std::vector<std::string> bridges = made_bridges();
  if (bridges.empty()) bridges.push_back(options_.bridge);
  auto closed = closed_chains(options_.table, bridges);
  if (!closed) return result;
  for (const std::string& chain : *closed) {
    result.push_back(cat("WARNING: the host's firewall (", chain,
                         ") drops what is forwarded to and from containers: let ",
                         join(bridges, ", "),
                         " through there as incoming and as outgoing interface, or set "
                         "open-host-firewall in dhowd.toml"));
  }
  return result;
}

Status LocalNetworks::rest_firewall() {
  FirewallState state = truth();
  if (state.guards_forwarding || state.guards_forwarding6) return firewall_.rebuild();
  return firewall_.remove();
}

Status LocalNetworks::drop_bridge(const NetworkRecord& record) {
  std::lock_guard one(bridge_mutex_);
  if (!record.is_bridge()) {
    TRY_ASSIGN(Links links, Links::open());
    return drop_parent(links, record);
  }
  bool was_made = false;
  bool is_last = true;
  {
    std::lock_guard lock(mutex_);
    auto found = networks_.find(record.id);
    if (found == networks_.end()) return {};
    was_made = std::exchange(found->second.is_made, false);
    for (const auto& [id, network] : networks_) is_last = is_last && !network.is_made;
  }
  TRY_ASSIGN(Links links, Links::open());
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  // One of that name that is something else is none of ours.
  if (link && link->kind == "bridge") TRY(links.remove(record.bridge));
  if (!was_made) return {};
  if (options_.opens_host_firewall) settle_host_firewall();
  if (is_last) return rest_firewall();
  return firewall_.remove_bridge(firewall_bridge(record));
}

}  // namespace dhow::network
