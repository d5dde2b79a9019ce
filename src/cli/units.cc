// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "base/strings.h"
#include "cli/flags.h"
#include "oci/json.h"

namespace dhow::cli {
namespace {

std::string scaled(double value, double base, int digits, std::span<const char* const> units) {
  std::size_t unit = 0;
  while (value >= base && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  char text[64];
  int size = std::snprintf(text, sizeof text, "%.*g%s", digits, value, units[unit]);
  return {text, static_cast<std::size_t>(size)};
}

tm local_time(std::int64_t seconds) {
  tm broken{};
  auto time = static_cast<time_t>(seconds);
  ::localtime_r(&time, &broken);
  return broken;
}

std::string formatted(const tm& broken, const char* format) {
  char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  return {text, ::strftime(text, sizeof text, format, &broken)};
#pragma GCC diagnostic pop
}

// "+02:00", or "Z".
std::string offset_text(const tm& broken) {
  if (broken.tm_gmtoff == 0) return "Z";
  std::string offset = formatted(broken, "%z");
  return offset.insert(3, ":");
}

}  // namespace

std::string human_size(double bytes, int digits) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  return scaled(bytes, 1000, digits, kUnits);
}

std::string binary_size(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  return scaled(bytes, 1024, 4, kUnits);
}

std::string human_duration(std::int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return cat(seconds, " seconds");
  std::int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return cat(minutes, " minutes");
  std::int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return cat(hours, " hours");
  if (hours < 24 * 7 * 2) return cat(hours / 24, " days");
  if (hours < 24 * 30 * 2) return cat(hours / 24 / 7, " weeks");
  if (hours < 24 * 365 * 2) return cat(hours / 24 / 30, " months");
  return cat(seconds / 3600 / 24 / 365, " years");
}

std::string go_time_text(std::int64_t unix_seconds) {
  return formatted(local_time(unix_seconds), "%Y-%m-%d %H:%M:%S %z %Z");
}

std::string rfc3339_text(std::int64_t unix_seconds) {
  tm broken = local_time(unix_seconds);
  return formatted(broken, "%Y-%m-%dT%H:%M:%S") + offset_text(broken);
}

std::string rfc3339_text(std::int64_t unix_seconds, std::int64_t nanoseconds, bool padded) {
  tm broken = local_time(unix_seconds);
  std::string fraction = cat(nanoseconds);
  fraction.insert(0, 9 - std::min<std::size_t>(fraction.size(), 9), '0');
  while (!padded && fraction.ends_with('0')) fraction.pop_back();
  return cat(formatted(broken, "%Y-%m-%dT%H:%M:%S"), fraction.empty() ? "" : ".", fraction,
             offset_text(broken));
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text, std::int64_t* nanoseconds) {
  std::string whole(text);
  tm broken{};
  const char* rest = ::strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &broken);
  if (rest == nullptr) return std::nullopt;
  std::int64_t fraction = 0;
  if (*rest == '.') {
    std::int64_t unit = 100'000'000;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) fraction += (*rest - '0') * unit;
  }
  if (nanoseconds != nullptr) *nanoseconds = fraction;
  if (*rest == 'Z' && rest[1] == '\0') return ::timegm(&broken);
  if (*rest == '\0') {
    broken.tm_isdst = -1;
    return ::mktime(&broken);
  }
  std::string_view zone = rest;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  auto hours = parse_number<int>(zone.substr(1, 2));
  auto minutes = parse_number<int>(zone.substr(4, 2));
  if (!hours || !minutes) return std::nullopt;
  std::int64_t offset = (*hours * 60 + *minutes) * 60;
  return ::timegm(&broken) - (zone[0] == '-' ? -offset : offset);
}

Result<std::string> api_time(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") == std::string_view::npos)
    return std::string(text);
  if (auto ago = parse_go_duration(text)) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::int64_t moment = now.tv_sec * 1'000'000'000 + now.tv_nsec - *ago;
    std::string fraction = cat(moment % 1'000'000'000);
    return cat(moment / 1'000'000'000, ".", std::string(9 - fraction.size(), '0'), fraction);
  }
  std::string whole(text);
  // What is left out of the end of a time is its beginning.
  constexpr std::string_view kEmpty = "0000-01-01T00:00:00";
  bool partial =
      whole.size() < kEmpty.size() && whole.size() >= 4 && whole.find('Z') == std::string::npos;
  if (partial) whole += kEmpty.substr(whole.size());
  std::int64_t nanoseconds = 0;
  auto seconds = parse_rfc3339(whole, &nanoseconds);
  if (!seconds) {
    return fail(Code::kInvalidArgument,
                cat("failed to parse value as time or duration: ", quoted(text)));
  }
  std::string fraction = cat(nanoseconds);
  return cat(*seconds, ".", std::string(9 - fraction.size(), '0'), fraction);
}

std::int64_t unix_now() { return ::time(nullptr); }

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string ellipsis(std::string_view text, std::size_t most) {
  if (text_width(text) <= most) return std::string(text);
  std::size_t end = 0;
  for (std::size_t count = 0; end < text.size(); ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && ++count == most) break;
  }
  return cat(text.substr(0, end), "…");
}

std::string short_id(std::string_view id) {
  if (std::size_t colon = id.find(':'); colon != std::string_view::npos)
    id.remove_prefix(colon + 1);
  return std::string(id.substr(0, 12));
}

std::string go_quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
    if (std::size_t index = kMeanings.find(c); index != std::string_view::npos) {
      result += cat('\\', kLetters[index]);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += cat("\\x", hex_text({&c, 1}));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

}  // namespace dhow::cli
