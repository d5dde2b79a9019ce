// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/locked_view.h"

#include <fcntl.h>
#include <sched.h>

#include "base/strings.h"
#include "runtime/rootfs/waiting_child.h"

namespace dhow::rootfs {

Result<Fd> make_locked_view() {
  TRY_ASSIGN(WaitingChild child, WaitingChild::clone(CLONE_NEWUSER | CLONE_NEWNS));
  return open_at(kCwd, cat("/proc/", child.pid(), "/ns/mnt"), O_RDONLY);
}

}  // namespace dhow::rootfs
