// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// Appends the processes of the cgroup, and with `recursive` of those below it. Cgroups that vanish
// meanwhile are passed over. Sorted in no way.
Status collect_pids(const Folder& folder, bool recursive, std::vector<pid_t>& pids);

// kill(2) for each; a process that has ended meanwhile is success.
Status signal_pids(const std::vector<pid_t>& pids, int signal);

// How long the processes of a removed container may take to end.
inline constexpr int kRemoveLimitMs = 10'000;

// Removes the cgroup and all below it, the deepest first. While processes that are ending keep it
// busy, waits at most `limit_ms` for them. Missing is success.
Status remove_cgroup(const std::string& path, FsKind kind, int limit_ms);

// One rmdir, no waiting: false when the cgroup is still in use or has others below it.
Result<bool> try_remove_cgroup(const std::string& path, FsKind kind);

}  // namespace dhow::cgroup
