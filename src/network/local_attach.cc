// SPDX-License-Identifier: Apache-2.0
// Containers in networks.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <tuple>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "network/conntrack.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "network/six.h"
#include "network/sub_networks.h"
#include "network/tuning.h"
#include "sys/file_io.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

// The network has no IPv6 where nothing else is said, so interfaces get no addresses of it either.
Status forbid_new_six() {
  auto status = write_existing("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  if (!status && status.error().sys_errno() != ENOENT) return status;
  return {};
}

// Sets up the namespace that is given, or a new one, which is the result; `there` speaks with it.
// `whole`: also what the runtime would set, but in a user namespace doesn't.
Result<Fd> open_name_space(FdRef given, bool whole, std::optional<Links>& there) {
  auto set_up = [&]() -> Status {
    TRY(forbid_new_six());
    TRY_ASSIGN(there, Links::open());
    return {};
  };
  if (given.get() < 0) {
    return make_name_space([&]() -> Status {
      TRY(whole ? set_up_for_container() : bring_loopback_up());
      return set_up();
    });
  }
  TRY(run_in_name_space(given, [&]() -> Status {
    TRY(set_up_for_container());
    return set_up();
  }));
  return Fd();
}

// The address that is asked for, or one that is free.
template <typename Net>
auto take_address(BasicAddressPool<Net>& pool, const Net& subnet,
                  const std::optional<decltype(Net::base)>& wanted, const NetworkRecord& network,
                  std::string_view family) -> Result<decltype(Net::base)> {
  if (!wanted) {
    if (auto address = pool.take()) return *address;
    return fail(Code::kResourceExhausted,
                cat("no available ", family, " addresses on this network's address pools: ",
                    network.name, " (", network.id, ")"));
  }
  if (!subnet.contains(*wanted)) {
    return fail(Code::kInvalidArgument,
                cat("invalid endpoint settings: no configured subnet contains IP address ",
                    wanted->text()));
  }
  if (!pool.take(*wanted)) {
    return fail(Code::kPermissionDenied, cat("Address already in use: ", wanted->text()));
  }
  return *wanted;
}

Status remove_inside(FdRef space, const std::string& interface) {
  return run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(Links links, Links::open());
    return links.remove(interface);
  });
}

// A former container's interface on the same parent goes in the background with its namespace, a
// few milliseconds after it has ended; until then the kernel keeps its addresses from others, and
// with passthru the parent.
template <typename Work>
Status once_free(const NetworkRecord& record, int taken, Work work) {
  constexpr auto kPause = std::chrono::milliseconds(10);
  constexpr int kTries = 200;
  Status done = work();
  for (int i = 0; i < kTries && !record.is_bridge(); ++i) {
    if (done || done.error().sys_errno() != taken) break;
    std::this_thread::sleep_for(kPause);
    done = work();
  }
  return done;
}

// What its interfaces are called inside, with a number behind it.
std::string inside_prefix(const NetworkRecord& record) {
  std::string prefix = record.text_option("com.docker.network.container_iface_prefix");
  return prefix.empty() ? "eth" : prefix;
}

}  // namespace

// Takes an address for it. Nothing is written down yet.
Result<Endpoint> LocalNetworks::plan(const std::string& container, const std::string& name,
                                     const Join& wanted, std::size_t number) {
  Endpoint endpoint;
  TRY_ASSIGN(endpoint.id, random_id());
  endpoint.container = container;
  endpoint.name = name;
  std::lock_guard lock(mutex_);
  auto found = networks_.find(wanted.network);
  if (found == networks_.end()) {
    return fail(Code::kNotFound, cat("network ", wanted.network, " not found"));
  }
  Network& network = found->second;
  endpoint.network = wanted.network;
  if (network.record.is_bridge()) endpoint.outside = cat("veth", endpoint.id.substr(0, 7));
  endpoint.inside =
      !wanted.inside.empty() ? wanted.inside : cat(inside_prefix(network.record), number);
  endpoint.priority = wanted.priority;
  TRY(plan_addresses(network, wanted, endpoint));
  std::string mac =
      endpoint.address.is_any() ? mac_of(endpoint.address6) : mac_of(endpoint.address);
  if (network.record.driver == "ipvlan") {
    mac.clear();
  } else if (!wanted.mac.empty()) {
    mac = lower_text(wanted.mac);
  }
  endpoint.mac = mac;
  return endpoint;
}

Status LocalNetworks::plan_addresses(Network& network, const Join& wanted, Endpoint& endpoint) {
  const auto& [four, six] = std::tie(network.record.v4, network.record.v6);
  if ((wanted.address && !four) || (wanted.address6 && !six)) {
    return fail(Code::kInvalidArgument,
                cat("invalid endpoint settings: no configured subnet contains IP address ",
                    wanted.address ? wanted.address->text() : wanted.address6->text()));
  }
  if (four) {
    TRY_ASSIGN(endpoint.address,
               take_address(network.pool, four->subnet, wanted.address, network.record, "IPv4"));
  }
  if (!six) return {};
  // The same number in both families where it is free: neighbours that remember an address are
  // right about a new container with it, whose address of the link layer is of that of IPv4.
  if (four && !wanted.address6) {
    Ip6 same = six->subnet.base;
    same.low += endpoint.address.value - four->subnet.base.value;
    if (same.low >= six->subnet.base.low && network.pool6.take_of_range(same)) {
      endpoint.address6 = same;
      return {};
    }
  }
  auto taken = take_address(network.pool6, six->subnet, wanted.address6, network.record, "IPv6");
  if (!taken) {
    network.pool.give_back(endpoint.address);
    return fail(std::move(taken).error());
  }
  endpoint.address6 = *taken;
  return {};
}

Status LocalNetworks::add_rows(const std::vector<Endpoint>& endpoints) {
  TRY(database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    for (const Endpoint& endpoint : endpoints) TRY(rows.insert(endpoint));
    return {};
  }));
  return {};
}

Status LocalNetworks::make_link(const Endpoint& endpoint, const NetworkRecord& record, FdRef space,
                                Links& here, Links& there) {
  TRY_ASSIGN(int device, ensure_device(here, endpoint.network));
  std::string mac;
  if (!endpoint.mac.empty()) {
    auto bytes = parse_mac(endpoint.mac);
    if (!bytes) return fail(Code::kInvalidArgument, cat("invalid MAC address: ", endpoint.mac));
    mac = *bytes;
  }
  if (!record.is_bridge()) {
    TRY_ASSIGN(SubLinkPlan plan, sub_link_plan(record));
    plan.parent = device;
    plan.inside = endpoint.inside;
    plan.mac = mac;
    bool is_passthru = record.text_option("macvlan_mode") == "passthru";
    auto made = once_free(record, is_passthru ? EINVAL : EADDRINUSE,
                          [&] { return here.make_sublink(plan, space); });
    if (made || made.error().sys_errno() != EEXIST) return made;
    // What a death has left half made.
    TRY_ASSIGN(std::optional<LinkInfo> link, there.find(endpoint.inside));
    if (!link || link->kind != plan.kind) return made;
    TRY(there.remove(endpoint.inside));
    return here.make_sublink(plan, space);
  }
  VethPlan plan;
  plan.outside = endpoint.outside;
  plan.bridge = device;
  plan.inside = endpoint.inside;
  plan.mac = mac;
  plan.mtu = record.mtu();
  plan.isolated = !record.option("com.docker.network.bridge.enable_icc", true);
  // It may call itself by its published port, which br_netfilter has the bridge do.
  plan.hairpin = !endpoint.ports.empty();
  auto made = here.make_veth(plan, space);
  if (made || made.error().sys_errno() != EEXIST || !options_.place) return made;
  // Its other end was in a namespace that has died, which the kernel is still taking away.
  TRY_ASSIGN(std::optional<LinkInfo> link, there.find(endpoint.inside));
  if (link && link->kind != "veth") return made;
  TRY(there.remove(endpoint.inside));
  return here.make_veth(plan, space);
}

// The interface, and what is behind it.
Status LocalNetworks::wire(const Endpoint& endpoint, const Join& wanted, FdRef space, Links& here,
                           Links& there) {
  TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
  TRY(make_link(endpoint, record, space, here, there));
  TRY_ASSIGN(std::optional<LinkInfo> link, there.find(endpoint.inside));
  if (!link) return fail(Code::kUnavailable, cat("the interface ", endpoint.inside, " went away"));
  std::vector<Address> addresses;
  if (record.v4) addresses.emplace_back(endpoint.address, record.v4->subnet.bits);
  if (record.v6) {
    TRY_CONTEXT(run_in_name_space(space, [&] { return allow_six(endpoint.inside); }),
                cat("set up the interface ", endpoint.inside));
    addresses.emplace_back(endpoint.address6, record.v6->subnet.bits);
  }
  for (const Ip& address : wanted.link_local)
    addresses.emplace_back(address, address.is_v6 ? 64 : 16);
  TRY(once_free(record, EADDRINUSE,
                [&] { return there.add_addresses_and_set_up(link->index, addresses); }));
  TRY(set_routes(endpoint, link->index, there));
  TRY(tune(endpoint, wanted, space, here, there));
  if (!record.is_bridge()) return {};
  // Last: for settle(), an end that is up says that all is done.
  return here.set_port_up(endpoint.outside);
}

Status LocalNetworks::publish(const Endpoint& endpoint) {
  if (endpoint.ports.empty()) return {};
  TRY_CONTEXT(firewall_.add_ports(firewall_ports(endpoint)),
              cat("driver failed programming external connectivity on endpoint ", endpoint.name,
                  " (", endpoint.id, ")"));
  TRY(lead(firewall_ports(endpoint)));
  return forget_connections(firewall_ports(endpoint), true);
}

Result<Attachment> LocalNetworks::attach_there(const AttachRequest& request) {
  TRY_ASSIGN(bool for_plugins, is_for_plugins(request.joins));
  // A former run is settled before the next one; this is for what could not be taken away then.
  detach_there(request.container);
  if (for_plugins) return attach_by_plugins(request);
  Attachment result;
  Cleanup undo([&] {
    unwire(result.endpoints, Gone::kNow, request.space);
    std::lock_guard lock(mutex_);
    ports_.give_back(request.container);
  });
  TRY(attach_all(request, result));
  undo.dismiss();
  return result;
}

// What is in `result` when it fails is to be undone.
Status LocalNetworks::attach_all(const AttachRequest& request, Attachment& result) {
  for (std::size_t i = 0; i < request.joins.size(); ++i) {
    const Join& join = request.joins[i];
    // The default network's subnet may change with the making of its bridge.
    TRY_ASSIGN(Links links, Links::open());
    TRY(ensure_device(links, join.network));
    TRY_ASSIGN(Endpoint endpoint, plan(request.container, request.name, join, i));
    result.endpoints.push_back(std::move(endpoint));
  }
  TRY(elect(result.endpoints));
  TRY_ASSIGN(std::vector<PublishedPort> ports,
             take_ports(request.container, request.ports, result.endpoints));
  deal(ports, result.endpoints);
  TRY(add_rows(result.endpoints));
  {
    std::lock_guard lock(mutex_);
    std::vector<Wired>& wired = wired_[request.container];
    for (const Endpoint& endpoint : result.endpoints) wired.push_back({endpoint, false});
  }
  std::optional<Links> there;
  TRY_ASSIGN(result.space, open_name_space(request.space, options_.place != nullptr, there));
  FdRef space = result.space ? FdRef(result.space) : request.space;
  TRY_ASSIGN(Links here, Links::open());
  for (const Endpoint& endpoint : result.endpoints) {
    auto join = std::ranges::find(request.joins, endpoint.network, &Join::network);
    TRY(wire(endpoint, *join, space, here, *there));
    TRY(publish(endpoint));
  }
  return {};
}

// First from the truth, then from the kernel, then the rows; the addresses last.
void LocalNetworks::unwire(const std::vector<Endpoint>& endpoints, Gone gone, FdRef space) {
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
    if (endpoint.outside.empty()) {
      // It goes with the namespace, if that goes.
      if (space.get() >= 0) warn(remove_inside(space, endpoint.inside));
      continue;
    }
    if (!endpoint.ports.empty()) {
      warn(firewall_.remove_ports(firewall_ports(endpoint)));
      warn(forget_connections(firewall_ports(endpoint), false));
    }
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
    if (found != networks_.end()) {
      found->second.pool.give_back(endpoint.address);
      found->second.pool6.give_back(endpoint.address6);
    }
    ports_.give_back(container, endpoint.ports);
  }
  std::erase_if(wired_[container], is_one);
  if (wired_[container].empty()) wired_.erase(container);
}

void LocalNetworks::detach_there(const std::string& container) {
  std::vector<Endpoint> own;
  for (Endpoint& endpoint : endpoints_of_container(container)) {
    // By itself: rows of several runs may be left, and each run may have been of another kind.
    if (endpoint.cni) {
      unplug(endpoint);
    } else {
      own.push_back(std::move(endpoint));
    }
  }
  unwire(own, Gone::kSoon);
}

Result<Endpoint> LocalNetworks::connect_there(const std::string& container, const std::string& name,
                                              const Join& wanted,
                                              const std::vector<PortWish>& ports, FdRef space) {
  std::vector<Join> all_joins = {wanted};
  for (const Endpoint& other : endpoints_of_container(container)) {
    all_joins.push_back({other.network, {}, {}, {}, 0, {}});
  }
  TRY_ASSIGN(bool for_plugins, is_for_plugins(all_joins));
  if (for_plugins) {
    TRY_ASSIGN(Attachment attached, attach_by_plugins({container, name, {wanted}, ports, space}));
    return attached.endpoints.front();
  }
  TRY_ASSIGN(Links here, Links::open());
  TRY(ensure_device(here, wanted.network));
  std::set<std::string> names;
  for (const Endpoint& other : endpoints_of_container(container)) {
    names.insert(other.inside);
    if (other.network == wanted.network) {
      return fail(Code::kPermissionDenied,
                  cat("endpoint with name ", name, " already exists in network ", wanted.network));
    }
  }
  TRY_ASSIGN(NetworkRecord record, by_id(wanted.network));
  std::size_t number = 0;
  while (names.contains(cat(inside_prefix(record), number))) ++number;
  TRY_ASSIGN(Endpoint endpoint, plan(container, name, wanted, number));
  endpoint.is_half = endpoint.outside.empty();
  bool is_known = false;
  Cleanup undo([&] {
    // Once: an address that was given back may be another's by now.
    if (!is_known) return unwire({endpoint}, Gone::kNow, space);
    std::ignore = disconnect_there(container, wanted.network, space);
  });
  TRY(add_rows({endpoint}));
  {
    std::lock_guard lock(mutex_);
    wired_[container].push_back({endpoint, false});
    is_known = true;
  }
  std::optional<Links> there;
  TRY(run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(there, Links::open());
    return {};
  }));
  TRY(wire(endpoint, wanted, space, here, *there));
  // Says of the row that it is whole as well.
  TRY(move_gateways(container, {}, ports, space));
  undo.dismiss();
  for (const Endpoint& one : endpoints_of_container(container)) {
    if (one.id == endpoint.id) return one;
  }
  return endpoint;
}

Status LocalNetworks::disconnect_there(const std::string& container, const std::string& network,
                                       FdRef space) {
  auto find = [&]() -> std::optional<Endpoint> {
    for (const Endpoint& endpoint : endpoints_of_container(container)) {
      if (endpoint.network == network) return endpoint;
    }
    return std::nullopt;
  };
  auto leaving = find();
  if (!leaving) {
    return fail(Code::kNotFound,
                cat("container ", container, " is not connected to network ", network));
  }
  if (leaving->cni) {
    unplug(*leaving);
    return {};
  }
  auto moved = move_gateways(container, network, {}, space);
  // Without the ports that others carry now.
  if (auto endpoint = find()) unwire({*endpoint}, Gone::kNow, space);
  return moved;
}

void LocalNetworks::settle_there(const std::set<std::string>& running) {
  std::vector<std::string> gone;
  std::vector<Endpoint> stay;
  std::vector<Endpoint> torn;  // a death came in between
  std::vector<Endpoint> plugged;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [container, wired] : wired_) {
      if (!running.contains(container)) gone.push_back(container);
      if (!running.contains(container)) continue;
      for (const Wired& one : wired) (one.endpoint.cni ? plugged : stay).push_back(one.endpoint);
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
        held = lead(firewall_ports(endpoint));
        if (!held) warn(cat("container ", endpoint.container), held.error());
      }
      if (!links) continue;
      if (endpoint.outside.empty()) {
        if (endpoint.is_half) torn.push_back(endpoint);
      } else {
        auto link = links->find(endpoint.outside);
        if (link && (!*link || !(*link)->is_up)) torn.push_back(endpoint);
      }
      auto device = ensure_device(*links, endpoint.network);
      if (!device) warn(cat("container ", endpoint.container), device.error());
    }
    if (auto made = firewall_.rebuild(); !made) warn("networks", made.error());
  }
  for (const std::string& container : gone) detach_there(container);
  for (const Endpoint& endpoint : torn) unwire({endpoint}, Gone::kNow);
  settle_plugged(plugged);
  {
    // Also what an engine with another setting has left.
    std::lock_guard one(bridge_mutex_);
    settle_host_firewall();
  }
  if (stay.empty()) {
    if (auto rested = rest_firewall(); !rested) warn("networks", rested.error());
  }
}

}  // namespace dhow::network
