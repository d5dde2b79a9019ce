// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::unpack {

// A member's path as one below the root of its layer: without "." and empty parts, and "" for the
// root itself. ".." in it, a NUL, or a part longer than 255 or a whole longer than 4095 bytes is
// kInvalidArgument.
Result<std::string> member_path(std::string_view path);

// "a/b/c" in two: "a/b" and "c"; "c" is "" and "c".
struct SplitPath {
  std::string folder;
  std::string name;
};
SplitPath split_path(const std::string& path);

}  // namespace dhow::unpack
