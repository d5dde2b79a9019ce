// SPDX-License-Identifier: Apache-2.0
// Containers in networks.
#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "sys/file_io.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

// What docker sets for containers: ports below 1024 and ping for everybody inside. The network has
// no IPv6, so interfaces get no addresses of it either.
Status set_up_name_space() {
  TRY(bring_loopback_up());
  TRY(write_existing("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
  TRY(write_existing("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
  auto status = write_existing("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  if (!status && status.error().sys_errno() != ENOENT) return status;
  return {};
}

// Sets up the namespace that is given, or a new one, which is the result; `there` speaks with it.
Result<Fd> open_name_space(FdRef given, std::optional<Links>& there) {
  auto set_up = [&]() -> Status {
    TRY(set_up_name_space());
    TRY_ASSIGN(there, Links::open());
    return {};
  };
  if (given.get() < 0) return make_name_space(set_up);
  TRY(run_in_name_space(given, set_up));
  return Fd();
}

std::vector<FirewallPort> firewall_ports(const Endpoint& endpoint) {
  std::vector<FirewallPort> ports;
  for (const PublishedPort& port : endpoint.ports) {
    ports.push_back({port.host, protocol_number(port.protocol), port.host_port, endpoint.address,
                     port.container_port});
  }
  return ports;
}

}  // namespace

// Takes an address for it. Nothing is written down yet.
Result<Endpoint> LocalNetworks::plan(const std::string& container, const std::string& name,
                                     const Join& wanted, std::size_t number) {
  Endpoint endpoint;
  TRY_ASSIGN(std::string half, random_name());
  TRY_ASSIGN(std::string other_half, random_name());
  endpoint.id = half + other_half;
  endpoint.container = container;
  endpoint.name = name;
  endpoint.outside = cat("veth", endpoint.id.substr(0, 7));
  std::lock_guard lock(mutex_);
  auto found = networks_.find(wanted.network);
  if (found == networks_.end()) {
    return fail(Code::kNotFound, cat("network ", wanted.network, " not found"));
  }
  Network& network = found->second;
  endpoint.network = wanted.network;
  std::string prefix = network.record.text_option("com.docker.network.container_iface_prefix");
  endpoint.inside =
      !wanted.inside.empty() ? wanted.inside : cat(prefix.empty() ? "eth" : prefix, number);
  if (wanted.address) {
    if (!network.record.subnet.contains(*wanted.address)) {
      return fail(Code::kInvalidArgument,
                  cat("invalid endpoint settings: no configured subnet contains IP address ",
                      wanted.address->text()));
    }
    if (!network.pool.take(*wanted.address)) {
      return fail(Code::kPermissionDenied, cat("Address already in use: ", wanted.address->text()));
    }
    endpoint.address = *wanted.address;
  } else {
    auto address = network.pool.take();
    if (!address) {
      return fail(Code::kResourceExhausted,
                  cat("no available IPv4 addresses on this network's address pools: ",
                      network.record.name, " (", network.record.id, ")"));
    }
    endpoint.address = *address;
  }
  endpoint.mac = wanted.mac.empty() ? mac_of(endpoint.address) : lower_text(wanted.mac);
  return endpoint;
}

Status LocalNetworks::add_rows(const std::vector<Endpoint>& endpoints) {
  TRY(database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    for (const Endpoint& endpoint : endpoints) TRY(rows.insert(endpoint));
    return {};
  }));
  return {};
}

// Both ends of an endpoint's pair, and what is behind the inner one.
Status LocalNetworks::wire(const Endpoint& endpoint, FdRef space, Links& here, Links& there) {
  TRY_ASSIGN(int bridge, ensure_bridge(here, endpoint.network));
  TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
  VethPlan plan;
  plan.outside = endpoint.outside;
  plan.bridge = bridge;
  plan.inside = endpoint.inside;
  auto mac = parse_mac(endpoint.mac);
  if (!mac) return fail(Code::kInvalidArgument, cat("invalid MAC address: ", endpoint.mac));
  plan.mac = *mac;
  std::string mtu = record.text_option("com.docker.network.driver.mtu");
  plan.mtu = parse_number<std::uint32_t>(mtu).value_or(0);
  plan.isolated = !record.option("com.docker.network.bridge.enable_icc", true);
  // It may call itself by its published port, which br_netfilter has the bridge do.
  plan.hairpin = !endpoint.ports.empty();
  TRY(here.make_veth(plan, space));
  TRY_ASSIGN(std::optional<LinkInfo> link, there.find(endpoint.inside));
  if (!link) return fail(Code::kUnavailable, cat("the interface ", endpoint.inside, " went away"));
  TRY(there.add_address_and_set_up(link->index, {endpoint.address, record.subnet.bits}));
  if (endpoint.is_gateway && !record.internal) {
    TRY(there.add_default_route(link->index, record.gateway));
  }
  // Last: for settle(), an end that is up says that all is done.
  TRY_ASSIGN(std::optional<LinkInfo> outer, here.find(endpoint.outside));
  if (!outer)
    return fail(Code::kUnavailable, cat("the interface ", endpoint.outside, " went away"));
  return here.set_up(outer->index);
}

Status LocalNetworks::publish(const Endpoint& endpoint) {
  if (endpoint.ports.empty()) return {};
  TRY_CONTEXT(firewall_.add_ports(firewall_ports(endpoint)),
              cat("driver failed programming external connectivity on endpoint ", endpoint.name,
                  " (", endpoint.id, ")"));
  return {};
}

// The network that the default route leads to: of those with a way out the one with the highest
// priority, else the first in the order of names, as docker has it.
Result<Attachment> LocalNetworks::attach(const AttachRequest& request) {
  Attachment result;
  Cleanup undo([&] {
    unwire(result.endpoints, Gone::kNow);
    std::lock_guard lock(mutex_);
    ports_.give_back(request.container);
  });
  // A former run is settled before the next one; this is for what could not be taken away then.
  detach(request.container);
  const Join* gateway = nullptr;
  std::size_t gateway_at = 0;
  std::string gateway_name;
  for (std::size_t i = 0; i < request.joins.size(); ++i) {
    const Join& join = request.joins[i];
    TRY_ASSIGN(NetworkRecord record, by_id(join.network));
    if (!record.internal && (gateway == nullptr || join.priority > gateway->priority ||
                             (join.priority == gateway->priority && record.name < gateway_name))) {
      gateway = &join;
      gateway_at = i;
      gateway_name = record.name;
    }
    // The default network's subnet may change with the making of its bridge.
    TRY_ASSIGN(Links links, Links::open());
    TRY(ensure_bridge(links, join.network));
    TRY_ASSIGN(Endpoint endpoint, plan(request.container, request.name, join, i));
    result.endpoints.push_back(std::move(endpoint));
  }
  if (gateway != nullptr) {
    Endpoint& endpoint = result.endpoints[gateway_at];
    endpoint.is_gateway = true;
    std::lock_guard lock(mutex_);
    auto ports = ports_.take(request.container, request.ports);
    if (!ports) {
      return fail(
          std::move(ports).error().add_context(cat("driver failed programming external "
                                                   "connectivity on endpoint ",
                                                   request.name, " (", endpoint.id, ")")));
    }
    endpoint.ports = std::move(*ports);
  }
  TRY(add_rows(result.endpoints));
  {
    std::lock_guard lock(mutex_);
    std::vector<Wired>& wired = wired_[request.container];
    for (const Endpoint& endpoint : result.endpoints) wired.push_back({endpoint, false});
  }
  std::optional<Links> there;
  TRY_ASSIGN(result.space, open_name_space(request.space, there));
  FdRef space = result.space ? FdRef(result.space) : request.space;
  TRY_ASSIGN(Links here, Links::open());
  for (const Endpoint& endpoint : result.endpoints) {
    TRY(wire(endpoint, space, here, *there));
    TRY(publish(endpoint));
  }
  undo.dismiss();
  return result;
}

// First from the truth, then from the kernel, then the rows; the addresses last.
void LocalNetworks::unwire(const std::vector<Endpoint>& endpoints, Gone gone) {
  if (endpoints.empty()) return;
  const std::string container = endpoints.front().container;
  auto is_one = [&](const Wired& wired) {
    return std::ranges::any_of(endpoints,
                               [&](const Endpoint& one) { return one.id == wired.endpoint.id; });
  };
  {
    std::lock_guard lock(mutex_);
    for (Wired& wired : wired_[container]) wired.is_leaving = wired.is_leaving || is_one(wired);
  }
  auto warn = [&](const Status& status) {
    if (!status) log::warning(cat("container ", container, ": ", status.error().message()));
  };
  auto links = Links::open();
  std::vector<std::string> interfaces;
  for (const Endpoint& endpoint : endpoints) {
    warn(firewall_.remove_ports(firewall_ports(endpoint)));
    if (gone == Gone::kNow) {
      if (links) warn(links->remove(endpoint.outside));
      continue;
    }
    // Its address can be given to another one then. It goes with the namespace too, but for one
    // that others have joined.
    if (links) warn(links->leave_bridge(endpoint.outside));
    interfaces.push_back(endpoint.outside);
  }
  reaper_.post(interfaces);
  warn(database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    for (const Endpoint& endpoint : endpoints) {
      TRY(rows.remove_endpoint(endpoint.network, container));
    }
    return {};
  }));
  std::lock_guard lock(mutex_);
  for (const Endpoint& endpoint : endpoints) {
    auto found = networks_.find(endpoint.network);
    if (found != networks_.end()) found->second.pool.give_back(endpoint.address);
    if (!endpoint.ports.empty()) ports_.give_back(container);
  }
  std::erase_if(wired_[container], is_one);
  if (wired_[container].empty()) wired_.erase(container);
}

void LocalNetworks::detach(const std::string& container) {
  unwire(endpoints_of_container(container), Gone::kSoon);
}

Result<Endpoint> LocalNetworks::connect(const std::string& container, const std::string& name,
                                        const Join& wanted, FdRef space) {
  TRY_ASSIGN(Links here, Links::open());
  TRY(ensure_bridge(here, wanted.network));
  std::set<std::string> names;
  bool has_gateway = false;
  for (const Endpoint& other : endpoints_of_container(container)) {
    names.insert(other.inside);
    has_gateway = has_gateway || other.is_gateway;
    if (other.network == wanted.network) {
      return fail(Code::kPermissionDenied,
                  cat("endpoint with name ", name, " already exists in network ", wanted.network));
    }
  }
  std::size_t number = 0;
  while (names.contains(cat("eth", number))) ++number;
  TRY_ASSIGN(Endpoint endpoint, plan(container, name, wanted, number));
  endpoint.is_gateway = !has_gateway;
  std::vector<Endpoint> all = {endpoint};
  Cleanup undo([&] { unwire(all, Gone::kNow); });
  TRY(add_rows(all));
  {
    std::lock_guard lock(mutex_);
    wired_[container].push_back({endpoint, false});
  }
  std::optional<Links> there;
  TRY(run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(there, Links::open());
    return {};
  }));
  TRY(wire(endpoint, space, here, *there));
  undo.dismiss();
  return endpoint;
}

Status LocalNetworks::disconnect(const std::string& container, const std::string& network) {
  for (const Endpoint& endpoint : endpoints_of_container(container)) {
    if (endpoint.network != network) continue;
    unwire({endpoint}, Gone::kNow);
    return {};
  }
  return fail(Code::kNotFound,
              cat("container ", container, " is not connected to network ", network));
}

void LocalNetworks::settle(const std::set<std::string>& running) {
  if (!options_.usable) return;
  std::vector<std::string> gone;
  std::vector<Endpoint> stay;
  std::vector<Endpoint> torn;  // a death came in between
  {
    std::lock_guard lock(mutex_);
    for (const auto& [container, wired] : wired_) {
      if (!running.contains(container)) gone.push_back(container);
      if (!running.contains(container)) continue;
      for (const Wired& one : wired) stay.push_back(one.endpoint);
    }
  }
  auto warn = [](const std::string& what, const Error& error) {
    log::warning(cat(what, ": ", error.message()));
  };
  if (!stay.empty()) {
    auto links = Links::open();
    for (const Endpoint& endpoint : stay) {
      {
        std::lock_guard lock(mutex_);
        auto held = ports_.take_over(endpoint.container, endpoint.ports);
        if (!held) warn(cat("container ", endpoint.container), held.error());
      }
      if (!links) continue;
      auto link = links->find(endpoint.outside);
      if (link && (!*link || !(*link)->is_up)) torn.push_back(endpoint);
      auto bridge = ensure_bridge(*links, endpoint.network);
      if (!bridge) warn(cat("container ", endpoint.container), bridge.error());
    }
    if (auto made = firewall_.rebuild(); !made) warn("networks", made.error());
  }
  for (const std::string& container : gone) detach(container);
  for (const Endpoint& endpoint : torn) unwire({endpoint}, Gone::kNow);
  if (stay.empty()) {
    if (auto rested = rest_firewall(); !rested) warn("networks", rested.error());
  }
}

}  // namespace dhow::network
