// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dhow::engine {

// What has passed an interface since it was made.
struct InterfaceUse {
  struct Direction {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t errors = 0;
    std::uint64_t dropped = 0;
    bool operator==(const Direction&) const = default;
  };
  std::string name;
  Direction received;
  Direction sent;
  bool operator==(const InterfaceUse&) const = default;
};

// Of those names, by a text as /proc/PID/net/dev has it (proc_pid_net(5)).
std::vector<InterfaceUse> parse_interface_use(std::string_view text,
                                              const std::set<std::string>& names);

}  // namespace dhow::engine
