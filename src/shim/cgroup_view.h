// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/result.h"
#include "rpc/types.h"
#include "runtime/cgroup/cgroup.h"

namespace dhow::shim {

// The cgroups of a container by its first process, whoever made them; without those that this
// process is in as well: none at all where an ordinary user may make none. All of these block on
// cgroupfs and procfs: for a worker.
Result<cgroup::Location> cgroups_of(pid_t pid);
Result<std::vector<pid_t>> pids_of(const cgroup::Location& location);
// For a container without cgroups: the processes of the pid namespace of its first one, which alone
// it is where that namespace is this process's own.
Result<std::vector<pid_t>> pids_beside(pid_t pid);
// rpc::cgroup1::Metrics, or cgroup2::Metrics on a host that has only v2.
Result<rpc::Any> metrics_of(const cgroup::Location& location);
Result<cgroup::Cgroup::OomWatch> watch_oom_of(const cgroup::Location& location);

}  // namespace dhow::shim
