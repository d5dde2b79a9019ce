// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/cni/version.h"

namespace dhow::cni {

// What a plugin says it has made (CNI specification 1.1, "Success"). Texts are as the plugin has
// written them; addresses are checked to be some.
struct Interface {
  std::string name;
  std::string mac;
  std::optional<std::uint32_t> mtu;  // bytes
  std::string sandbox;               // path of its network namespace; "": the host's
  std::string socket_path;
  std::string pci_id;
};

struct IpConfig {
  std::string address;  // with the length of its network's part: "10.0.0.2/24"
  std::string gateway;  // "": none
  // Which of the interfaces has it.
  std::optional<std::size_t> interface;
};

struct Route {
  std::string dst;
  std::string gw;
  std::optional<std::int64_t> mtu;
  std::optional<std::int64_t> advmss;
  std::optional<std::int64_t> priority;
  std::optional<std::int64_t> table;
  std::optional<std::int64_t> scope;
};

struct Dns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;
  std::vector<std::string> options;

  bool empty() const {
    return nameservers.empty() && domain.empty() && search.empty() && options.empty();
  }
};

struct AddResult {
  // That it was written in.
  Version version = kNewest;
  std::vector<Interface> interfaces;
  std::vector<IpConfig> ips;
  std::vector<Route> routes;
  Dns dns;
};

// Reads a result of any version from 0.1.0 to 1.1.0; one that names none is of version `otherwise`.
// kInvalidArgument with the place of the fault.
Result<AddResult> parse_result(std::string_view json, const Version& otherwise = kOldest);

// The result as one of `version`, without what that version has no word for.
std::string result_text(const AddResult& result, const Version& version);

// An address of IPv4 or IPv6, alone or with the length of its network's part ("10.0.0.2/24").
bool is_address(std::string_view text);
bool is_address_with_length(std::string_view text);

}  // namespace dhow::cni
