// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "crash/daemon.h"

namespace dhow::crash_test {

using Names = std::set<std::string>;

// What the kernel and the disk have of a daemon's containers. Names are containers' ids unless
// another thing is said.
struct Truth {
  Names bundles;  // STATE/tasks/NAMESPACE/
  Names files;    // STATE/containers/
  Names runtime;  // STATE/runtime/NAMESPACE/
  Names folders;  // ROOT/containers/
  Names cgroups;  // of any hierarchy
  Names shims;    // processes that serve
  Names helpers;  // command lines of other processes of this daemon's
  std::map<std::string, std::set<pid_t>> processes;  // by the cgroup that they are in
  std::vector<std::string> mounts;                   // lines of mountinfo
  Names snapshots;                                   // numbers below ROOT/snapshots/snapshots/
  Names remains;      // what is in the folders of unfinished and discarded things
  Names state_files;  // names in STATE/
  Names volumes;      // names of volumes: ROOT/volumes/
};

Truth look_at(const Daemon& daemon);

// Sends a signal to the shim of a container, if there is one. Its pid; 0: there is none.
pid_t signal_shim(const std::string& id, int signal);

}  // namespace dhow::crash_test
