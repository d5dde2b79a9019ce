// SPDX-License-Identifier: Apache-2.0
#include "sys/subordinate_ids.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace dhow {

std::vector<SubordinateIds> subordinate_ranges(std::string_view text, std::string_view name,
                                               uid_t uid) {
  std::vector<SubordinateIds> ranges;
  std::string number = cat(uid);
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields = split(trim(line), ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != number)) continue;
    auto first = parse_number<unsigned>(fields[1]);
    auto count = parse_number<unsigned>(fields[2]);
    if (first && count && *count != 0) ranges.push_back({*first, *count});
  }
  return ranges;
}

std::optional<SubordinateIds> subordinate_ids(std::string_view text, std::string_view name,
                                              uid_t uid) {
  std::vector<SubordinateIds> ranges = subordinate_ranges(text, name, uid);
  auto longest = std::ranges::max_element(ranges, {}, &SubordinateIds::count);
  if (longest == ranges.end()) return std::nullopt;
  return *longest;
}

}  // namespace dhow
