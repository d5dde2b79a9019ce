// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Numbers with units, as people write them.
namespace dhow {

// A decimal number with an optional fraction, times `unit`: "1.5". None when it is no number, or
// too large.
std::optional<std::int64_t> scale_decimal(std::string_view digits, std::int64_t unit);

// A size in bytes with an optional binary unit in any case: "64", "64m", "1.5GiB", "10 kb".
std::optional<std::int64_t> parse_size(std::string_view text);

}  // namespace dhow
