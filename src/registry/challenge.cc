// SPDX-License-Identifier: Apache-2.0
#include "registry/challenge.h"

#include <optional>

namespace dhow::registry {
namespace {

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool at(char c) const { return rest_.starts_with(c); }

  void skip(std::string_view chars) {
    while (!rest_.empty() && chars.find(rest_[0]) != std::string_view::npos) rest_.remove_prefix(1);
  }

  bool take(char c) {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // In lower case; "" when there is none.
  std::string token() {
    std::string text;
    while (!rest_.empty() && is_token_char(rest_[0])) {
      char c = rest_[0];
      text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      rest_.remove_prefix(1);
    }
    return text;
  }

  // A quoted string, or what stands up to the next comma or blank: not all servers quote.
  std::optional<std::string> value() {
    std::string text;
    if (!take('"')) {
      while (!rest_.empty() && rest_[0] != ',' && rest_[0] != ' ' && rest_[0] != '\t') {
        text += rest_[0];
        rest_.remove_prefix(1);
      }
      return text;
    }
    while (!rest_.empty()) {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return text;
      if (c == '\\') {
        if (rest_.empty()) break;
        c = rest_[0];
        rest_.remove_prefix(1);
      }
      text += c;
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

// A name is a parameter of the challenge before it when '=' follows, else it begins the next one.
void parse_value(std::string_view text, std::vector<Challenge>& challenges) {
  Scanner scanner(text);
  bool open = false;
  for (;;) {
    scanner.skip(" \t,");
    std::string name = scanner.token();
    if (name.empty()) return;
    scanner.skip(" \t");
    if (!scanner.take('=')) {
      challenges.push_back({.scheme = std::move(name), .parameters = {}});
      open = true;
      continue;
    }
    scanner.skip(" \t");
    auto value = scanner.value();
    if (!open || !value) return;
    challenges.back().parameters.emplace(std::move(name), std::move(*value));
  }
}

}  // namespace

std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& values) {
  std::vector<Challenge> challenges;
  for (std::string_view value : values) parse_value(value, challenges);
  return challenges;
}

}  // namespace dhow::registry
