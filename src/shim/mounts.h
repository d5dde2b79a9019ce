// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "rpc/types.h"
#include "sys/fd.h"

namespace dhow::shim {

// Mounts, in order, at `target` (absolute; a mount's own target is below it), in the mount
// namespace of the caller. A failure leaves none of them. For a worker: changes the working folder.
// kUnimplemented for options that dhow hasn't (loop devices, mapped owners of anything but an
// overlay).
Status mount_all(const std::vector<rpc::Mount>& mounts, const std::string& target);

// Unmounts everything at `target`, those on top first; nothing there is success.
Status unmount_all(const std::string& target);

// A mount namespace of the shim's own, so that the host's mount table doesn't grow with containers:
// what the host mounts and unmounts is seen in it, what the shim mounts is not seen outside. The
// result is the namespace that was left.
Result<Fd> leave_host_mounts();

}  // namespace dhow::shim
