// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"
#include "network/address.h"
#include "network/firewall.h"
#include "network/ports.h"

namespace dhow::network {

using TextMap = std::map<std::string, std::string>;

// What a network has of one family of addresses.
template <typename Net>
struct Addressing {
  using Address = decltype(Net::base);

  Net subnet;
  Address gateway;
  std::optional<Net> range;
  std::map<std::string, Address> auxiliary;  // AuxiliaryAddresses
  // The subnet was not asked for, so another would do as well.
  bool chosen = false;
};

inline constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
inline constexpr std::string_view kGatewayMode = "com.docker.network.bridge.gateway_mode_ipv4";
inline constexpr std::string_view kGatewayMode6 = "com.docker.network.bridge.gateway_mode_ipv6";
inline constexpr std::string_view kTrusted = "com.docker.network.bridge.trusted_host_interfaces";

// "nat", "nat-unprotected", "routed", "isolated"; "" is "nat".
std::optional<GatewayMode> parse_gateway_mode(std::string_view text);

// As it is asked for.
struct NewSubnet {
  std::string subnet;
  std::string range;
  std::string gateway;
  TextMap auxiliary;
  bool operator==(const NewSubnet&) const = default;
};

// What a network that is none has for others.
struct NetworkSettings {
  std::vector<NewSubnet> subnets;
  bool v4 = true;
  bool v6 = false;
};

// A network as it is kept. Those without addresses of their own, "host" and "none", have neither
// bridge nor subnet.
struct NetworkRecord {
  std::string id;
  std::string name;
  std::string driver = "bridge";
  std::int64_t created = 0;  // nanoseconds since 1970
  std::string bridge;        // name of its interface; none for other drivers
  // Of macvlan and ipvlan: the interface of the host that those of containers are on, and whether
  // it is made with the first container and goes with the network.
  std::string parent;
  bool owns_parent = false;
  // None: EnableIPv4 or EnableIPv6 is false.
  std::optional<Addressing<Subnet4>> v4;
  std::optional<Addressing<Subnet6>> v6;
  template <typename Net>
  std::optional<Addressing<Net>>& addressing() {
    if constexpr (std::is_same_v<Net, Subnet4>) {
      return v4;
    } else {
      return v6;
    }
  }
  template <typename Net>
  const std::optional<Addressing<Net>>& addressing() const {
    return const_cast<NetworkRecord*>(this)->addressing<Net>();
  }
  bool internal = false;
  bool attachable = false;
  TextMap options;
  TextMap ipam_options;
  TextMap labels;

  // It is none, and only has settings for others, which are these, and the options and labels.
  std::optional<NetworkSettings> settings;
  // The name of the one that has its settings; "": it has its own.
  std::string config_from;

  // Of the driver "cni": its configuration, as a list.
  std::string cni;

  // Its addresses are given out by us.
  bool has_addresses() const { return is_bridge() || driver == "macvlan" || driver == "ipvlan"; }
  bool is_bridge() const { return driver == "bridge"; }
  bool is_cni() const { return driver == "cni"; }
  bool is_config_only() const { return settings.has_value(); }
  // Containers get an interface in it.
  bool has_interfaces() const { return driver != "host" && driver != "null"; }
  bool is_default() const { return name == "bridge"; }
  // Of an option; `otherwise` where it is not given.
  bool option(std::string_view name, bool otherwise) const;
  std::string text_option(std::string_view name) const;
  GatewayMode gateway_mode(bool is_v6) const;
  // Of the option kTrusted.
  std::vector<std::string> trusted_interfaces() const;
  // Of its interfaces; 0: the kernel's choice.
  std::uint32_t mtu() const;
};

// What plugins of CNI have told of an endpoint.
struct CniEndpoint {
  std::string space;    // where the namespace of the network is mounted
  std::string address;  // with the length of its network's part; "": none of IPv4
  std::string gateway;
  std::string address6;  // as well, of IPv6
  std::string gateway6;
  bool operator==(const CniEndpoint&) const = default;
};

// What connects a container that runs to a network.
struct Endpoint {
  std::string network;
  std::string container;
  std::string id;
  std::string name;           // of the container, when it was made
  Ip4 address;                // 0.0.0.0: it has none of this family
  Ip6 address6;               // "::": as well
  std::string mac;            // "02:42:…"
  std::string outside;        // the interface in the bridge
  std::string inside;         // and in the container
  std::int64_t priority = 0;  // GwPriority
  // The container's default route of that family leads here, and so do its published ports.
  bool is_gateway = false;
  bool is_gateway6 = false;
  // Its interface is being made, which without an outer end nobody else can see.
  bool is_half = false;
  std::vector<PublishedPort> ports;
  // Plugins have made it: there is no address of ours, and no interface outside that we know.
  std::optional<CniEndpoint> cni;

  bool operator==(const Endpoint&) const = default;
  // `address` and `address6` of what plugins have told.
  void take_addresses_of_plugins();
  // Those that it has, IPv4 first.
  std::vector<Ip> addresses() const;
};

// The rows of one namespace, within a transaction.
class Rows {
 public:
  Rows(metadata::Transaction& transaction, std::string_view name_space)
      : transaction_(transaction), name_space_(name_space) {}

  // kAlreadyExists when the name or the id is taken.
  Status insert(const NetworkRecord& record) const;
  Status update(const NetworkRecord& record) const;
  // kFailedPrecondition while it has endpoints.
  Status remove(std::string_view id) const;
  Result<std::vector<NetworkRecord>> networks() const;

  Status insert(const Endpoint& endpoint) const;
  Status update(const Endpoint& endpoint) const;
  // None is success.
  Status remove_endpoint(std::string_view network, std::string_view container) const;
  Result<std::vector<Endpoint>> endpoints() const;

 private:
  metadata::Transaction& transaction_;
  std::string_view name_space_;
};

}  // namespace dhow::network
