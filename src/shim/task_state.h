// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rpc/server.h"
#include "rpc/task.h"
#include "runtime/cgroup/cgroup.h"
#include "shim/local_ports.h"
#include "shim/loop.h"
#include "shim/oci_runtime.h"
#include "shim/process_io.h"
#include "shim/resolver.h"

namespace dhow::shim {

// One process of a container: its first one, or one that was added by Exec.
struct Process {
  // kCreating and kStarting: a worker is at it, and an end waits until that is told.
  enum class State { kCreating, kCreated, kStarting, kRunning, kStopped };
  struct Exit {
    std::uint32_t status = 0;
    rpc::Timestamp at = {};
  };

  State state = State::kCreating;
  std::string exec_id;  // empty: the first process
  pid_t pid = 0;
  IoRequest streams;
  std::unique_ptr<ProcessIo> io;
  std::string spec;  // of an added one: JSON
  std::optional<Exit> exit;
  std::optional<Exit> early_exit;   // in kCreating and kStarting
  std::vector<rpc::Reply> waiting;  // for the end
  // Delete of a process that the removal has killed: answered with its end.
  std::vector<std::shared_ptr<rpc::Reply>> waiting_delete;
};

using WaitingKills = std::vector<std::pair<rpc::task::KillRequest, std::shared_ptr<rpc::Reply>>>;

// A container that this shim runs. Several share a shim when they are of one pod.
struct Container {
  std::string id;
  std::string bundle;
  RuntimeChoice runtime;
  OciRuntime::Make make;
  std::vector<rpc::Mount> rootfs;
  std::string checkpoint, parent_checkpoint, criu_work;
  Process init;
  // Those that asked for the state of `init` while it was being started: answered when it is known.
  std::vector<std::shared_ptr<rpc::Reply>> waiting_state;
  std::map<std::string, std::unique_ptr<Process>> execs;
  bool paused = false;
  bool is_killed = false;  // `init` got SIGKILL, of which it will die
  // A pause or a resume is under way: signals that come meanwhile wait for its end, since a process
  // that is killed and then frozen does not end. So do those for a process that is being made.
  bool changes_pause = false;
  WaitingKills waiting_kill;
  bool deleting = false;
  // Its processes don't end with the first one.
  bool shares_pids = false;
  // Its mounts go back and forth with the host's, so its root is mounted there.
  bool on_host_mounts = false;
  std::optional<runtime::Starting> starting;
  Loop::Watch starting_watch;  // before `starting` closes its descriptor
  std::optional<cgroup::Cgroup::OomWatch> oom;
  Loop::Watch oom_watch;  // before `oom` closes its descriptor
  // While its first process runs; none: it is in no network with names.
  std::unique_ptr<Resolver> resolver;
  // As long; none: nothing is published at [::1].
  std::unique_ptr<LocalPorts> local_ports;

  Process* find(const std::string& exec_id) {
    if (exec_id.empty()) return &init;
    auto found = execs.find(exec_id);
    return found == execs.end() ? nullptr : found->second.get();
  }
};

}  // namespace dhow::shim
