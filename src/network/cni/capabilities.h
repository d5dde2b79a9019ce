// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dhow::cni {

// Values for runtimeConfig by the name of the capability, each a JSON text. A plugin gets those
// that its configuration says it can do.
using CapabilityArgs = std::map<std::string, std::string>;

struct PortMapping {
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  std::string protocol = "tcp";
  std::string host_ip;  // "": all
};

// Rates in bits a second, bursts in bits; 0: no limit.
struct Bandwidth {
  std::uint64_t ingress_rate = 0;
  std::uint64_t ingress_burst = 0;
  std::uint64_t egress_rate = 0;
  std::uint64_t egress_burst = 0;
};

struct IpRange {
  std::string subnet;
  std::string range_start;
  std::string range_end;
  std::string gateway;
};

// What a runtime may have to say about one attachment (CNI's CONVENTIONS.md, and containerd's own
// capability for the annotations of pods). Empty ones are not said.
struct Capabilities {
  std::vector<PortMapping> port_mappings;
  std::optional<Bandwidth> bandwidth;
  std::vector<std::vector<IpRange>> ip_ranges;
  std::vector<std::string> dns_servers;
  std::vector<std::string> dns_searches;
  std::vector<std::string> dns_options;
  std::vector<std::string> ips;  // with the length of the network's part where that is known
  std::string mac;
  std::string infiniband_guid;
  std::string device_id;
  std::vector<std::string> aliases;
  std::string cgroup_path;
  std::map<std::string, std::string> pod_annotations;

  CapabilityArgs args() const;
};

}  // namespace dhow::cni
