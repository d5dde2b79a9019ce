// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::snapshot {

// Success when limit_bytes can be used in that folder, by its file system.
Status check_limits(FdRef folder);

// Limits what is below the folders of a snapshot ("fs", "work") to that many bytes, 0: no limit, by
// a project quota. `id` makes the number of the project. kUnimplemented, with the name of the file
// system, where it has none; kPermissionDenied in a user namespace; kFailedPrecondition when there
// are files already that are in no project.
Status limit_bytes(FdRef folder, std::int64_t id, std::int64_t bytes);

}  // namespace dhow::snapshot
