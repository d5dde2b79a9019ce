// SPDX-License-Identifier: Apache-2.0
#include "engine/network_requests.h"

#include "base/strings.h"
#include "network/tuning.h"

namespace dhow::engine {
namespace {

using network::Join;
using network::NetworkRecord;
using network::PortWish;

std::unexpected<Error> bad_endpoint(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

// A number of bits, as CNI's bandwidth has them.
Status read_bits(const EndpointConfig& config, std::string_view name, std::uint64_t& out) {
  std::string option = cat("com.dhow.bandwidth.", name);
  auto found = config.driver_opts.find(option);
  if (found == config.driver_opts.end()) return {};
  auto number = parse_number<std::uint64_t>(found->second);
  if (!number || *number == 0) {
    return bad_endpoint(cat("invalid value for ", quoted(option), ": ", quoted(found->second),
                            ": not a number of bits"));
  }
  out = *number;
  return {};
}

Status read_tuning(const EndpointConfig& config, Join& join) {
  auto sysctls = config.driver_opts.find("com.docker.network.endpoint.sysctls");
  if (sysctls != config.driver_opts.end()) {
    TRY_ASSIGN(join.sysctls, network::parse_interface_sysctls(sysctls->second));
  }
  TRY(read_bits(config, "ingress-rate", join.ingress.bits_a_second));
  TRY(read_bits(config, "ingress-burst", join.ingress.burst));
  TRY(read_bits(config, "egress-rate", join.egress.bits_a_second));
  return read_bits(config, "egress-burst", join.egress.burst);
}

Result<PortWish> wish_of(const std::string& port, const PortBinding& binding) {
  auto parsed = network::parse_port(port);
  if (!parsed) return bad_endpoint(cat("invalid port specification: ", quoted(port)));
  auto range = network::parse_port_range(binding.host_port);
  if (!range) return bad_endpoint(cat("invalid port specification: ", quoted(binding.host_port)));
  PortWish wish{parsed->second, parsed->first, {}, range->first, range->second};
  if (binding.host_ip.empty()) return wish;
  wish.host = network::parse_ip(binding.host_ip);
  if (!wish.host) return bad_endpoint(cat("invalid IP address: ", binding.host_ip));
  if (wish.is_local() && wish.protocol == "sctp") {
    // The kernel routes nothing from there, so the container's shim would have to pass it on.
    return fail(Code::kUnimplemented,
                cat("PortBindings: ", port, ": the host address ::1: SCTP is not published there"));
  }
  return wish;
}

}  // namespace

Result<Join> join_of(const NetworkRecord& record, const EndpointConfig& config,
                     const std::string& mac) {
  if (record.is_config_only()) {
    return fail(Code::kPermissionDenied, "cannot create endpoint on configuration-only network");
  }
  if (!record.has_interfaces()) {
    return bad_endpoint(
        cat("container cannot be connected to network ", record.name, " and to others"));
  }
  if (record.is_default() && !config.aliases.empty()) {
    return bad_endpoint(
        "network-scoped alias is supported only for containers in user defined networks");
  }
  Join join;
  join.network = record.id;
  join.mac = config.mac_address.empty() ? mac : config.mac_address;
  if (!join.mac.empty() && !network::parse_mac(join.mac)) {
    return bad_endpoint(cat("invalid MAC address: ", join.mac));
  }
  join.priority = config.gw_priority;
  auto name = config.driver_opts.find("com.docker.network.endpoint.ifname");
  if (name != config.driver_opts.end()) join.inside = name->second;
  TRY(read_tuning(config, join));
  if (!config.ipam_config) return join;
  for (const std::string& text : config.ipam_config->link_local_ips) {
    auto address = network::parse_ip(text);
    if (!address) {
      return bad_endpoint(cat("invalid endpoint settings: invalid link-local IP address: ", text));
    }
    if (address->is_v6 && !record.v6) {
      return bad_endpoint(cat("invalid endpoint settings: link-local IP address ", text,
                              ": the network has no IPv6"));
    }
    join.link_local.push_back(*address);
  }
  const std::string& text = config.ipam_config->ipv4_address;
  const std::string& text6 = config.ipam_config->ipv6_address;
  if (text.empty() && text6.empty()) return join;
  if (!text.empty()) join.address = network::parse_ip4(text);
  if (!text6.empty()) join.address6 = network::parse_ip6(text6);
  if (!text.empty() && !join.address) {
    return bad_endpoint(cat("invalid endpoint settings: invalid IPv4 address: ", text));
  }
  if (!text6.empty() && !join.address6) {
    return bad_endpoint(cat("invalid endpoint settings: invalid IPv6 address: ", text6));
  }
  if (record.is_default()) {
    return bad_endpoint(
        "invalid config for network bridge: invalid endpoint settings: user specified IP address "
        "is supported on user defined networks only");
  }
  bool is_chosen = (join.address && record.v4 && record.v4->chosen) ||
                   (join.address6 && record.v6 && record.v6->chosen);
  if (is_chosen) {
    return bad_endpoint(cat("invalid config for network ", record.name,
                            ": invalid endpoint settings: user specified IP address is supported "
                            "only when connecting to networks with user configured subnets"));
  }
  return join;
}

Result<std::vector<PortWish>> port_wishes(const CreateConfig& config) {
  std::vector<PortWish> wishes;
  for (const auto& [port, bindings] : config.host.port_bindings) {
    for (const PortBinding& binding : bindings.empty() ? std::vector<PortBinding>(1) : bindings) {
      TRY_ASSIGN(PortWish wish, wish_of(port, binding));
      wishes.push_back(std::move(wish));
    }
  }
  if (!config.host.publish_all_ports) return wishes;
  for (const std::string& port : config.config.exposed_ports) {
    if (config.host.port_bindings.contains(port)) continue;
    TRY_ASSIGN(PortWish wish, wish_of(port, {}));
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

}  // namespace dhow::engine
