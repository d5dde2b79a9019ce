// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {

// A file system that is one empty folder in which nothing can be made: read-only, with room for
// nothing. `source` is what the mount table shows, `mode` octal digits.
Result<MountFd> new_empty_folder(std::string_view source, std::string_view mode);

}  // namespace dhow::rootfs
