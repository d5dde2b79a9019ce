// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "runtime/rootfs/rootfs.h"
#include "sys/dir_fd.h"

namespace dhow::rootfs {

// A pty pair of the devpts at /dev/pts below `root`, bound nowhere. The slave comes from the master
// (TIOCGPTPEER, Linux 4.13), never from a path (CVE-2025-52565). kFailedPrecondition when there is
// no devpts.
Result<Rootfs::Console> open_terminal(const DirFd& root);

}  // namespace dhow::rootfs
