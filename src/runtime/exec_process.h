// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "oci/config.h"
#include "oci/state.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/container.h"
#include "runtime/landlock.h"
#include "runtime/namespaces.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {

// All that a process for a running container needs; made before the clone, inherited by it.
struct ExecPlan {
  oci::Config config;    // of the container
  oci::Process process;  // what to run
  oci::State state;
  PidFd init;               // whose namespaces it joins
  int namespace_flags = 0;  // CLONE_NEW* of the namespaces to join
  bool joins_user = false;
  bool rootless = false;
  std::optional<seccomp::Program> seccomp;
  std::optional<LandlockPolicy> landlock;  // the container's
  cgroup::JoinPlan join;
  const Fd* console = nullptr;
  unsigned preserved_fds = 0;
};

// The process of the options: the file's, or the container's own with what the options change.
Result<ExecPlan> plan_exec(const Context& context, const Container& container,
                           const ExecOptions& options);

// Clones the process into the container's cgroups and namespaces. In the child it never returns:
// that sets itself up, says kReady, waits for kStart and executes the program. `sync.first` is the
// caller's.
Result<SpawnedInit> spawn_exec_process(ExecPlan& plan, SocketPair& sync);

}  // namespace dhow::runtime
