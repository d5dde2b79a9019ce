// SPDX-License-Identifier: Apache-2.0
// Go's fmt.Sprintf for the values of templates.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/strings.h"
#include "cli/template/tree.h"
#include "oci/json.h"

namespace dhow::cli {
namespace {

// One verb with what stands between "%" and it.
struct Directive {
  bool minus = false;
  bool plus = false;
  bool zero = false;
  bool space = false;
  bool sharp = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char verb = 0;
};

constexpr std::size_t kMostWidth = 10'000;

std::size_t count_runes(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string text, const Directive& directive, bool number) {
  std::size_t size = count_runes(text);
  if (size >= directive.width) return text;
  std::string fill(directive.width - size,
                   directive.zero && !directive.minus && number ? '0' : ' ');
  if (directive.minus) return text + fill;
  if (fill[0] == '0' && (text[0] == '-' || text[0] == '+')) return text[0] + fill + text.substr(1);
  return fill + text;
}

std::string bad_verb(const Directive& directive, const Value& value) {
  if (value.is_nil()) return cat("%!", directive.verb, "(<nil>)");
  return cat("%!", directive.verb, "(", value.type_name(), "=", value.text(), ")");
}

std::string integer_text(std::int64_t value, int base, bool upper) {
  char digits[70];
  bool negative = value < 0;
  auto size = negative ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, size, base);
  static_cast<void>(error);
  std::string text(digits, end);
  if (upper) {
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  }
  return negative ? "-" + text : text;
}

std::string format_integer(const Directive& directive, const Value& value) {
  std::int64_t number = *value.integer();
  std::string text;
  switch (directive.verb) {
    case 'd':
    case 'v':
      text = integer_text(number, 10, false);
      break;
    case 'x':
      text = cat(directive.sharp ? "0x" : "", integer_text(number, 16, false));
      break;
    case 'X':
      text = cat(directive.sharp ? "0X" : "", integer_text(number, 16, true));
      break;
    case 'o':
      text = integer_text(number, 8, false);
      break;
    case 'b':
      text = integer_text(number, 2, false);
      break;
    case 'c':
      return padded(number > 0 && number < 0x80 ? std::string(1, static_cast<char>(number)) : "�",
                    directive, false);
    default:
      return bad_verb(directive, value);
  }
  if (number >= 0 && directive.plus)
    text.insert(0, "+");
  else if (number >= 0 && directive.space)
    text.insert(0, " ");
  return padded(text, directive, true);
}

std::string format_real(const Directive& directive, const Value& value) {
  double number = *value.real();
  if (std::string_view("efgEFGv").find(directive.verb) == std::string_view::npos) {
    return bad_verb(directive, value);
  }
  std::string text;
  if (!directive.precision && (directive.verb == 'v' || directive.verb == 'g')) {
    text = go_float_text(number);
  } else {
    char verb = directive.verb == 'v' ? 'g' : directive.verb;
    std::string format = cat("%.*", verb);
    std::string buffer(400 + kMostWidth, '\0');
    auto precision = static_cast<int>(std::min(directive.precision.value_or(6), kMostWidth));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int size = std::snprintf(buffer.data(), buffer.size(), format.c_str(), precision, number);
#pragma GCC diagnostic pop
    text = buffer.substr(0, static_cast<std::size_t>(std::max(size, 0)));
  }
  if (directive.plus && number >= 0) text.insert(0, "+");
  return padded(text, directive, true);
}

std::string format_string(const Directive& directive, const Value& value) {
  std::string text = *value.string();
  if (directive.precision) {
    std::size_t end = 0;
    for (std::size_t runes = 0; end < text.size(); ++end) {
      if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && runes++ == *directive.precision)
        break;
    }
    text.resize(end);
  }
  switch (directive.verb) {
    case 's':
    case 'v':
      return padded(directive.sharp && directive.verb == 'v' ? oci::json_quoted(text) : text,
                    directive, false);
    case 'q':
      return padded(oci::json_quoted(text), directive, false);
    case 'x':
      return padded(hex_text(text), directive, false);
    case 'X': {
      std::string digits = hex_text(text);
      std::ranges::transform(digits, digits.begin(),
                             [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
      return padded(digits, directive, false);
    }
    default:
      return bad_verb(directive, value);
  }
}

std::string format_value(const Directive& directive, const Value& value) {
  if (directive.verb == 'T')
    return padded(value.is_nil() ? "<nil>" : value.type_name(), directive, false);
  if (value.integer() != nullptr) return format_integer(directive, value);
  if (value.real() != nullptr) return format_real(directive, value);
  if (value.string() != nullptr) return format_string(directive, value);
  if (value.boolean() != nullptr && (directive.verb == 't' || directive.verb == 'v')) {
    return padded(value.text(), directive, false);
  }
  if (value.list() != nullptr && directive.verb != 'v') {
    std::string text = "[";
    for (const Value& item : *value.list()) {
      if (text.size() > 1) text += ' ';
      text += format_value(directive, item);
    }
    return text + "]";
  }
  if (directive.verb == 'v') return padded(value.text(), directive, false);
  return bad_verb(directive, value);
}

// A width or precision in digits or "*".
std::optional<std::size_t> take_number(std::string_view& format, std::span<const Value> arguments,
                                       std::size_t& next) {
  if (format.starts_with('*')) {
    format.remove_prefix(1);
    const std::int64_t* number = next < arguments.size() ? arguments[next++].integer() : nullptr;
    if (number == nullptr || *number < 0) return std::nullopt;
    return std::min(static_cast<std::size_t>(*number), kMostWidth);
  }
  std::size_t digits = std::min(format.find_first_not_of("0123456789"), format.size());
  auto number = parse_number<std::size_t>(format.substr(0, digits));
  format.remove_prefix(digits);
  if (digits != 0 && !number) return kMostWidth;
  return number ? std::optional(std::min(*number, kMostWidth)) : std::nullopt;
}

Directive take_directive(std::string_view& format, std::span<const Value> arguments,
                         std::size_t& next) {
  Directive directive;
  for (bool flags = true; flags && !format.empty();) {
    switch (format[0]) {
      case '-':
        directive.minus = true;
        break;
      case '+':
        directive.plus = true;
        break;
      case '0':
        directive.zero = true;
        break;
      case ' ':
        directive.space = true;
        break;
      case '#':
        directive.sharp = true;
        break;
      default:
        flags = false;
    }
    if (flags) format.remove_prefix(1);
  }
  directive.width = take_number(format, arguments, next).value_or(0);
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    directive.precision = take_number(format, arguments, next).value_or(0);
  }
  if (!format.empty()) {
    directive.verb = format[0];
    format.remove_prefix(1);
  }
  return directive;
}

}  // namespace

std::string go_format(std::string_view format, std::span<const Value> arguments) {
  std::string text;
  std::size_t next = 0;
  while (true) {
    std::size_t percent = format.find('%');
    text += format.substr(0, percent);
    if (percent == std::string_view::npos) break;
    format.remove_prefix(percent + 1);
    Directive directive = take_directive(format, arguments, next);
    if (directive.verb == 0) {
      text += "%!(NOVERB)";
    } else if (directive.verb == '%') {
      text += '%';
    } else if (next >= arguments.size()) {
      text += cat("%!", directive.verb, "(MISSING)");
    } else {
      text += format_value(directive, arguments[next++]);
    }
  }
  if (next < arguments.size()) {
    text += "%!(EXTRA ";
    for (std::size_t i = next; i < arguments.size(); ++i) {
      text += cat(i == next ? "" : ", ", arguments[i].type_name(), "=", arguments[i].text());
    }
    text += ')';
  }
  return text;
}

}  // namespace dhow::cli
