// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/image_details.h"

namespace dhow::engine {

// A label that is asked for: its key, and its value when that matters.
struct LabelQuery {
  std::string key;
  std::optional<std::string> value;

  // "key" or "key=value".
  static LabelQuery parse(std::string_view text);
  bool matches(const std::map<std::string, std::string>& labels) const;
};

// Which images are wanted: those for which everything holds that is given.
struct ImageFilter {
  std::optional<bool> dangling = {};
  std::vector<LabelQuery> labels = {};
  std::vector<LabelQuery> without_labels = {};
  std::vector<std::string> references = {};  // patterns of path.Match in Go; one must fit
  std::optional<std::int64_t> since = {};    // made after: nanoseconds since 1970
  std::optional<std::int64_t> before = {};   // made before

  bool matches(const ImageDetails& image) const;
};

// Whether a name is of a pattern: "*", "?", "[a-z]" and "\" as of Go's path.Match, none of which
// stands for '/'. Of a pattern that is wrong, none is.
bool matches_pattern(std::string_view pattern, std::string_view name);
// Whether a pattern fits a name in any of the forms that people write.
bool matches_name(std::string_view pattern, const oci::Reference& name);

}  // namespace dhow::engine
