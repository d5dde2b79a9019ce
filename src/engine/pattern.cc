// SPDX-License-Identifier: Apache-2.0
#include "engine/pattern.h"

#include <algorithm>
#include <cstdint>

#include "base/strings.h"

namespace dhow::engine {
namespace {

// regcomp(3) descends on the stack for each bracket and writes repetitions out: what would take
// much of either is refused, as Go refuses what repeats more than a thousand times.
constexpr std::size_t kLongest = 4096;
constexpr int kDeepest = 100;
constexpr std::uint64_t kMostRepeats = 1000;

// The larger number of "{2,5}", whose content this is; 0: it is no repetition.
std::uint64_t repeats_of(std::string_view content) {
  std::uint64_t most = 0;
  for (std::string_view part : split(content, ',')) {
    auto number = parse_number<std::uint32_t>(part);
    if (!number && !part.empty()) return 0;
    most = std::max<std::uint64_t>(most, number.value_or(0));
  }
  return most;
}

Status check_size(std::string_view text) {
  if (text.size() > kLongest) return fail(Code::kInvalidArgument, "it is too long");
  int depth = 0;
  std::uint64_t repeats = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(' && ++depth > kDeepest) {
      return fail(Code::kInvalidArgument, "it has too many brackets in brackets");
    } else if (text[i] == ')') {
      --depth;
    } else if (text[i] == '{') {
      std::string_view rest = text.substr(i + 1);
      repeats *= std::max<std::uint64_t>(repeats_of(rest.substr(0, rest.find('}'))), 1);
      if (repeats > kMostRepeats) return fail(Code::kInvalidArgument, "it repeats too often");
    }
  }
  return {};
}

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
  TRY(check_size(text));
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

NameFilter NameFilter::of(const Filters& filters) {
  auto found = filters.find("name");
  return NameFilter(found == filters.end() ? std::vector<std::string>() : found->second);
}

bool NameFilter::matches(const std::string& name) const {
  return values_.empty() || std::ranges::find(values_, name) != values_.end() ||
         std::ranges::any_of(patterns_,
                             [&](const Pattern& pattern) { return pattern.matches(name); });
}

}  // namespace dhow::engine
