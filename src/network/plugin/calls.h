// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/cni/result.h"
#include "network/plugin/records.h"
#include "network/plugin/request.h"

namespace dhow::bridge_plugin {

// The commands of one call, on what it was called with, which is borrowed.
class Call {
 public:
  Call(const Environment& environment, const Config& config)
      : environment_(environment), config_(config) {}

  // The result as a text.
  Result<std::string> add() const;
  Status remove() const;
  Status check() const;
  Status collect() const;
  Status status() const;

 private:
  Attachment key() const { return {environment_.container, environment_.interface}; }
  // Runs the plugin that gives addresses, if there is one; what it says.
  Result<std::string> delegate(std::string_view command) const;
  Result<cni::AddResult> addresses(const Records& records) const;
  Result<cni::AddResult> make(const Records& records, const cni::AddResult& given) const;
  // `addresses` and `own` are those of `given`, in its order.
  Result<std::vector<network::Address>> parse_addresses(const cni::AddResult& given) const;
  Status wire(const Record& record, const cni::AddResult& given,
              const std::vector<network::Address>& addresses, cni::AddResult& result) const;
  Status make_bridge(const Record& record, const cni::AddResult& given,
                     const std::vector<network::Address>& own) const;
  // Of our network; the first failure, behind which the rest stays.
  Status remove_all(const Records& records, const std::vector<Attachment>& all) const;
  Status remove_rows(const Records& records, const std::vector<Attachment>& all) const;
  Status check_ports(const Records& records) const;
  Status set_firewall(const Records& records) const;

  const Environment& environment_;
  const Config& config_;
};

}  // namespace dhow::bridge_plugin
