// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "oci/state.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/runtime.h"
#include "runtime/state_store.h"
#include "sys/process.h"

namespace dhow::runtime {

// Names of the two fifos of a created container, see init::StartGate.
inline constexpr std::string_view kGoFifo = "start.go";
inline constexpr std::string_view kResultFifo = "start.result";

// An existing container, as the commands find it: its folder, its record, and what the kernel says
// of its init right now.
class Container {
 public:
  // kNotFound: "container does not exist". `locked` holds the folder's lock as long as the object.
  static Result<Container> open(const Context& context, std::string_view id, bool locked);

  const StateDir& dir() const { return dir_; }
  const Record& record() const { return record_; }

  // Asks the kernel. Blocks only on cgroupfs.
  Result<ContainerStatus> status() const;
  // True while init lives: its pid still is the process that create made.
  bool init_alive() const;
  // Init by descriptor. kFailedPrecondition "container not running" when it has ended.
  Result<PidFd> open_init() const;
  Result<std::unique_ptr<cgroup::Cgroup>> open_cgroup() const;
  Result<ContainerInfo> info() const;

 private:
  Container(const Context& context, StateDir dir, Record record)
      : context_(&context), dir_(std::move(dir)), record_(std::move(record)) {}

  const Context* context_;
  StateDir dir_;
  Record record_;
};

// What a hook, or a seccomp agent, is told of a container; `status` as the specification names it.
oci::State hook_state(const Record& record, std::string_view status);

// What open_cgroup and make_cgroup are told of a container.
cgroup::Settings cgroup_settings(const Context& context, const Record& record);

// Ends all that is left of a container: kills init and whatever is in its cgroups, removes cgroups,
// resctrl groups and the state folder. Each part that is gone already is fine. The caller holds the
// lock.
Status destroy_container(const Context& context, const StateDir& dir, const Record& record);

// True while the process `pid` that started at `start_time` (clock ticks) lives; a zombie does not.
bool process_alive(pid_t pid, std::uint64_t start_time);

}  // namespace dhow::runtime
