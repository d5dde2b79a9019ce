// SPDX-License-Identifier: Apache-2.0
#include "network/local_networks.h"

#include <fcntl.h>

#include <algorithm>
#include <tuple>

#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "metadata/lease_store.h"
#include "sys/file_io.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

constexpr std::string_view kUnusable = "this engine has no right to make networks";

bool is_predefined(std::string_view name) {
  return name == "bridge" || name == "host" || name == "none" || name == "default";
}

// The same on each machine, as nobody makes them.
NetworkRecord builtin(std::string_view name, std::string_view driver) {
  NetworkRecord record;
  record.id = std::string(digest_of(cat("dhow network ", name)).hex());
  record.name = name;
  record.driver = driver;
  return record;
}

template <typename Net>
BasicAddressPool<Net> pool_of(const Addressing<Net>& addressing) {
  BasicAddressPool<Net> pool(addressing.subnet, addressing.range.value_or(addressing.subnet));
  pool.take(addressing.gateway);
  for (const auto& [name, address] : addressing.auxiliary) pool.take(address);
  return pool;
}

// One that is taken away meanwhile has no users; one that has users is not taken away.
Status check_configuration(const Rows& rows, const std::string& name) {
  TRY_ASSIGN(std::vector<NetworkRecord> records, rows.networks());
  bool is_there = std::ranges::any_of(records, [&](const NetworkRecord& record) {
    return record.is_config_only() && record.name == name;
  });
  if (is_there) return {};
  return fail(Code::kNotFound, cat("configuration network ", quoted(name), " does not exist"));
}

Status check_unused(const Rows& rows, const std::string& name) {
  TRY_ASSIGN(std::vector<NetworkRecord> records, rows.networks());
  if (std::ranges::find(records, name, &NetworkRecord::config_from) == records.end()) return {};
  return fail(Code::kPermissionDenied, cat("configuration network ", quoted(name), " is in use"));
}

}  // namespace

LocalNetworks::LocalNetworks(NetworksOptions options, metadata::Database& database)
    : options_(std::move(options)),
      database_(database),
      ports_(options_.place.get()),
      cni_({.plugin_folders = options_.cni_plugins,
            .cache_folder = options_.state + "/cni/results"}),
      firewall_(options_.table, options_.gate, [this] { return truth(); }) {}

Result<std::unique_ptr<LocalNetworks>> LocalNetworks::open(NetworksOptions options,
                                                           metadata::Database& database) {
  std::unique_ptr<LocalNetworks> networks(new LocalNetworks(std::move(options), database));
  for (auto [name, driver] : {std::pair("host", "host"), std::pair("none", "null")}) {
    networks->add_memory(builtin(name, driver));
  }
  if (!networks->options_.usable) return networks;
  TRY(networks->load());
  TRY(networks->make_default());
  return networks;
}

void LocalNetworks::add_memory(NetworkRecord record) {
  Network network;
  if (record.v4) network.pool = pool_of(*record.v4);
  if (record.v6) network.pool6 = pool_of(*record.v6);
  std::string id = record.id;
  network.record = std::move(record);
  networks_.insert_or_assign(std::move(id), std::move(network));
}

Status LocalNetworks::load() {
  std::vector<NetworkRecord> records;
  std::vector<Endpoint> endpoints;
  TRY(database_.read([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    TRY_ASSIGN(records, rows.networks());
    TRY_ASSIGN(endpoints, rows.endpoints());
    return {};
  }));
  for (NetworkRecord& record : records) add_memory(std::move(record));
  for (Endpoint& endpoint : endpoints) {
    Network& network = networks_[endpoint.network];
    if (!endpoint.address.is_any()) network.pool.take(endpoint.address);
    if (!endpoint.address6.is_any()) network.pool6.take(endpoint.address6);
    std::string container = endpoint.container;
    wired_[container].push_back({std::move(endpoint), false});
  }
  for (auto& [container, wired] : wired_) {
    std::ranges::sort(wired, {}, [](const Wired& one) { return one.endpoint.inside; });
  }
  return {};
}

Result<std::optional<Addressing<Subnet6>>> LocalNetworks::default_six() const {
  std::optional<Addressing<Subnet6>> six;
  if (!options_.ipv6) return six;
  six.emplace();
  if (!options_.subnet6.empty()) {
    auto subnet = parse_subnet6(options_.subnet6);
    if (!subnet || subnet->bits > kSmallestSubnet6) {
      return fail(Code::kInvalidArgument,
                  cat("fixed-cidr-v6 ", quoted(options_.subnet6), ": not a subnet of IPv6"));
    }
    six->subnet = *subnet;
  } else {
    six->chosen = true;
    TRY_ASSIGN(six->subnet, choose_subnet<Subnet6>(pools6()));
  }
  six->gateway = six->subnet.base.next();
  return six;
}

Status LocalNetworks::refresh_default(NetworkRecord record) {
  bool is_as_wanted = record.v6.has_value() == options_.ipv6;
  if (record.v6 && !options_.subnet6.empty()) {
    is_as_wanted = is_as_wanted && parse_subnet6(options_.subnet6) == record.v6->subnet;
  }
  if (is_as_wanted) return {};
  if (!endpoints_of_network(record.id).empty()) {
    log::warning("the default network stays without the new settings of IPv6: it is in use");
    return {};
  }
  record.v6.reset();
  TRY_ASSIGN(record.v6, default_six());
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space).update(record);
  }));
  add_memory(std::move(record));
  return {};
}

// Its subnet may turn out to be taken when the bridge is made: then another is chosen.
Status LocalNetworks::make_default() {
  for (const auto& [id, network] : networks_) {
    if (network.record.is_default()) return refresh_default(network.record);
  }
  NetworkRecord record;
  TRY_ASSIGN(record.id, random_id());
  record.name = "bridge";
  record.created = metadata::now();
  record.bridge = options_.bridge;
  record.options = {{"com.docker.network.bridge.default_bridge", "true"},
                    {"com.docker.network.bridge.enable_icc", "true"},
                    {"com.docker.network.bridge.enable_ip_masquerade", "true"},
                    {"com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"},
                    {"com.docker.network.bridge.name", record.bridge}};
  if (options_.mtu != 0) record.options[std::string(kMtu)] = cat(options_.mtu);
  auto& four = record.v4.emplace();
  if (!options_.address.empty()) {
    auto address = parse_address4(options_.address);
    if (!address || address->bits > 30) {
      return fail(Code::kInvalidArgument,
                  cat("bip ", quoted(options_.address), ": not an address with its subnet"));
    }
    four.subnet = address->subnet();
    four.gateway = address->address;
  } else {
    four.chosen = true;
    TRY_ASSIGN(four.subnet, choose_subnet<Subnet4>(pools_of_default()));
    four.gateway = four.subnet.base.next();
  }
  TRY_ASSIGN(record.v6, default_six());
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space).insert(record);
  }));
  add_memory(std::move(record));
  return {};
}

Result<NetworkRecord> LocalNetworks::create(const NewNetwork& wanted) {
  if (!options_.usable) return fail(Code::kUnimplemented, std::string(kUnusable));
  if (is_predefined(wanted.name)) {
    return fail(Code::kPermissionDenied,
                cat("operation is not permitted on predefined ", wanted.name, " network"));
  }
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (wanted.name.find_first_not_of(kPlain) != std::string::npos || wanted.name.empty() ||
      std::string_view("_.-").find(wanted.name.front()) != std::string_view::npos) {
    return fail(Code::kInvalidArgument, cat("invalid network name: ", quoted(wanted.name),
                                            ": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
  }
  TRY_ASSIGN(NetworkRecord record, record_of(wanted));
  record.created = metadata::now();
  auto written = database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    if (!record.config_from.empty()) TRY(check_configuration(rows, record.config_from));
    return rows.insert(record);
  });
  if (!written) {
    if (written.error().code() != Code::kAlreadyExists) return fail(std::move(written).error());
    return fail(Code::kAlreadyExists, cat("network with name ", wanted.name, " already exists"));
  }
  std::lock_guard lock(mutex_);
  add_memory(record);
  return record;
}

Result<NetworkRecord> LocalNetworks::remove(std::string_view ref) {
  TRY_ASSIGN(NetworkRecord record, find(ref));
  if (is_predefined(record.name)) {
    return fail(Code::kPermissionDenied,
                cat(record.name, " is a pre-defined network and cannot be removed"));
  }
  std::vector<Endpoint> endpoints = endpoints_of_network(record.id);
  if (!endpoints.empty()) {
    std::vector<std::string> users;
    for (const Endpoint& endpoint : endpoints) {
      users.push_back(
          cat("name:", quoted(endpoint.name), " id:", quoted(endpoint.id.substr(0, 12))));
    }
    return fail(Code::kPermissionDenied, cat("error while removing network: network ", record.name,
                                             " has active endpoints (", join(users, ", "), ")"));
  }
  TRY(drop(record));
  auto written = database_.write([&](metadata::Transaction& transaction) -> Status {
    Rows rows(transaction, options_.name_space);
    if (record.is_config_only()) TRY(check_unused(rows, record.name));
    return rows.remove(record.id);
  });
  if (!written) {
    // A container has come while the bridge went; it makes another.
    if (written.error().code() != Code::kFailedPrecondition) {
      return fail(std::move(written).error());
    }
    return fail(Code::kPermissionDenied, cat("error while removing network: network ", record.name,
                                             " has active endpoints"));
  }
  // What its containers' resolvers knew.
  if (auto names = open_at(kCwd, options_.state + "/networks", O_RDONLY | O_DIRECTORY)) {
    std::ignore = remove_tree(*names, record.id);
  }
  std::lock_guard lock(mutex_);
  networks_.erase(record.id);
  return record;
}

Result<NetworkRecord> LocalNetworks::find(std::string_view ref) const {
  std::lock_guard lock(mutex_);
  if (auto found = networks_.find(ref); found != networks_.end()) return found->second.record;
  std::string_view name = ref == "default" ? "bridge" : ref;
  const NetworkRecord* by_prefix = nullptr;
  bool is_ambiguous = false;
  for (const auto& [id, network] : networks_) {
    if (network.record.name == name) return network.record;
    if (ref.empty() || !id.starts_with(ref)) continue;
    is_ambiguous = by_prefix != nullptr;
    by_prefix = &network.record;
  }
  if (is_ambiguous) {
    return fail(Code::kInvalidArgument,
                cat("network ", ref, " is ambiguous (several networks found)"));
  }
  if (by_prefix != nullptr) return *by_prefix;
  return fail(Code::kNotFound, cat("network ", ref, " not found"));
}

Result<NetworkRecord> LocalNetworks::by_id(const std::string& id) const {
  std::lock_guard lock(mutex_);
  auto found = networks_.find(id);
  if (found == networks_.end()) return fail(Code::kNotFound, cat("network ", id, " not found"));
  return found->second.record;
}

std::vector<NetworkRecord> LocalNetworks::list() const {
  std::vector<NetworkRecord> result;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, network] : networks_) result.push_back(network.record);
  }
  std::ranges::sort(result, {}, &NetworkRecord::name);
  return result;
}

std::vector<Endpoint> LocalNetworks::endpoints_of_network(std::string_view id) const {
  std::vector<Endpoint> result;
  std::lock_guard lock(mutex_);
  for (const auto& [container, wired] : wired_) {
    for (const Wired& one : wired) {
      if (one.endpoint.network == id) result.push_back(one.endpoint);
    }
  }
  return result;
}

std::vector<Endpoint> LocalNetworks::endpoints_of_container(std::string_view id) const {
  std::vector<Endpoint> result;
  std::lock_guard lock(mutex_);
  auto found = wired_.find(id);
  if (found == wired_.end()) return result;
  for (const Wired& one : found->second) result.push_back(one.endpoint);
  return result;
}

}  // namespace dhow::network
