// SPDX-License-Identifier: Apache-2.0
// Which of its networks a container's default routes and published ports lead to.
#include <algorithm>

#include "base/cleanup.h"
#include "base/strings.h"
#include "network/conntrack.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "network/sub_networks.h"

namespace dhow::network {
namespace {

const Endpoint* by_endpoint(const std::vector<Endpoint>& endpoints, const std::string& id) {
  auto found = std::ranges::find(endpoints, id, &Endpoint::id);
  return found == endpoints.end() ? nullptr : &*found;
}

// Behind an interface that is on one of the host there is nobody to redirect.
bool carries_ports(const Endpoint& endpoint) { return !endpoint.outside.empty(); }

bool is_routed(const NetworkRecord& record, bool is_v6) {
  return record.gateway_mode(is_v6) == GatewayMode::kRouted;
}

std::vector<FirewallPort> ports_of(const std::vector<Endpoint>& endpoints) {
  std::vector<FirewallPort> ports;
  for (const Endpoint& endpoint : endpoints) {
    std::ranges::move(firewall_ports(endpoint), std::back_inserter(ports));
  }
  return ports;
}

}  // namespace

// Of those with a way out the one with the highest priority, else the first in the order of names,
// as docker has it.
Status LocalNetworks::elect(std::vector<Endpoint>& endpoints) const {
  struct Best {
    Endpoint* endpoint = nullptr;
    std::string name;
  };
  Best four;
  Best six;
  auto consider = [](Best& best, Endpoint& endpoint, const std::string& name) {
    bool is_better = best.endpoint == nullptr || endpoint.priority > best.endpoint->priority ||
                     (endpoint.priority == best.endpoint->priority && name < best.name);
    if (is_better) best = {&endpoint, name};
  };
  for (Endpoint& endpoint : endpoints) {
    endpoint.is_gateway = endpoint.is_gateway6 = false;
    TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
    if (!leads_out(record)) continue;
    if (record.v4) consider(four, endpoint, record.name);
    if (record.v6) consider(six, endpoint, record.name);
  }
  if (four.endpoint != nullptr) four.endpoint->is_gateway = true;
  if (six.endpoint != nullptr) six.endpoint->is_gateway6 = true;
  return {};
}

std::vector<PublishedPort> LocalNetworks::deal(const std::vector<PublishedPort>& ports,
                                               std::vector<Endpoint>& endpoints) {
  std::vector<PublishedPort> rest;
  for (Endpoint& endpoint : endpoints) endpoint.ports.clear();
  for (const PublishedPort& port : ports) {
    auto place = std::ranges::find_if(endpoints, [&](const Endpoint& endpoint) {
      if (!carries_ports(endpoint)) return false;
      if (port.is_local()) return endpoint.is_gateway || endpoint.is_gateway6;
      return port.host.is_v6 ? endpoint.is_gateway6 : endpoint.is_gateway;
    });
    (place == endpoints.end() ? rest : place->ports).push_back(port);
  }
  return rest;
}

Status LocalNetworks::set_routes(const Endpoint& endpoint, int index, Links& there) const {
  if (!endpoint.is_gateway && !endpoint.is_gateway6) return {};
  TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
  // In layer 3 there is nobody to ask for an address of the link layer.
  if (record.driver == "ipvlan" && record.text_option("ipvlan_mode").starts_with("l3")) {
    if (endpoint.is_gateway) TRY(there.set_default_device(index, false));
    if (endpoint.is_gateway6) TRY(there.set_default_device(index, true));
    return {};
  }
  if (endpoint.is_gateway && record.v4) {
    TRY(there.set_default_route(index, record.v4->gateway));
  }
  if (endpoint.is_gateway6 && record.v6) {
    TRY(there.set_default_route(index, record.v6->gateway));
  }
  return {};
}

// The rows first, then the firewall, then the routes: after a death in between the rows say where
// the ports lead, and whoever goes on with the change comes here again for the routes.
Status LocalNetworks::move_gateways(const std::string& container, const std::string& leaving,
                                    const std::vector<PortWish>& ports, FdRef space) {
  const std::vector<Endpoint> before = endpoints_of_container(container);
  std::vector<Endpoint> after;
  std::vector<PublishedPort> published;
  for (const Endpoint& endpoint : before) {
    published.insert(published.end(), endpoint.ports.begin(), endpoint.ports.end());
    if (endpoint.network != leaving) after.push_back(endpoint);
  }
  TRY(elect(after));
  Cleanup give_back([&, had = published.size()] {
    std::lock_guard lock(mutex_);
    if (had == 0) ports_.give_back(container, published);
  });
  if (leaving.empty()) {
    for (Endpoint& endpoint : after) endpoint.is_half = false;
  }
  if (published.empty()) {
    TRY_ASSIGN(published, take_ports(container, ports, after));
  }
  TRY(fit_ports(container, published, after));
  // What no other network carries stays with the one that leaves, and goes with it.
  std::vector<PublishedPort> rest = deal(published, after);
  for (const Endpoint& endpoint : before) {
    if (endpoint.network != leaving) continue;
    Endpoint& last = after.emplace_back(endpoint);
    last.is_gateway = last.is_gateway6 = false;
    last.ports = rest;
  }
  TRY(database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    for (const Endpoint& endpoint : after) TRY(rows.update(endpoint));
    return {};
  }));
  give_back.dismiss();
  {
    std::lock_guard lock(mutex_);
    for (Wired& wired : wired_[container]) {
      if (const Endpoint* now = by_endpoint(after, wired.endpoint.id)) wired.endpoint = *now;
    }
  }
  TRY(carry_ports(before, after));
  std::optional<Links> there;
  TRY(run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(there, Links::open());
    return {};
  }));
  for (const Endpoint& endpoint : after) {
    if (endpoint.network == leaving || !(endpoint.is_gateway || endpoint.is_gateway6)) continue;
    TRY_ASSIGN(std::optional<LinkInfo> link, there->find(endpoint.inside));
    if (link) TRY(set_routes(endpoint, link->index, *there));
  }
  return {};
}

// A network may redirect them and the next one be routed.
Status LocalNetworks::fit_ports(const std::string& container, std::vector<PublishedPort>& ports,
                                const std::vector<Endpoint>& endpoints) {
  std::optional<bool> is_direct[2];
  for (const Endpoint& endpoint : endpoints) {
    if (!carries_ports(endpoint)) continue;
    TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
    if (endpoint.is_gateway) is_direct[0] = is_routed(record, false);
    if (endpoint.is_gateway6) is_direct[1] = is_routed(record, true);
  }
  std::lock_guard lock(mutex_);
  std::vector<PublishedPort> taken;
  Cleanup undo([&] { ports_.give_back(container, taken); });
  // Those first that may be taken by now.
  for (bool direct : {false, true}) {
    for (PublishedPort& port : ports) {
      bool is_other = port.is_local() || port.is_direct == direct;
      if (is_other || is_direct[port.host.is_v6 ? 1 : 0] != direct) continue;
      TRY(ports_.set_direct(container, port, direct));
      if (!direct) taken.push_back(port);
    }
  }
  undo.dismiss();
  return {};
}

Result<std::vector<PublishedPort>> LocalNetworks::take_ports(
    const std::string& container, const std::vector<PortWish>& wishes,
    const std::vector<Endpoint>& endpoints) {
  // The shims listen there, and the networks are elsewhere.
  if (options_.place && std::ranges::any_of(wishes, &PortWish::is_local)) {
    return fail(
        Code::kUnimplemented,
        "PortBindings: the host address ::1: an engine of an ordinary user does not publish "
        "ports there");
  }
  Families families{.v4 = false, .v6 = false, .has_shim = true};
  std::optional<Ip> host;
  std::string id;
  std::string name;
  for (const Endpoint& endpoint : endpoints) {
    if ((!endpoint.is_gateway && !endpoint.is_gateway6) || !carries_ports(endpoint)) continue;
    families.v4 = families.v4 || endpoint.is_gateway;
    families.v6 = families.v6 || endpoint.is_gateway6;
    TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
    if (endpoint.is_gateway) families.is_direct = is_routed(record, false);
    if (endpoint.is_gateway6) families.is_direct6 = is_routed(record, true);
    if (!id.empty()) continue;
    id = endpoint.id;
    name = endpoint.name;
    host = parse_ip(record.text_option("com.docker.network.bridge.host_binding_ipv4"));
  }
  // Without a way out there is nowhere to publish.
  if (wishes.empty() || id.empty()) return std::vector<PublishedPort>();
  std::vector<PortWish> all = wishes;
  // 0.0.0.0 is as good as nothing said: all addresses of both families.
  for (PortWish& wish : all) {
    if (!wish.host && host && !host->is_any()) wish.host = host;
  }
  std::lock_guard lock(mutex_);
  auto ports = ports_.take(container, all, families);
  if (ports) return ports;
  return fail(std::move(ports).error().add_context(
      cat("driver failed programming external connectivity on endpoint ", name, " (", id, ")")));
}

Status LocalNetworks::carry_ports(const std::vector<Endpoint>& before,
                                  const std::vector<Endpoint>& after) {
  std::vector<FirewallPort> from = ports_of(before);
  std::vector<FirewallPort> to = ports_of(after);
  if (from == to) return {};
  TRY_ASSIGN(Links here, Links::open());
  for (const Endpoint& endpoint : after) {
    const Endpoint* former = by_endpoint(before, endpoint.id);
    bool had = former != nullptr && !former->ports.empty();
    if (!endpoint.ports.empty() && !had) TRY(here.set_hairpin(endpoint.outside));
  }
  TRY(firewall_.move_ports(from, to));
  TRY(lead(to));
  return forget_connections(from, false);
}

}  // namespace dhow::network
