// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"

namespace dhow::cgroup {

// A file of a cgroup, open for writing, and what makes it again what it was.
struct OldValue {
  Fd file;
  std::string path;
  std::string value;
};

// What was written to, in this order.
using OldValues = std::vector<OldValue>;

// What to write to `file` to take `value` back, when `before` is what could be read from it. Of a
// file with a line a device, which takes one line a write, that is the line of this device.
// Nullopt when it is not known how to have no line again.
std::optional<std::string> undoing_value(std::string_view file, std::string_view before,
                                         std::string_view value);

// Writes them back, the last one first: each step leads to a state that the kernel had accepted.
// What it refuses now is logged and left. Blocks as cgroupfs does.
void put_back(const OldValues& values);

}  // namespace dhow::cgroup
