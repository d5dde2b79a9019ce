// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "runtime/runtime.h"

// Stands in for the runtime library at link time: keeps what it was asked for, and answers what the
// test put here.
namespace dhow::runtime::testing {

struct FakeRuntime {
  // One line a call: "kill c1 15 all=false".
  std::vector<std::string> calls;
  Context context;  // of the last call
  CreateOptions create;
  ExecOptions exec;
  CheckpointOptions checkpoint;
  oci::Resources resources;
  RdtUpdate rdt;
  std::vector<oci::Mount> mounts;

  std::vector<ContainerInfo> containers;
  std::vector<pid_t> pids;
  std::vector<std::string> event_lines;
  int exit_code = 0;
  std::optional<Error> failure;  // what every call but list and state fails with
};

// A container with nothing but these.
ContainerInfo container(std::string id, ContainerStatus status = ContainerStatus::kStopped,
                        pid_t pid = 0);

// The one in force; reset by assigning a fresh one.
FakeRuntime& fake();

}  // namespace dhow::runtime::testing
