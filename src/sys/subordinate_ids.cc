// SPDX-License-Identifier: Apache-2.0
#include "sys/subordinate_ids.h"

#include <string>
#include <vector>

#include "base/strings.h"

namespace dhow {

std::optional<SubordinateIds> subordinate_ids(std::string_view text, std::string_view name,
                                              uid_t uid) {
  std::optional<SubordinateIds> longest;
  std::string number = cat(uid);
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields = split(trim(line), ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != number)) continue;
    auto first = parse_number<unsigned>(fields[1]);
    auto count = parse_number<unsigned>(fields[2]);
    if (!first || !count || *count == 0) continue;
    if (!longest || longest->count < *count) longest = SubordinateIds{*first, *count};
  }
  return longest;
}

}  // namespace dhow
