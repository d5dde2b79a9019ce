// SPDX-License-Identifier: Apache-2.0
#include "network/cni/version.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::cni {

std::string Version::text() const { return cat(major, ".", minor, ".", patch); }

std::optional<Version> parse_version(std::string_view text) {
  std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 3) return std::nullopt;
  int numbers[3];
  for (std::size_t i = 0; i < 3; ++i) {
    auto number = parse_number<int>(parts[i]);
    if (!number || *number < 0) return std::nullopt;
    numbers[i] = *number;
  }
  return Version{numbers[0], numbers[1], numbers[2]};
}

const std::vector<Version>& known_versions() {
  static const std::vector<Version> kKnown = {kOldest,   {0, 2, 0}, {0, 3, 0}, {0, 3, 1},
                                              {0, 4, 0}, {1, 0, 0}, kNewest};
  return kKnown;
}

bool is_known(const Version& version) {
  return std::ranges::find(known_versions(), version) != known_versions().end();
}

}  // namespace dhow::cni
