// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {

// A procfs that is attached nowhere: no mount of a container can cover any file of it, so what is
// written through it arrives (CVE-2019-16884, CVE-2025-52881). Made on first use, in the pid
// namespace of the caller at that time.
class TrustedProc {
 public:
  // The root of a procfs mount that this process attached itself: a copy of it without its
  // submounts is cheaper than a file system of its own, and in a user namespace the kernel may
  // refuse a new one.
  void set_origin(Fd mount) { origin_ = std::move(mount); }

  // O_PATH. Errors: whatever stood in the way of both.
  Result<FdRef> get();

 private:
  Result<MountFd> make();

  Fd origin_;
  MountFd tree_;
};

}  // namespace dhow::rootfs
