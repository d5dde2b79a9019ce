// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dhow::registry {

// Which part of a content an answer has (RFC 9110, section 14.4): "bytes 10-19/100".
struct ContentRange {
  std::int64_t first = 0;
  std::int64_t last = 0;              // inclusive
  std::optional<std::int64_t> total;  // bytes of the whole, when known
};

// None for anything else, a range that was refused among them.
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace dhow::registry
