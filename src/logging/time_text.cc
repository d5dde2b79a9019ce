// SPDX-License-Identifier: Apache-2.0
#include "logging/time_text.h"

#include <ctime>

#include "base/strings.h"

namespace dhow::logging {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void put_digits(char* out, std::int64_t value, int count) {
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

// Days since 1970 of a date in the Gregorian calendar: years are counted from March, so that the
// leap day is the last of its year.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  if (month <= 2) --year;
  std::int64_t month_from_march = (month + 9) % 12;
  std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

struct Date {
  std::int64_t year, month, day;
};

Date date_of(std::int64_t days) {
  days += 719468;
  std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  std::int64_t day_of_era = days - era * 146097;
  std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
  std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * month_from_march + 2) / 5 + 1};
}

std::optional<std::int64_t> number_at(std::string_view text, std::size_t at, std::size_t size) {
  if (text.size() < at + size) return std::nullopt;
  std::int64_t value = 0;
  for (char c : text.substr(at, size)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// "Z" or "+hh:mm", in seconds.
std::optional<std::int64_t> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  auto hours = number_at(text, 1, 2);
  auto minutes = number_at(text, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  std::int64_t offset = *hours * 3600 + *minutes * 60;
  return text[0] == '-' ? -offset : offset;
}

// The digits after the point, taken off the text.
std::optional<std::int64_t> take_fraction(std::string_view& rest) {
  if (!rest.starts_with('.') && !rest.starts_with(',')) return 0;
  rest.remove_prefix(1);
  std::int64_t value = 0;
  std::int64_t unit = kSecond / 10;
  std::size_t digits = 0;
  while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
    value += (rest[digits] - '0') * unit;
    unit /= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  rest.remove_prefix(digits);
  return value;
}

bool is_day(std::int64_t year, std::int64_t month, std::int64_t day) {
  if (month < 1 || month > 12 || day < 1) return false;
  Date back = date_of(days_of(year, month, day));
  return back.month == month && back.day == day;
}

}  // namespace

std::int64_t now_ns() {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void TimeWriter::append(std::string& out, std::int64_t time_ns, Fraction fraction) {
  std::int64_t second = time_ns / kSecond;
  std::int64_t rest = time_ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --second;
  }
  if (second != second_ || text_[0] == 0) {
    std::int64_t days = (second >= 0 ? second : second - 86399) / 86400;
    std::int64_t in_day = second - days * 86400;
    Date date = date_of(days);
    __builtin_memcpy(text_, "0000-00-00T00:00:00", 20);
    put_digits(text_, date.year, 4);
    put_digits(text_ + 5, date.month, 2);
    put_digits(text_ + 8, date.day, 2);
    put_digits(text_ + 11, in_day / 3600, 2);
    put_digits(text_ + 14, in_day / 60 % 60, 2);
    put_digits(text_ + 17, in_day % 60, 2);
    second_ = second;
  }
  out.append(text_, 19);
  char digits[10] = {'.'};
  put_digits(digits + 1, rest, 9);
  std::size_t size = 10;
  if (fraction == Fraction::kShort) {
    while (size > 1 && digits[size - 1] == '0') --size;
    if (size == 1) size = 0;
  }
  out.append(digits, size);
  out += 'Z';
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  auto year = number_at(text, 0, 4), month = number_at(text, 5, 2), day = number_at(text, 8, 2);
  auto hour = number_at(text, 11, 2), minute = number_at(text, 14, 2),
       second = number_at(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  if (*year < 1678 || *year > 2261 || !is_day(*year, *month, *day)) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::string_view rest = text.substr(19);
  auto fraction = take_fraction(rest);
  auto offset = parse_offset(rest);
  if (!fraction || !offset) return std::nullopt;
  std::int64_t seconds =
      days_of(*year, *month, *day) * 86400 + *hour * 3600 + *minute * 60 + *second - *offset;
  return seconds * kSecond + *fraction;
}

}  // namespace dhow::logging
