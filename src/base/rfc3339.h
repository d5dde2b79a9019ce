// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dhow {

// A time in UTC as Go's RFC3339Nano writes it: "2024-05-01T12:00:00.5Z", without trailing zeros of
// the fraction. `nanoseconds` since 1970, may be negative.
std::string rfc3339_nano(std::int64_t nanoseconds);

// Nanoseconds since 1970 of a time by RFC 3339, with any fraction (what is below a nanosecond is
// dropped) and any zone: "2024-05-01T14:00:00+02:00". None for anything else, and for times that do
// not fit (before 1678, after 2261).
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace dhow
