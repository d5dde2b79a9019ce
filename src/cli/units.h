// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// Numbers and times as docker writes them.
namespace dhow::cli {

// Powers of 1000 with so many significant digits: "1.98MB".
std::string human_size(double bytes, int digits = 4);
// Powers of 1024: "512MiB".
std::string binary_size(double bytes);
// "About a minute", "3 weeks": for ages, in seconds.
std::string human_duration(std::int64_t seconds);
// "2026-11-22 19:54:35 +0000 UTC", in local time, as Go prints a time.
std::string go_time_text(std::int64_t unix_seconds);
// "2026-11-22T19:54:35Z" in local time with its offset (RFC 3339).
std::string rfc3339_text(std::int64_t unix_seconds);
std::string rfc3339_text(std::int64_t unix_seconds, std::int64_t nanoseconds, bool padded);
// Seconds since 1970 of an RFC 3339 time, with its nanoseconds when they are asked for.
std::optional<std::int64_t> parse_rfc3339(std::string_view text,
                                          std::int64_t* nanoseconds = nullptr);
// What `--since` and `--until` mean for the engine: unix seconds as they are, times as RFC 3339 or
// a part of it in local time, durations ("10m") before now. Anything else is kInvalidArgument.
Result<std::string> api_time(std::string_view text);
// Now, in unix seconds.
std::int64_t unix_now();

// At most so many characters, the last one "…" when something is cut.
std::string ellipsis(std::string_view text, std::size_t most);
// How many characters a text of UTF-8 has.
std::size_t text_width(std::string_view text);
// The first 12 digits of an id, without "sha256:".
std::string short_id(std::string_view id);
// As Go's strconv.Quote.
std::string go_quoted(std::string_view text);

}  // namespace dhow::cli
