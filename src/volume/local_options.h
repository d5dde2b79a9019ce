// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "metadata/lease_store.h"

namespace dhow::volume {

// What the local driver takes: `type`, `o` and `device` as mount(8) has them, and `size`.
struct LocalOptions {
  std::string type;                  // "": a plain folder
  std::vector<std::string> options;  // of `o`
  std::string device;

  // A folder of the machine ("type=none,o=bind,device=/path").
  bool is_bind() const;
  bool is_plain() const { return type.empty(); }
  bool is_network() const;  // nfs, cifs

  // Faults are kInvalidArgument in docker's words; `size` is kUnimplemented.
  static Result<LocalOptions> parse(const metadata::Labels& options);
};

}  // namespace dhow::volume
