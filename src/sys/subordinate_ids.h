// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

namespace dhow {

// A range of ids that a user may give away (subuid(5), subgid(5)).
struct SubordinateIds {
  unsigned first = 0;
  unsigned count = 0;
  bool operator==(const SubordinateIds&) const = default;
};

// All ranges that `text`, of /etc/subuid or /etc/subgid, has for the user, in the order of its
// lines. Lines that are none are left out.
std::vector<SubordinateIds> subordinate_ranges(std::string_view text, std::string_view name,
                                               uid_t uid);

// The longest of them.
std::optional<SubordinateIds> subordinate_ids(std::string_view text, std::string_view name,
                                              uid_t uid);

}  // namespace dhow
