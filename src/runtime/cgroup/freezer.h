// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// The freezer of one cgroup: freezer.state on v1 (freezer-subsystem.rst), cgroup.freeze on v2
// (Linux 5.2). A frozen ancestor doesn't count. Which of both is told by `v2`.

// kUndefined when the folder has no freezer.
Result<FreezerState> read_freezer(const Folder& folder, bool v2);
// Blocks until everything in the cgroup and below has stopped, at most `limit_ms`: a process in an
// uninterruptible sleep doesn't stop. On a failure it is thawed again.
inline constexpr int kFreezeLimitMs = 10'000;
// Before a kill: a process that won't stop must not keep the others from being killed.
inline constexpr int kKillFreezeLimitMs = 500;
Status freeze_folder(const Folder& folder, bool v2, int limit_ms = kFreezeLimitMs);
// Done once it returns, as far as the cgroup itself goes. No freezer is success.
Status thaw_folder(const Folder& folder, bool v2);
// Thaws every cgroup below `folder` that was frozen on its own, and `folder`. On v1 a frozen
// process doesn't see SIGKILL, so a nested frozen cgroup would outlive its container.
Status thaw_tree_v1(const Folder& folder);

}  // namespace dhow::cgroup
