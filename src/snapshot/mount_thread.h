// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {

// Runs `body` on a thread of its own, for what changes the thread for good. Blocks until it is
// done.
Result<MountFd> on_own_thread(const std::function<Result<MountFd>()>& body);

// On a thread that has a mount namespace and a working folder of its own, so that what it attaches
// is seen by nobody and goes with the thread. Costs a copy of the mount table.
Result<MountFd> in_private_namespace(const std::function<Result<MountFd>()>& body);

// From now on this thread touches files as the owner of the folder, with all rights that it had.
// Core dumps of the process end with it, as with every change of the owner.
Status become_owner_of(FdRef folder);

}  // namespace dhow::snapshot
