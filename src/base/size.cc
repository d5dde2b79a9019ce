// SPDX-License-Identifier: Apache-2.0
#include "base/size.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace dhow {

std::optional<std::int64_t> scale_decimal(std::string_view digits, std::int64_t unit) {
  std::string_view whole = digits.substr(0, digits.find('.'));
  std::string_view fraction = digits.substr(std::min(whole.size() + 1, digits.size()));
  if (whole.empty() && fraction.empty()) return std::nullopt;
  std::int64_t total = 0;
  if (!whole.empty()) {
    std::optional<std::int64_t> number = parse_number<std::int64_t>(whole);
    if (!number || *number < 0 || __builtin_mul_overflow(*number, unit, &total)) {
      return std::nullopt;
    }
  }
  std::int64_t divisor = 1;
  std::int64_t numerator = 0;
  for (char c : fraction.substr(0, 15)) {
    if (c < '0' || c > '9') return std::nullopt;
    numerator = numerator * 10 + (c - '0');
    divisor *= 10;
  }
  __extension__ using Wide = __int128;
  auto part = static_cast<std::int64_t>(static_cast<Wide>(numerator) * unit / divisor);
  if (__builtin_add_overflow(total, part, &total)) return std::nullopt;
  return total;
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  std::size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view digits = text.substr(0, size);
  std::string suffix = upper_text(text.substr(size));
  std::string_view unit = suffix;
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  std::int64_t factor = 1;
  static constexpr std::string_view kPrefixes = "KMGTP";
  if (!unit.empty() && kPrefixes.find(unit[0]) != std::string_view::npos) {
    factor <<= 10 * (kPrefixes.find(unit[0]) + 1);
    unit.remove_prefix(1);
    if (unit.starts_with('I')) unit.remove_prefix(1);
  }
  if (unit.starts_with('B')) unit.remove_prefix(1);
  if (!unit.empty()) return std::nullopt;
  if (digits.empty() || digits.front() == '.' || digits.back() == '.') return std::nullopt;
  return scale_decimal(digits, factor);
}

}  // namespace dhow
