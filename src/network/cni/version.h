// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dhow::cni {

// A version of the CNI specification.
struct Version {
  int major = 0;
  int minor = 1;
  int patch = 0;

  auto operator<=>(const Version&) const = default;
  std::string text() const;
};

// What a configuration or a result is in that names no version.
inline constexpr Version kOldest{0, 1, 0};
inline constexpr Version kNewest{1, 1, 0};
// Since when there is prevResult for DEL, and CHECK; and GC and STATUS.
inline constexpr Version kCheckSince{0, 4, 0};
inline constexpr Version kGcSince{1, 1, 0};

// "1.0.0": three numbers; nullopt for everything else.
std::optional<Version> parse_version(std::string_view text);
// All versions of the specification that we speak, the oldest first.
const std::vector<Version>& known_versions();
bool is_known(const Version& version);

}  // namespace dhow::cni
