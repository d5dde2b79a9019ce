// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "network/firewall.h"
#include "network/plugin/request.h"
#include "sys/fd.h"

namespace dhow::bridge_plugin {

// What was made for an attachment (docs/formats/dhow-cni.md).
struct Record {
  std::string network;
  Attachment attachment;
  std::string bridge;
  bool masquerade = true;
  std::vector<std::string> addresses;  // with the length of the network's part
  std::vector<cni::PortMapping> ports;
};

std::string record_text(const Record& record);
Result<Record> parse_record(std::string_view json);

// The files of all networks below one folder, DIR/NETWORK/CONTAINER@INTERFACE, each written before
// what it stands for and removed after it. One process at a time, for as long as this lives.
class Records {
 public:
  // Waits for others.
  static Result<Records> open(const std::string& folder);

  Result<std::optional<Record>> find(const std::string& network, const Attachment& key) const;
  // kAlreadyExists is not looked for.
  Status put(const Record& record) const;
  Status remove(const std::string& network, const Attachment& key) const;
  Result<std::vector<Record>> of_network(const std::string& network) const;
  // What the firewall is to hold for all of them.
  Result<network::FirewallState> firewall() const;

 private:
  Records(Fd folder, Fd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  Result<Fd> open_network(const std::string& network) const;

  Fd folder_;
  Fd lock_;
};

}  // namespace dhow::bridge_plugin
