// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "content/content_store.h"

namespace dhow::content {

// Which bytes of a file are there. Extents that touch are one. One thread at a time.
class Extents {
 public:
  Extents() = default;
  // The first `size` bytes.
  explicit Extents(std::int64_t size) { add({0, size}); }

  // What text() gave, as far as it lies before `size`. None when it is nothing of the kind.
  static std::optional<Extents> parse(std::string_view text, std::int64_t size);
  // One line, "0-100 300-400\n": at most `limit` extents, those at the front.
  std::string text(std::size_t limit) const;

  void add(Extent extent);
  // Where the first gap begins.
  std::int64_t prefix() const;
  const std::vector<Extent>& all() const { return all_; }

 private:
  std::vector<Extent> all_;  // sorted; a gap between any two
};

}  // namespace dhow::content
