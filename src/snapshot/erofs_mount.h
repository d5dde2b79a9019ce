// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {

// Mounts an image file of erofs, read-only and detached: from the file itself (Linux 6.12), before
// that through a loop device that goes with the mount. `with_loop`: without trying the first.
Result<MountFd> mount_erofs(const std::string& path, bool with_loop = false);

}  // namespace dhow::snapshot
