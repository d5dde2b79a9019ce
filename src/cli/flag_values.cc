// SPDX-License-Identifier: Apache-2.0
// What the values of flags mean, as Go and docker read them.
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "cli/flags.h"

namespace dhow::cli {

namespace {

// The number at the beginning, with a fraction; takes it off the text.
std::optional<double> take_decimal(std::string_view& text) {
  std::size_t size = 0;
  while (size < text.size() && ((text[size] >= '0' && text[size] <= '9') || text[size] == '.'))
    ++size;
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + size, number);
  if (error != std::errc() || end != text.data() + size) return std::nullopt;
  text.remove_prefix(size);
  return number;
}

bool fits(double number) {
  return std::abs(number) < static_cast<double>(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  auto number = take_decimal(text);
  if (!number) return std::nullopt;
  std::string unit = lower_text(text);
  if (unit.starts_with(' ')) unit.erase(0, 1);
  if (unit.ends_with('b')) unit.pop_back();
  if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
  constexpr std::string_view kUnits = "kmgtp";
  double factor = 1;
  if (!unit.empty()) {
    std::size_t power = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
    if (power == std::string_view::npos) return std::nullopt;
    factor = std::ldexp(1.0, static_cast<int>(power + 1) * 10);
  }
  double bytes = *number * factor;
  if (!fits(bytes)) return std::nullopt;
  auto result = static_cast<std::int64_t>(bytes);
  return negative ? -result : result;
}

std::optional<std::int64_t> parse_go_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  // Those of two letters come first.
  constexpr Unit kUnits[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                             {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    auto number = take_decimal(text);
    if (!number) return std::nullopt;
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (found == nullptr && text.starts_with(unit.name)) found = &unit;
    }
    if (found == nullptr) return std::nullopt;
    text.remove_prefix(found->name.size());
    total += *number * found->nanoseconds;
  }
  if (!fits(total)) return std::nullopt;
  auto result = static_cast<std::int64_t>(total);
  return negative ? -result : result;
}

std::optional<std::int64_t> parse_cpus(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  auto number = take_decimal(text);
  if (!number) return std::nullopt;
  if (text.starts_with('/')) {
    text.remove_prefix(1);
    auto divisor = take_decimal(text);
    if (!divisor || *divisor == 0) return std::nullopt;
    *number /= *divisor;
  }
  double billionths = *number * 1e9;
  if (!text.empty() || !fits(billionths)) return std::nullopt;
  return std::llround(negative ? -billionths : billionths);
}

}  // namespace dhow::cli
