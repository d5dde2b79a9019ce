// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/cni/capabilities.h"
#include "network/cni/result.h"
#include "network/cni/version.h"

namespace dhow::bridge_plugin {

// What a runtime asks of us: CNI's environment, and the configuration that came by the standard
// input.
struct Environment {
  std::string command;
  std::string container;
  std::string netns;
  std::string interface;
  std::string args;
  std::string path;  // CNI_PATH
};

struct Attachment {
  std::string container;
  std::string interface;
  bool operator==(const Attachment&) const = default;
};

// The configuration (docs/networks.md has its keys).
struct Config {
  cni::Version version = cni::kOldest;
  std::string name;
  std::string bridge;  // "": one that is made from the name
  std::string folder = "/var/lib/dhow-cni";
  std::optional<network::Address4> subnet;
  std::optional<network::Ip4> gateway;
  std::optional<network::Ip4> first;
  std::optional<network::Ip4> last;
  std::uint32_t mtu = 0;
  bool is_gateway = true;  // containers have their default route by the bridge
  bool masquerade = true;  // what leaves has the host's address
  std::string ipam;        // the plugin that gives addresses; "": we do
  cni::Dns dns;
  // runtimeConfig.
  std::vector<cni::PortMapping> ports;
  std::vector<network::Ip4> wanted;
  std::string mac;
  std::optional<cni::AddResult> previous;
  std::optional<std::vector<Attachment>> valid;  // of GC
  std::string text;                              // as it came
};

// kInvalidArgument with the place of the fault.
Result<Config> parse_config(std::string_view json);

// The bridge of a network that names none, and the outer end of an attachment: the same each time,
// so that what is to be removed is known also when nothing else is.
std::string bridge_of(const Config& config);
std::string outside_of(std::string_view network, const Attachment& attachment);

}  // namespace dhow::bridge_plugin
