// SPDX-License-Identifier: Apache-2.0
#include "content/extents.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::content {

void Extents::add(Extent extent) {
  if (extent.begin >= extent.end) return;
  // Those that it touches become a part of it.
  auto first = std::ranges::find_if(all_, [&](const Extent& e) { return e.end >= extent.begin; });
  auto last =
      std::find_if(first, all_.end(), [&](const Extent& e) { return e.begin > extent.end; });
  if (first != last) {
    extent.begin = std::min(extent.begin, first->begin);
    extent.end = std::max(extent.end, std::prev(last)->end);
  }
  all_.insert(all_.erase(first, last), extent);
}

std::int64_t Extents::prefix() const {
  return all_.empty() || all_.front().begin != 0 ? 0 : all_.front().end;
}

std::string Extents::text(std::size_t limit) const {
  std::vector<std::string> parts;
  for (const Extent& extent : all_) {
    if (parts.size() == limit) break;
    parts.push_back(cat(extent.begin, "-", extent.end));
  }
  return join(parts, " ") + "\n";
}

std::optional<Extents> Extents::parse(std::string_view text, std::int64_t size) {
  auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  Extents extents;
  for (std::string_view part : split(text.substr(0, end), ' ')) {
    if (part.empty()) continue;
    auto dash = part.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    auto first = parse_number<std::int64_t>(part.substr(0, dash));
    auto last = parse_number<std::int64_t>(part.substr(dash + 1));
    if (!first || !last || *first < 0) return std::nullopt;
    extents.add({*first, std::min(*last, size)});
  }
  return extents;
}

}  // namespace dhow::content
