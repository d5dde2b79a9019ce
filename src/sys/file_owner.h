// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace dhow {

// From now on the calling thread, and it alone, touches files as that user and group, with all the
// rights that it had (setfsuid(2), which would take those about files from it). The kernel then
// allows the process no core dumps, until its dumpable flag is set again. kPermissionDenied names
// the id.
Status touch_files_as(uid_t uid, gid_t gid);

}  // namespace dhow
