// SPDX-License-Identifier: Apache-2.0
// The bridges of networks, and what of the host has to be set for them.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "network/local_networks.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

FirewallBridge firewall_bridge(const NetworkRecord& record) {
  return {record.bridge, record.option("com.docker.network.bridge.enable_ip_masquerade", true),
          record.internal};
}

// Beside the state: forwarding is off again after the next boot as well.
std::string forwarding_mark(const NetworksOptions& options) {
  return options.state + "/forwarding-by-dhow";
}

}  // namespace

FirewallState LocalNetworks::truth() const {
  FirewallState state;
  state.guards_forwarding = open_at(kCwd, forwarding_mark(options_), O_RDONLY).has_value();
  std::lock_guard lock(mutex_);
  for (const auto& [id, network] : networks_) {
    if (network.is_made) state.bridges.push_back(firewall_bridge(network.record));
  }
  for (const auto& [container, wired] : wired_) {
    for (const Wired& one : wired) {
      if (one.is_leaving) continue;
      for (const PublishedPort& port : one.endpoint.ports) {
        state.ports.push_back({port.host, protocol_number(port.protocol), port.host_port,
                               one.endpoint.address, port.container_port});
      }
    }
  }
  return state;
}

// A host that has forwarded nothing so far begins to: the mark has the firewall let nothing through
// but what is a container's.
Status LocalNetworks::enable_forwarding() {
  TRY_ASSIGN(std::string now, read_file(kForwarding, 16));
  if (trim(now) == "1") return {};
  TRY(open_at(kCwd, forwarding_mark(options_), O_WRONLY | O_CREAT, 0600));
  TRY(firewall_.rebuild());
  TRY_CONTEXT(write_existing(kForwarding, "1"), "let the host forward what containers send");
  return {};
}

// The host may have got a route to the subnet since it was chosen.
Status LocalNetworks::rechoose(Links& links, NetworkRecord& record) {
  if (!record.chosen || !endpoints_of_network(record.id).empty()) return {};
  TRY_ASSIGN(std::vector<Subnet4> routes, links.routes());
  bool is_taken = std::ranges::any_of(
      routes, [&](const Subnet4& route) { return route.overlaps(record.subnet); });
  if (!is_taken) return {};
  std::vector<Subnet4> others;
  for (const NetworkRecord& other : list()) {
    if (other.id != record.id && other.has_addresses()) others.push_back(other.subnet);
  }
  std::vector<SubnetPool> pools = options_.pools.empty() ? default_pools() : options_.pools;
  TRY_ASSIGN(record.subnet, choose_subnet(pools, others));
  record.gateway = {record.subnet.base.value + 1};
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space).update(record);
  }));
  log::info(cat("network ", record.name, " has the subnet ", record.subnet.text(),
                ", as the host has a route to the former"));
  std::lock_guard lock(mutex_);
  add_memory(record);
  return {};
}

Status LocalNetworks::make_bridge(Links& links, NetworkRecord& record) {
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  if (!link) {
    TRY(rechoose(links, record));
    std::string mtu = record.text_option("com.docker.network.driver.mtu");
    TRY(links.make_bridge(record.bridge, parse_mac(mac_of(record.gateway)).value_or(""),
                          parse_number<std::uint32_t>(mtu).value_or(0)));
    TRY_ASSIGN(link, links.find(record.bridge));
    if (!link) return fail(Code::kUnavailable, cat("the bridge ", record.bridge, " went away"));
  } else if (link->kind != "bridge") {
    return fail(Code::kFailedPrecondition,
                cat("the interface ", record.bridge, " is there, and is no bridge"));
  }
  // A death may have come in between, so each is looked at by itself.
  std::string sysctl = cat("/proc/sys/net/ipv4/conf/", record.bridge, "/");
  TRY_CONTEXT(write_existing(sysctl + "route_localnet", "1"), cat("set up ", record.bridge));
  // A kernel without IPv6 has none of it.
  std::ignore =
      write_existing(cat("/proc/sys/net/ipv6/conf/", record.bridge, "/disable_ipv6"), "1");
  TRY_ASSIGN(std::vector<Address4> addresses, links.addresses(link->index));
  bool has_address = std::ranges::any_of(
      addresses, [&](const Address4& one) { return one.address == record.gateway; });
  if (!has_address) {
    TRY(links.add_address(link->index, {record.gateway, record.subnet.bits}));
  }
  if (!link->is_up) TRY(links.set_up(link->index));
  return {};
}

Result<int> LocalNetworks::ensure_bridge(Links& links, const std::string& network) {
  NetworkRecord record;
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
  if (is_made) {
    TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
    if (link) return link->index;
  }
  std::lock_guard one(bridge_mutex_);
  TRY_CONTEXT(make_bridge(links, record), cat("set up network ", record.name));
  {
    std::lock_guard lock(mutex_);
    networks_[network].is_made = true;
  }
  auto set = [&]() -> Status {
    if (!record.internal) TRY(enable_forwarding());
    return firewall_.add_bridge(firewall_bridge(record));
  }();
  if (!set) {
    std::lock_guard lock(mutex_);
    networks_[network].is_made = false;
    return fail(std::move(set).error().add_context(cat("set up network ", record.name)));
  }
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  if (!link) return fail(Code::kUnavailable, cat("the bridge ", record.bridge, " went away"));
  return link->index;
}

Status LocalNetworks::rest_firewall() {
  if (truth().guards_forwarding) return firewall_.rebuild();
  return firewall_.remove();
}

Status LocalNetworks::drop_bridge(const NetworkRecord& record) {
  std::lock_guard one(bridge_mutex_);
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
  if (is_last) return rest_firewall();
  return firewall_.remove_bridge(firewall_bridge(record));
}

}  // namespace dhow::network
