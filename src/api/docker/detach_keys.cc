// SPDX-License-Identifier: Apache-2.0
#include "api/docker/detach_keys.h"

#include "base/strings.h"

namespace dhow::api::docker {
namespace {

constexpr std::string_view kControl = "ctrl-";

// "ctrl-a" is 1, "ctrl-@" 0, "ctrl-[" 27 and so on (ASCII).
std::optional<char> control_key(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
  if (c == '@') return '\0';
  if (c >= '[' && c <= '_') return static_cast<char>(c - '[' + 27);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> parse_detach_keys(std::string_view text) {
  std::string keys;
  for (std::string_view key : split(text, ',')) {
    if (key.size() == 1) {
      keys += key;
    } else if (key.size() == kControl.size() + 1 && key.starts_with(kControl)) {
      auto byte = control_key(key.back());
      if (!byte) return std::nullopt;
      keys += *byte;
    } else {
      return std::nullopt;
    }
  }
  return keys;
}

bool DetachMatcher::filter(std::string_view in, std::string& out) {
  if (keys_.empty()) {
    out += in;
    return false;
  }
  for (char c : in) {
    if (c != keys_[matched_] && matched_ != 0) {
      out += keys_.substr(0, matched_);
      matched_ = 0;
    }
    if (c != keys_[matched_]) {
      out += c;
    } else if (++matched_ == keys_.size()) {
      return true;
    }
  }
  return false;
}

}  // namespace dhow::api::docker
