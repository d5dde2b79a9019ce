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
  std::int64_t size = 0;  // bytes that the folder may take; 0: no limit

  // A folder of the machine ("type=none,o=bind,device=/path").
  bool is_bind() const;
  bool is_plain() const { return type.empty(); }

  // Faults are kInvalidArgument, in docker's words where it has some.
  static Result<LocalOptions> parse(const metadata::Labels& options);
};

}  // namespace dhow::volume
