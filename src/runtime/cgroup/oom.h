// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// v1: an eventfd that memory.oom_control is registered with (memory.rst, "OOM Control").
Result<Cgroup::OomWatch> watch_oom_v1(const Folder& folder);
// v2: inotify on memory.events, which the kernel touches when a counter in it changes.
Result<Cgroup::OomWatch> watch_oom_v2(const Folder& folder);

// The line "oom_kill N" of memory.oom_control (Linux 4.13) or memory.events.
Result<std::uint64_t> read_oom_kills(const Folder& folder, bool v2);

}  // namespace dhow::cgroup
