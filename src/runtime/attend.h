// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "oci/config.h"
#include "oci/state.h"
#include "runtime/namespaces.h"
#include "sys/fd.h"

namespace dhow::runtime {

// A process that the runtime has cloned and serves until it can execute its program: a container's
// init, or one that is exec'd. Everything is borrowed.
struct Attendance {
  const oci::Config& config;    // of the container
  const oci::Process& process;  // what the cloned process is going to be
  std::string_view json_path;   // of `process`, for messages
  oci::State state;             // for a seccomp agent
  const SpawnedInit& cloned;
  FdRef sync;  // the runtime's end
  bool rootless = false;
  std::string_view failure_context;  // put in front of the process's own errors; empty: nothing
  // Of an init only: what to do once the root filesystem is built, and when hooks are due.
  std::function<Status()> on_mounts_done;
  std::function<Status()> on_early_hooks;
};

// Answers the process until its ready message: runs the functions, takes a seccomp listener to
// its agent, and sets from outside what a process in a user namespace may not raise itself
// (resource limits, OOM score). Blocks.
Status attend_process(const Attendance& attendance);

// Says start, and waits until the program runs. The error is the process's own.
Status start_process(FdRef sync);

}  // namespace dhow::runtime
