// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dhow::logging {

// Nanoseconds since 1970, by CLOCK_REALTIME.
std::int64_t now_ns();

// How many digits of a second are written: as Go's RFC3339Nano (zeros at the end are left out), or
// always nine.
enum class Fraction { kShort, kNine };

// RFC 3339 in UTC, "2026-01-02T03:04:05.6Z". Keeps the text of the last second: a log has many
// lines of the same. Not thread safe.
class TimeWriter {
 public:
  void append(std::string& out, std::int64_t time_ns, Fraction fraction);

 private:
  std::int64_t second_ = -1;
  char text_[20] = {};
};

// The time of an RFC 3339 text, with any offset from UTC and up to nine digits of a second (more
// are dropped). nullopt for anything else, and for years outside of 1678 to 2261.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace dhow::logging
