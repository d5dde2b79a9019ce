// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/lifetime.h"

namespace dhow {

// One piece of a text that cat() puts together: a string or a number in decimal. A view: it must
// not outlive what it was made from.
class Piece {
 public:
  Piece(std::string_view text) : text_(text) {}
  Piece(const std::string& text) : text_(text) {}
  Piece(const char* text) : text_(text) {}
  Piece(char c) : size_(1) { digits_[0] = c; }
  template <std::integral Number>
    requires(!std::same_as<Number, char> && !std::same_as<Number, bool>)
  Piece(Number number) {
    auto [end, error] = std::to_chars(digits_, digits_ + sizeof digits_, number);
    static_cast<void>(error);  // 24 characters hold every 64-bit number
    size_ = static_cast<std::size_t>(end - digits_);
  }

  std::string_view view() const { return size_ != 0 ? std::string_view(digits_, size_) : text_; }

 private:
  std::string_view text_;
  char digits_[24];
  std::size_t size_ = 0;
};

std::string cat_pieces(std::initializer_list<Piece> pieces);

// cat("pid ", 7, ": ", name): one allocation, no locale, no format string.
template <typename... Parts>
std::string cat(const Parts&... parts) {
  return cat_pieces({Piece(parts)...});
}

// In double quotes, with quotes, backslashes and control bytes escaped: for names in messages.
std::string quoted(std::string_view text);
// Where <iomanip> is seen, std::quoted would be found by the type of a string, and preferred.
inline std::string quoted(const char* text) { return quoted(std::string_view(text)); }
inline std::string quoted(const std::string& text) { return quoted(std::string_view(text)); }
inline std::string quoted(std::string& text) { return quoted(std::string_view(text)); }

// Two lower-case hexadecimal digits a byte.
std::string hex_text(std::string_view bytes);
// With the letters A to Z in lower case; no locale.
std::string lower_text(std::string_view text);
// With the letters a to z in upper case; no locale.
std::string upper_text(std::string_view text);

// The parts between separators; "" gives one empty part. Views into `text`: a string that would be
// gone before they are read isn't taken.
std::vector<std::string_view> split(std::string_view text, char separator);
template <std::same_as<std::string> Temporary>
void split(Temporary&& text, char separator) = delete;

std::string join(const std::vector<std::string>& parts, std::string_view separator);

// Without white space at its ends; a view into `text`.
std::string_view trim(std::string_view text DHOW_LIFETIMEBOUND);

// "1", "t", "T", "true", "True", "TRUE" and their opposites, as Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text);

// A whole decimal number, with nothing before or after it; nullopt when it is not one or does not
// fit. A leading '+' is not a number; a leading '-' only for signed types.
template <std::integral Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

}  // namespace dhow
