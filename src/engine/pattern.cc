// SPDX-License-Identifier: Apache-2.0
#include "engine/pattern.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::engine {
namespace {

// Digits are \d to Go, and unknown to regex(7).
std::string with_digits(std::string_view text) {
  std::string out;
  bool in_brackets = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      char next = text[++i];
      if (next == 'd') {
        out += in_brackets ? "0-9" : "[0-9]";
      } else {
        out += {'\\', next};
      }
      continue;
    }
    if (text[i] == '[') in_brackets = true;
    if (text[i] == ']') in_brackets = false;
    out += text[i];
  }
  return out;
}

}  // namespace

void Pattern::Free::operator()(regex_t* regex) const {
  ::regfree(regex);
  delete regex;
}

Result<Pattern> Pattern::make(std::string_view text) {
  auto compiled = std::make_unique<regex_t>();
  int error = ::regcomp(compiled.get(), with_digits(text).c_str(), REG_EXTENDED | REG_NOSUB);
  if (error == 0) return Pattern(std::unique_ptr<regex_t, Free>(compiled.release()));
  char reason[256] = {};
  ::regerror(error, compiled.get(), reason, sizeof reason);
  return fail(Code::kInvalidArgument, reason);
}

bool Pattern::matches(const std::string& text) const {
  return ::regexec(regex_.get(), text.c_str(), 0, nullptr, 0) == 0;
}

NameFilter::NameFilter(const std::vector<std::string>& values) : values_(values) {
  for (const std::string& value : values) {
    if (auto pattern = Pattern::make(value)) patterns_.push_back(std::move(*pattern));
  }
}

bool NameFilter::matches(const std::string& name) const {
  return values_.empty() || std::ranges::find(values_, name) != values_.end() ||
         std::ranges::any_of(patterns_,
                             [&](const Pattern& pattern) { return pattern.matches(name); });
}

}  // namespace dhow::engine
