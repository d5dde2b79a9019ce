// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/hasher.h"
#include "base/strings.h"
#include "network/cni/config.h"
#include "network/local_networks.h"
#include "network/sub_networks.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

constexpr std::string_view kBridgeName = "com.docker.network.bridge.name";

std::unexpected<Error> bad_network(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

Status check_driver(const NewNetwork& wanted) {
  const std::string& driver = wanted.driver;
  if (driver == "host" || driver == "null") {
    return fail(Code::kPermissionDenied,
                cat("only one instance of ", quoted(driver), " network is allowed"));
  }
  if (driver == "overlay") {
    return fail(Code::kUnimplemented,
                cat("the network driver ", quoted(driver),
                    " is not supported: there are \"bridge\", \"macvlan\" and \"ipvlan\""));
  }
  bool is_known = driver.empty() || driver == "default" || driver == "bridge";
  if (!is_known && !is_sub_driver(driver)) {
    return fail(Code::kNotFound,
                cat("could not find plugin ", driver, " in v1 plugin registry: plugin not found"));
  }
  if (!wanted.scope.empty() && wanted.scope != "local") {
    return bad_network(cat("invalid network scope: ", wanted.scope));
  }
  if (wanted.ingress) {
    return fail(Code::kUnimplemented, "Ingress of networks is not supported: there is no swarm");
  }
  if (!wanted.ipv4.value_or(true) && !wanted.ipv6.value_or(false)) {
    return bad_network("IPv4 or IPv6 must be enabled");
  }
  if (!wanted.ipam_driver.empty() && wanted.ipam_driver != "default") {
    return fail(Code::kNotFound, cat("could not find plugin ", wanted.ipam_driver,
                                     " in v1 plugin registry: plugin not found"));
  }
  return {};
}

Status check_gateway_modes(const NetworkRecord& record) {
  for (std::string_view name : {kGatewayMode, kGatewayMode6}) {
    std::string text = record.text_option(name);
    auto mode = parse_gateway_mode(text);
    if (!mode) {
      return bad_network(cat("invalid value for ", quoted(name), ": unknown gateway mode ", text));
    }
    if (*mode == GatewayMode::kIsolated && !record.internal) {
      return bad_network(cat("invalid value for ", quoted(name),
                             ": gateway mode 'isolated' can only be used for an internal network"));
    }
  }
  return {};
}

Status check_trusted(const NetworkRecord& record) {
  for (const std::string& name : record.trusted_interfaces()) {
    if (cni::is_interface_name(name)) continue;
    return bad_network(cat("invalid value for ", quoted(kTrusted), ": ", quoted(name),
                           ": not the name of an interface"));
  }
  return {};
}

Status check_options(const NetworkRecord& record) {
  std::string mtu = record.text_option(kMtu);
  auto bytes = parse_number<std::uint32_t>(mtu);
  if (!mtu.empty() && !bytes) {
    return bad_network(cat("invalid value for ", quoted(kMtu), ": ", mtu));
  }
  constexpr std::uint32_t kLeastMtu6 = 1280;  // RFC 8200, section 5
  if (record.v6 && bytes && *bytes != 0 && *bytes < kLeastMtu6) {
    return bad_network(
        cat("invalid value for ", quoted(kMtu), ": ", mtu, ": IPv6 needs at least ", kLeastMtu6));
  }
  if (!record.is_bridge()) return {};
  TRY(check_gateway_modes(record));
  TRY(check_trusted(record));
  for (const char* name : {"com.docker.network.bridge.host_binding_ipv4",
                           "com.docker.network.host_ipv4", "com.docker.network.host_ipv6"}) {
    std::string text = record.text_option(name);
    auto address = parse_ip(text);
    bool is_six = std::string_view(name).ends_with("6");
    bool is_fit = address && (std::string_view(name).find("binding") != std::string_view::npos ||
                              (address->is_v6 == is_six && !address->is_any()));
    if (!text.empty() && !is_fit) {
      return bad_network(cat("invalid value for ", quoted(name), ": ", quoted(text),
                             ": not an address of the host"));
    }
  }
  for (const char* name :
       {"com.docker.network.bridge.enable_icc", "com.docker.network.bridge.enable_ip_masquerade",
        "com.docker.network.bridge.inhibit_ipv4"}) {
    std::string text = record.text_option(name);
    if (text.empty() || parse_bool(text)) continue;
    return bad_network(
        cat("invalid value for ", quoted(name), ": ", quoted(text), ": neither true nor false"));
  }
  if (!cni::is_interface_name(record.bridge)) {
    return bad_network(cat("invalid value for ", quoted(kBridgeName), ": ", quoted(record.bridge)));
  }
  return {};
}

// What differs between the families, for the functions below.
struct Four {
  using Net = Subnet4;
  static constexpr const char* kName = "IPv4";
  static constexpr int kSmallest = kSmallestSubnet4;
  static constexpr int kLargest = 8;
  static auto address(std::string_view text) { return parse_ip4(text); }
  static auto subnet(std::string_view text) { return parse_subnet4(text); }
  static auto whole(std::string_view text) { return parse_address4(text); }
};

struct Six {
  using Net = Subnet6;
  static constexpr const char* kName = "IPv6";
  static constexpr int kSmallest = kSmallestSubnet6;
  static constexpr int kLargest = 8;
  static auto address(std::string_view text) { return parse_ip6(text); }
  static auto subnet(std::string_view text) { return parse_subnet6(text); }
  static auto whole(std::string_view text) { return parse_address6(text); }
};

template <typename Family>
auto address_in(const typename Family::Net& subnet, std::string_view text, std::string_view what)
    -> Result<decltype(Family::Net::base)> {
  auto address = Family::address(text);
  if (!address) {
    return bad_network(cat("invalid ", what, " ", text, ": not an ", Family::kName, " address"));
  }
  if (!subnet.contains(*address)) {
    return bad_network(cat("invalid network config: no matching subnet for ", what, " ", text));
  }
  return *address;
}

// The first address that is nothing else.
template <typename Net>
auto first_gateway(const Addressing<Net>& addressing) {
  auto address = addressing.range ? addressing.range->base : addressing.subnet.base;
  if (address == addressing.subnet.base) address = address.next();
  while (std::ranges::any_of(addressing.auxiliary,
                             [&](const auto& other) { return other.second == address; })) {
    address = address.next();
  }
  return address;
}

template <typename Family>
Status read_subnet(const NewSubnet& wanted, Addressing<typename Family::Net>& out) {
  auto subnet = Family::subnet(wanted.subnet);
  if (!subnet) {
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": invalid CIDR block notation"));
  }
  if (Family::whole(wanted.subnet)->address != subnet->base) {
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": it should be ", subnet->text()));
  }
  if (subnet->bits > Family::kSmallest || subnet->bits < Family::kLargest) {
    return bad_network(cat("invalid network config: invalid subnet ", wanted.subnet,
                           ": it has no room for a gateway and a container, or is too large"));
  }
  out.subnet = *subnet;
  if (!wanted.range.empty()) {
    auto range = Family::subnet(wanted.range);
    if (!range || !subnet->contains(*range)) {
      return bad_network(cat("invalid network config: invalid ip-range ", wanted.range,
                             ": it is not within the subnet ", subnet->text()));
    }
    out.range = *range;
  }
  for (const auto& [name, text] : wanted.auxiliary) {
    TRY_ASSIGN(out.auxiliary[name], address_in<Family>(*subnet, text, "auxiliary address"));
  }
  if (wanted.gateway.empty()) {
    out.gateway = first_gateway(out);
  } else {
    TRY_ASSIGN(out.gateway, address_in<Family>(*subnet, wanted.gateway, "gateway"));
  }
  return {};
}

// Those of each family; one without a subnet is of IPv4.
Status sort_subnets(const NewNetwork& wanted, std::optional<NewSubnet>& four,
                    std::optional<NewSubnet>& six) {
  for (const NewSubnet& subnet : wanted.subnets) {
    bool is_six = subnet.subnet.find(':') != std::string::npos;
    if (subnet.subnet.empty() &&
        !(subnet.range.empty() && subnet.gateway.empty() && subnet.auxiliary.empty())) {
      return bad_network(
          "invalid network config: a gateway, range or auxiliary address needs a subnet");
    }
    std::optional<NewSubnet>& place = is_six ? six : four;
    if (place) {
      return bad_network(cat(wanted.driver.empty() ? "bridge" : wanted.driver,
                             " driver doesn't support multiple subnets"));
    }
    if (!subnet.subnet.empty()) place = subnet;
  }
  return {};
}

template <typename Net>
Status check_overlaps(const Net& subnet, const std::vector<Net>& others) {
  if (std::ranges::none_of(others, [&](const Net& other) { return other.overlaps(subnet); })) {
    return {};
  }
  return fail(Code::kPermissionDenied,
              "invalid pool request: Pool overlaps with other one on this address space");
}

}  // namespace

Status check_subnets(const NewNetwork& wanted) {
  std::optional<NewSubnet> four;
  std::optional<NewSubnet> six;
  TRY(sort_subnets(wanted, four, six));
  Addressing<Subnet4> addressing;
  Addressing<Subnet6> addressing6;
  if (four) TRY(read_subnet<Four>(*four, addressing));
  if (six) TRY(read_subnet<Six>(*six, addressing6));
  return {};
}

std::vector<SubnetPool> default_pools() {
  constexpr int kBits = 24;
  std::vector<SubnetPool> pools;
  for (const char* base : {"172.18.0.0/15", "172.20.0.0/14", "172.24.0.0/13", "192.168.0.0/16"}) {
    pools.push_back({*parse_subnet4(base), kBits});
  }
  return pools;
}

std::vector<SubnetPool> pools_of_default() {
  std::vector<SubnetPool> pools;
  for (auto [base, bits] : {std::pair("172.17.0.0/16", 16), std::pair("172.18.0.0/15", 16),
                            std::pair("172.20.0.0/14", 16), std::pair("172.24.0.0/13", 16),
                            std::pair("192.168.0.0/16", 20)}) {
    pools.push_back({*parse_subnet4(base), bits});
  }
  return pools;
}

std::vector<SubnetPool6> default_pools6(std::string_view host_id) {
  // The last 40 bits of the first eight bytes.
  constexpr std::size_t kFrom = 6;
  constexpr std::size_t kDigits = 10;
  std::string id(digest_of(host_id).hex().substr(kFrom, kDigits));
  std::uint64_t number = parse_number<std::uint64_t>(id, 16).value_or(0);
  constexpr std::uint64_t kLocal = std::uint64_t{0xfd} << 56;
  constexpr int kBits = 64;
  return {{Subnet6{{kLocal | number << 16, 0}, 48}, kBits}};
}

template <typename Net>
std::vector<Net> LocalNetworks::other_subnets(std::string_view but) const {
  std::vector<Net> subnets;
  for (const NetworkRecord& record : list()) {
    const auto& addressing = record.addressing<Net>();
    if (addressing && record.id != but) subnets.push_back(addressing->subnet);
  }
  return subnets;
}

template <typename Net>
Result<Net> LocalNetworks::choose_subnet(const std::vector<BasicSubnetPool<Net>>& pools,
                                         std::string_view but) const {
  std::vector<Net> used = other_subnets<Net>(but);
  TRY_ASSIGN(Links links, Links::open());
  TRY_ASSIGN(std::vector<Net> routes, links.routes<Net>());
  used.insert(used.end(), routes.begin(), routes.end());
  if (auto subnet = free_subnet(pools, used)) return *subnet;
  return fail(Code::kInvalidArgument, "all predefined address pools have been fully subnetted");
}
template Result<Subnet4> LocalNetworks::choose_subnet(const std::vector<SubnetPool>&,
                                                      std::string_view) const;
template Result<Subnet6> LocalNetworks::choose_subnet(const std::vector<SubnetPool6>&,
                                                      std::string_view) const;

std::vector<SubnetPool> LocalNetworks::pools() const {
  return options_.pools.empty() ? default_pools() : options_.pools;
}

std::vector<SubnetPool6> LocalNetworks::pools6() const {
  return options_.pools6.empty() ? default_pools6(options_.host_id) : options_.pools6;
}

// Of the families that it is to have; a subnet of another one is left out, as docker does.
Status LocalNetworks::give_addresses(const NewNetwork& wanted, NetworkRecord& record) const {
  std::optional<NewSubnet> four;
  std::optional<NewSubnet> six;
  TRY(sort_subnets(wanted, four, six));
  auto give = [&]<typename Family>(Family, const std::optional<NewSubnet>& subnet,
                                   const auto& pools) -> Status {
    using Net = typename Family::Net;
    auto& addressing = record.addressing<Net>().emplace();
    if (subnet) {
      TRY(read_subnet<Family>(*subnet, addressing));
      return check_overlaps(addressing.subnet, other_subnets<Net>());
    }
    addressing.chosen = true;
    TRY_ASSIGN(addressing.subnet, choose_subnet<Net>(pools));
    addressing.gateway = first_gateway(addressing);
    return {};
  };
  if (wanted.ipv4.value_or(true)) TRY(give(Four(), four, pools()));
  if (wanted.ipv6.value_or(false)) TRY(give(Six(), six, pools6()));
  return {};
}

Result<NetworkRecord> LocalNetworks::record_of(const NewNetwork& wanted) const {
  if (wanted.config_only) return config_record_of(wanted);
  if (!wanted.config_from.empty()) {
    TRY_ASSIGN(NewNetwork all, configured(wanted));
    all.config_from.clear();
    TRY_ASSIGN(NetworkRecord record, record_of(all));
    record.config_from = wanted.config_from;
    return record;
  }
  if (wanted.driver == "cni") return cni_record_of(wanted);
  TRY(check_driver(wanted));
  NetworkRecord record;
  TRY_ASSIGN(record.id, random_id());
  record.name = wanted.name;
  record.internal = wanted.internal;
  record.attachable = wanted.attachable;
  record.options = wanted.options;
  record.labels = wanted.labels;
  record.ipam_options = wanted.ipam_options;
  if (is_sub_driver(wanted.driver)) record.driver = wanted.driver;
  TRY(name_interface(record));
  TRY(give_addresses(wanted, record));
  TRY(check_options(record));
  return record;
}

// The interface of the host that is the network's alone.
Status LocalNetworks::name_interface(NetworkRecord& record) const {
  if (record.is_bridge()) {
    record.bridge = record.text_option(kBridgeName);
    constexpr std::size_t kShort = 12;
    if (record.bridge.empty()) record.bridge = "br-" + record.id.substr(0, kShort);
  } else {
    TRY_ASSIGN(Links links, Links::open());
    TRY(choose_parent(links, record));
  }
  for (const NetworkRecord& other : list()) {
    if (!record.bridge.empty() && other.bridge == record.bridge) {
      return fail(Code::kPermissionDenied, cat("conflicts with network ", other.id, " (",
                                               other.name, "): networks have same bridge name"));
    }
    if (!record.parent.empty() && other.parent == record.parent) {
      return fail(Code::kPermissionDenied,
                  cat("network ", other.id, " is already using parent interface ", record.parent));
    }
  }
  return {};
}

}  // namespace dhow::network
