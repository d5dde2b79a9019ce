// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace dhow::shim {

// A standard stream as task requests name it: "fifo:///path", or a plain path, which means the
// same.
struct Uri {
  std::string scheme;
  std::string path;
  // In the order given, percent-decoded.
  std::vector<std::pair<std::string, std::string>> query;

  // The last value of that name; empty when there is none.
  std::string_view value(std::string_view name) const;
};

// kInvalidArgument for a path that isn't absolute, a wrong escape, or a NUL byte.
Result<Uri> parse_uri(std::string_view text);

}  // namespace dhow::shim
