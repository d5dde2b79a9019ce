// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::rootfs {

// Takes the calling process into another mount namespace and back: the namespace, the root and the
// working folder that it had. Single-threaded callers only (setns(2) refuses others). A child
// cloned in between must dismiss its copy.
class MountNamespaceSwitch {
 public:
  static Result<MountNamespaceSwitch> enter(FdRef mount_namespace);
  MountNamespaceSwitch(MountNamespaceSwitch&&) = default;
  MountNamespaceSwitch& operator=(MountNamespaceSwitch&&) = delete;
  // Leaves when that was not done yet; a failure is logged. Prefer leave().
  ~MountNamespaceSwitch();

  Status leave();
  // Stays, and closes what would lead back.
  void dismiss();

 private:
  MountNamespaceSwitch() = default;
  Fd namespace_;
  Fd root_;
  Fd folder_;
};

}  // namespace dhow::rootfs
