// SPDX-License-Identifier: Apache-2.0
// /proc/<pid>/mountinfo.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/rootfs/mountinfo.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto mounts = dhow::rootfs::parse_mountinfo({reinterpret_cast<const char*>(data), size});
  if (!mounts) return 0;
  std::size_t bytes = 0;
  for (const dhow::rootfs::MountInfo& mount : *mounts) {
    bytes += mount.root.size() + mount.mount_point.size() + mount.type.size() +
             mount.source.size() + mount.super_options.size();
  }
  if (bytes > size) std::abort();  // undoing escapes never makes a text longer
  return 0;
}
