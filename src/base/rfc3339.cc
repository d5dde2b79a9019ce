// SPDX-License-Identifier: Apache-2.0
#include "base/rfc3339.h"

#include <chrono>

#include "base/strings.h"

namespace dhow {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86'400;

// Decimal, with zeros in front up to `width`.
void append_padded(std::string& text, std::int64_t number, std::size_t width) {
  std::string digits = cat(number);
  if (digits.size() < width) text.append(width - digits.size(), '0');
  text += digits;
}

// Takes so many digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  auto number = parse_number<unsigned>(text.substr(0, count));
  if (!number) return std::nullopt;
  text.remove_prefix(count);
  return static_cast<int>(*number);
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// "2024-05-01": days since 1970.
std::optional<std::int64_t> take_date(std::string_view& text) {
  auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  auto month = take_digits(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// "12:00:00": seconds of the day. A leap second is the next one's first.
std::optional<std::int64_t> take_clock(std::string_view& text) {
  auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ":")) return std::nullopt;
  auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;
  return *hour * 3600 + *minute * 60 + *second;
}

// ".5", or nothing: nanoseconds.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return 0;
  std::int64_t fraction = 0;
  std::int64_t unit = kSecond;
  bool any = false;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    unit /= 10;
    fraction += unit * (text.front() - '0');
    text.remove_prefix(1);
    any = true;
  }
  if (!any) return std::nullopt;
  return fraction;
}

// "Z" or "+02:00", to the end: seconds to the east.
std::optional<std::int64_t> take_zone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  bool west = text.starts_with('-');
  if (!take(text, "+-")) return std::nullopt;
  auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ":")) return std::nullopt;
  auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !text.empty()) return std::nullopt;
  std::int64_t offset = *hours * 3600 + *minutes * 60;
  return west ? -offset : offset;
}

}  // namespace

std::string rfc3339_nano(std::int64_t nanoseconds) {
  std::int64_t seconds = nanoseconds / kSecond;
  std::int64_t fraction = nanoseconds % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  std::int64_t days = seconds / kDay;
  std::int64_t rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  std::string text;
  append_padded(text, static_cast<int>(date.year()), 4);
  text += '-';
  append_padded(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  append_padded(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_padded(text, rest / 3600, 2);
  text += ':';
  append_padded(text, rest / 60 % 60, 2);
  text += ':';
  append_padded(text, rest % 60, 2);
  if (fraction != 0) {
    text += '.';
    append_padded(text, fraction, 9);
    text.resize(text.find_last_not_of('0') + 1);
  }
  text += 'Z';
  return text;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  auto days = take_date(text);
  if (!days || !take(text, "Tt ")) return std::nullopt;
  auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  auto zone = take_zone(text);
  if (!zone) return std::nullopt;
  std::int64_t seconds = *days * kDay + *clock - *zone;
  std::int64_t result = 0;
  if (__builtin_mul_overflow(seconds, kSecond, &result) ||
      __builtin_add_overflow(result, *fraction, &result)) {
    return std::nullopt;
  }
  return result;
}

}  // namespace dhow
