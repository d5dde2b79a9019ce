// SPDX-License-Identifier: Apache-2.0
#include "unpack/member_path.h"

#include "base/strings.h"

namespace dhow::unpack {
namespace {

constexpr std::size_t kMaxPart = 255;
constexpr std::size_t kMaxPath = 4095;

}  // namespace

Result<std::string> member_path(std::string_view path) {
  std::string result;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(Code::kInvalidArgument, "a path with \"..\"");
    if (part.size() > kMaxPart) return fail(Code::kInvalidArgument, "a name longer than 255 bytes");
    if (part.find('\0') != std::string_view::npos) {
      return fail(Code::kInvalidArgument, "a path with a NUL");
    }
    if (!result.empty()) result += '/';
    result += part;
  }
  if (result.size() > kMaxPath) {
    return fail(Code::kInvalidArgument, "a path longer than 4095 bytes");
  }
  return result;
}

SplitPath split_path(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace dhow::unpack
