// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::rootfs {

// One line of /proc/<pid>/mountinfo (proc(5)), with its octal escapes undone.
struct MountInfo {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::string device;             // "major:minor"
  std::string root;               // of the mount, within its file system
  std::string mount_point;        // relative to the reader's root
  std::string options;            // of the mount
  std::vector<std::string> tags;  // "shared:7", "master:2", …
  std::string type;
  std::string source;
  std::string super_options;
};

// The whole file; kDataLoss for a line that isn't one.
Result<std::vector<MountInfo>> parse_mountinfo(std::string_view text);

}  // namespace dhow::rootfs
