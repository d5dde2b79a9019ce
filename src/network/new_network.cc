// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "network/local_networks.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

constexpr std::string_view kBridgeName = "com.docker.network.bridge.name";
constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
constexpr std::string_view kGatewayMode = "com.docker.network.bridge.gateway_mode_ipv4";
constexpr std::size_t kLongestInterface = 15;

std::unexpected<Error> bad_network(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

Status check_driver(const NewNetwork& wanted) {
  const std::string& driver = wanted.driver;
  if (driver == "host" || driver == "null") {
    return fail(Code::kPermissionDenied,
                cat("only one instance of ", quoted(driver), " network is allowed"));
  }
  if (driver == "macvlan" || driver == "ipvlan" || driver == "overlay") {
    return fail(Code::kUnimplemented, cat("the network driver ", quoted(driver),
                                          " is not supported yet: there is \"bridge\""));
  }
  if (!driver.empty() && driver != "bridge" && driver != "default") {
    return fail(Code::kNotFound,
                cat("could not find plugin ", driver, " in v1 plugin registry: plugin not found"));
  }
  if (!wanted.scope.empty() && wanted.scope != "local") {
    return bad_network(cat("invalid network scope: ", wanted.scope));
  }
  if (wanted.ingress || wanted.config_only || !wanted.config_from.empty()) {
    return fail(Code::kUnimplemented,
                "Ingress, ConfigOnly and ConfigFrom of networks are not supported yet");
  }
  if (wanted.ipv6.value_or(false)) {
    return fail(Code::kUnimplemented, "EnableIPv6: networks with IPv6 are not supported yet");
  }
  if (!wanted.ipv4.value_or(true)) {
    return bad_network("IPv4 or IPv6 must be enabled");
  }
  if (!wanted.ipam_driver.empty() && wanted.ipam_driver != "default") {
    return fail(Code::kNotFound, cat("could not find plugin ", wanted.ipam_driver,
                                     " in v1 plugin registry: plugin not found"));
  }
  return {};
}

Status check_options(const NetworkRecord& record) {
  std::string mtu = record.text_option(kMtu);
  if (!mtu.empty() && !parse_number<std::uint32_t>(mtu)) {
    return bad_network(cat("invalid value for ", quoted(kMtu), ": ", mtu));
  }
  std::string mode = record.text_option(kGatewayMode);
  if (!mode.empty() && mode != "nat") {
    return fail(Code::kUnimplemented, cat(kGatewayMode, "=", mode, " is not supported yet"));
  }
  if (record.bridge.empty() || record.bridge.size() > kLongestInterface ||
      record.bridge.find_first_of("/ \t\n:") != std::string::npos || record.bridge == "." ||
      record.bridge == "..") {
    return bad_network(cat("invalid value for ", quoted(kBridgeName), ": ", quoted(record.bridge)));
  }
  return {};
}

Result<Ip4> address_in(const Subnet4& subnet, std::string_view text, std::string_view what) {
  auto address = parse_ip4(text);
  if (!address) return bad_network(cat("invalid ", what, " ", text, ": not an IPv4 address"));
  if (!subnet.contains(*address)) {
    return bad_network(cat("invalid network config: no matching subnet for ", what, " ", text));
  }
  return *address;
}

Status read_subnet(const NewSubnet& wanted, NetworkRecord& record) {
  auto subnet = parse_subnet4(wanted.subnet);
  if (!subnet) {
    if (wanted.subnet.find(':') != std::string::npos) {
      return fail(Code::kUnimplemented,
                  cat("subnet ", wanted.subnet, ": networks with IPv6 are not supported yet"));
    }
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": invalid CIDR block notation"));
  }
  if (parse_address4(wanted.subnet)->address != subnet->base) {
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": it should be ", subnet->text()));
  }
  constexpr int kSmallest = 30;
  if (subnet->bits > kSmallest || subnet->bits < 8) {
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": it has no room for a gateway and a container, or is too large"));
  }
  record.subnet = *subnet;
  if (!wanted.range.empty()) {
    auto range = parse_subnet4(wanted.range);
    if (!range || !subnet->contains(*range)) {
      return bad_network(cat("invalid network config: invalid ip-range ", wanted.range,
                             ": it is not within the subnet ", subnet->text()));
    }
    record.range = *range;
  }
  if (!wanted.gateway.empty()) {
    TRY_ASSIGN(record.gateway, address_in(*subnet, wanted.gateway, "gateway"));
  }
  for (const auto& [name, text] : wanted.auxiliary) {
    TRY_ASSIGN(record.auxiliary[name], address_in(*subnet, text, "auxiliary address"));
  }
  return {};
}

// The first address that is nothing else.
Ip4 first_gateway(const NetworkRecord& record) {
  Ip4 address{(record.range ? record.range->base : record.subnet.base).value};
  if (address == record.subnet.base) ++address.value;
  while (std::ranges::any_of(record.auxiliary,
                             [&](const auto& other) { return other.second == address; })) {
    ++address.value;
  }
  return address;
}

}  // namespace

std::vector<SubnetPool> default_pools() {
  constexpr int kBits = 24;
  std::vector<SubnetPool> pools;
  for (const char* base : {"172.18.0.0/15", "172.20.0.0/14", "172.24.0.0/13", "192.168.0.0/16"}) {
    pools.push_back({*parse_subnet4(base), kBits});
  }
  return pools;
}

Result<Subnet4> LocalNetworks::choose_subnet(const std::vector<SubnetPool>& pools,
                                             const std::vector<Subnet4>& others) const {
  TRY_ASSIGN(Links links, Links::open());
  TRY_ASSIGN(std::vector<Subnet4> used, links.routes());
  used.insert(used.end(), others.begin(), others.end());
  auto subnet = free_subnet(pools, used);
  if (!subnet) {
    return fail(Code::kInvalidArgument, "all predefined address pools have been fully subnetted");
  }
  return *subnet;
}

Result<NetworkRecord> LocalNetworks::record_of(const NewNetwork& wanted) const {
  TRY(check_driver(wanted));
  NetworkRecord record;
  TRY_ASSIGN(std::string half, random_name());
  TRY_ASSIGN(std::string other_half, random_name());
  record.id = half + other_half;
  record.name = wanted.name;
  record.internal = wanted.internal;
  record.attachable = wanted.attachable;
  record.options = wanted.options;
  record.labels = wanted.labels;
  record.ipam_options = wanted.ipam_options;
  record.bridge = record.text_option(kBridgeName);
  constexpr std::size_t kShort = 12;
  if (record.bridge.empty()) record.bridge = "br-" + record.id.substr(0, kShort);
  TRY(check_options(record));
  std::vector<Subnet4> others;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, other] : networks_) {
      if (!other.record.has_addresses()) continue;
      others.push_back(other.record.subnet);
      if (other.record.bridge == record.bridge) {
        return fail(Code::kPermissionDenied,
                    cat("conflicts with network ", id, " (", other.record.name,
                        "): networks have same bridge name"));
      }
    }
  }
  if (wanted.subnets.size() > 1) {
    return bad_network("bridge driver doesn't support multiple subnets");
  }
  NewSubnet subnet = wanted.subnets.empty() ? NewSubnet() : wanted.subnets.front();
  if (subnet.subnet.empty()) {
    if (!subnet.range.empty() || !subnet.gateway.empty() || !subnet.auxiliary.empty()) {
      return bad_network(
          "invalid network config: a gateway, range or auxiliary address needs a "
          "subnet");
    }
    record.chosen = true;
    TRY_ASSIGN(record.subnet,
               choose_subnet(options_.pools.empty() ? default_pools() : options_.pools, others));
  } else {
    TRY(read_subnet(subnet, record));
    if (std::ranges::any_of(others,
                            [&](const Subnet4& other) { return other.overlaps(record.subnet); })) {
      return fail(Code::kPermissionDenied,
                  "invalid pool request: Pool overlaps with other one on this address space");
    }
  }
  if (record.gateway.is_any()) record.gateway = first_gateway(record);
  return record;
}

}  // namespace dhow::network
