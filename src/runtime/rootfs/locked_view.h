// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::rootfs {

// A mount namespace that shows the caller's mounts as a less privileged user namespace gets them:
// read-only, nosuid, nodev, noexec and the access time setting are locked, and stay so in copies
// (mount_namespaces(7)). A container in a user namespace gets its root and volumes from here: out
// of the caller's own namespace they would come unlocked, and the container could remount a volume
// that the host has read-only. Blocks for the life of a short child process; single-threaded
// callers only. EPERM without privileges.
Result<Fd> make_locked_view();

}  // namespace dhow::rootfs
