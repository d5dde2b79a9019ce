// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/folder.h"
#include "runtime/cgroup/host.h"

namespace dhow::cgroup {

// The cgroup of a container in the unified tree (cgroup-v2.rst).
class V2Cgroup final : public Cgroup {
 public:
  V2Cgroup(Location location, Settings settings, HostView host);

  Result<JoinPlan> prepare(const oci::Resources* resources) override;
  Status attach(pid_t pid, const oci::Resources* resources) override;
  Status apply(const oci::Resources& resources) override;
  Status update(const oci::Resources& resources) override;
  Status apply_devices(const oci::Resources& resources) override;
  Status enter_delegated(pid_t pid) override;
  Result<JoinPlan> plan_join(const std::map<std::string, std::string>& sub_paths,
                             pid_t init_pid) override;
  Status freeze() override;
  Status thaw() override;
  Result<FreezerState> freezer_state() override;
  Result<std::vector<pid_t>> pids(bool recursive) override;
  Status kill_all(int signal) override;
  Status destroy() override;
  Result<std::string> stats_json() override;
  const Location& location() const override { return location_; }
  bool exists() const override;
  Result<OomWatch> watch_oom() override;
  Result<std::uint64_t> oom_kill_count() override;

  // Gives the cgroup to the container's root (cgroup-v2.rst, "Delegation Containment"): the folder
  // and the files that the kernel lists for it.
  Status delegate() const;
  // Host path of kDelegateAnnotation's cgroup, empty without one. kInvalidArgument when the name
  // leaves the container's cgroup.
  Result<std::string> delegated_path() const;
  // As update(), and gives what takes it back.
  Result<OldValues> change(const oci::Resources& resources);

 private:
  Result<Folder> open() const;
  bool is_owned_by_another() const;
  Status give_to_owner(const Folder& folder) const;
  Status may_join(const Folder& folder) const;
  Status refuse_used(const Folder& folder) const;
  Result<std::string> join_path(const std::string& path, pid_t init_pid) const;

  Location location_;
  Settings settings_;
  HostView host_;
  bool foreign_ = false;  // prepare() found it in use: destroy() must not touch it
};

Result<Location> locate_v2(const Settings& settings, const HostView& host,
                           const Hierarchy& hierarchy);

}  // namespace dhow::cgroup
