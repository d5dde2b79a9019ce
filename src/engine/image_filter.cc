// SPDX-License-Identifier: Apache-2.0
#include "engine/image_filter.h"

#include <algorithm>

namespace dhow::engine {
namespace {

// One character of a pattern's class, with '\' before what is meant as it is.
std::optional<char> take_class_char(std::string_view& pattern) {
  if (pattern.empty() || pattern.front() == '-' || pattern.front() == ']') return std::nullopt;
  if (pattern.front() == '\\') pattern.remove_prefix(1);
  if (pattern.empty()) return std::nullopt;
  char taken = pattern.front();
  pattern.remove_prefix(1);
  return taken;
}

// Takes "[...]" off the front, and tells whether `c` is of it; none when it is wrong.
std::optional<bool> take_class(std::string_view& pattern, char c) {
  pattern.remove_prefix(1);
  bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  for (bool first = true; first || !pattern.starts_with(']'); first = false) {
    auto low = take_class_char(pattern);
    if (!low) return std::nullopt;
    char high = *low;
    if (pattern.starts_with('-')) {
      pattern.remove_prefix(1);
      auto end = take_class_char(pattern);
      if (!end) return std::nullopt;
      high = *end;
    }
    found = found || (*low <= c && c <= high);
    if (pattern.empty()) return std::nullopt;
  }
  pattern.remove_prefix(1);
  return found != negated;
}

// Takes what stands for one character off the front; whether `c` is that.
bool take_one(std::string_view& pattern, char c) {
  switch (pattern.front()) {
    case '?':
      pattern.remove_prefix(1);
      return c != '/';
    case '[':
      return take_class(pattern, c).value_or(false);
    case '\\':
      pattern.remove_prefix(1);
      if (pattern.empty()) return false;
      break;
    default:
      break;
  }
  bool same = pattern.front() == c;
  pattern.remove_prefix(1);
  return same;
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
  // Where to go on when what follows the last '*' doesn't fit: with one character more for it.
  std::optional<std::string_view> star;
  std::string_view star_name;
  while (true) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      star = pattern;
      star_name = name;
      continue;
    }
    if (name.empty() && pattern.empty()) return true;
    if (!name.empty() && !pattern.empty() && take_one(pattern, name.front())) {
      name.remove_prefix(1);
      continue;
    }
    if (!star || star_name.empty() || star_name.front() == '/') return false;
    star_name.remove_prefix(1);
    name = star_name;
    pattern = *star;
  }
}

bool matches_name(std::string_view pattern, const oci::Reference& name) {
  return matches_pattern(pattern, name.familiar_name()) ||
         matches_pattern(pattern, name.familiar()) || matches_pattern(pattern, name.name()) ||
         matches_pattern(pattern, name.text());
}

LabelQuery LabelQuery::parse(std::string_view text) {
  LabelQuery query;
  std::size_t equals = text.find('=');
  query.key = text.substr(0, equals);
  if (equals != std::string_view::npos) query.value = text.substr(equals + 1);
  return query;
}

bool LabelQuery::matches(const std::map<std::string, std::string>& labels) const {
  auto found = labels.find(key);
  return found != labels.end() && (!value || *value == found->second);
}

bool ImageFilter::matches(const ImageDetails& image) const {
  if (dangling && *dangling != image.entry.names.empty()) return false;
  static const std::map<std::string, std::string> kNone;
  const auto& own =
      image.content == nullptr ? kNone : image.content->documents.config.config.labels;
  auto holds = [&](const LabelQuery& query) { return query.matches(own); };
  if (!std::ranges::all_of(labels, holds)) return false;
  if (std::ranges::any_of(without_labels, holds)) return false;
  if (since && image.created() <= *since) return false;
  if (before && image.created() >= *before) return false;
  if (references.empty()) return true;
  return std::ranges::any_of(references, [&](const std::string& pattern) {
    return std::ranges::any_of(
        image.entry.names, [&](const oci::Reference& name) { return matches_name(pattern, name); });
  });
}

}  // namespace dhow::engine
