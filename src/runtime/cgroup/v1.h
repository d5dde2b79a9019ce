// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/folder.h"
#include "runtime/cgroup/host.h"

namespace dhow::cgroup {

// The cgroups of a container on v1 hierarchies, with the unified tree beside them in hybrid mode.
class V1Cgroup final : public Cgroup {
 public:
  V1Cgroup(Location location, Settings settings, HostView host);

  Result<JoinPlan> prepare(const oci::Resources* resources) override;
  Status attach(pid_t pid, const oci::Resources* resources) override;
  Status apply(const oci::Resources& resources) override;
  Status update(const oci::Resources& resources) override;
  Status apply_devices(const oci::Resources& resources) override;
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

  // For the systemd manager, which has made some of the folders, with the process in them.
  Status make_and_join(pid_t pid);
  // As update(), and gives what takes it back.
  Result<OldValues> change(const oci::Resources& resources);

 private:
  // Controllers that are mounted together share one folder.
  struct Tree {
    std::vector<std::string> controllers;
    std::string path;
    bool unified = false;
  };
  std::vector<Tree> trees() const;
  Result<Folder> open_tree(const Tree& tree) const;
  Result<Folder> open(std::string_view controller) const;
  const std::string* path_of(std::string_view controller) const;
  FsKind kind_of(bool unified) const { return unified ? host_.v2_kind() : host_.v1_kind(); }
  std::string mount_of(const Tree& tree) const;
  struct Opened {
    Tree tree;
    Folder folder;
    bool existed;
  };
  // Makes and opens all folders; with `check` refuses those that are in use. Undone on a failure.
  Result<std::vector<Opened>> make_folders(bool check);
  Status add_join(const Tree& tree, const Folder& folder, JoinPlan& plan);
  bool may_do_without(const Error& error) const;
  Status refuse_used(const Folder& folder) const;
  Status refuse_frozen() const;
  Result<Folder> processes_folder() const;
  // With what the files held before, when somebody wants to know.
  Status write_limits(const oci::Resources& resources, OldValues* old) const;
  Status apply_hybrid_hugetlb(const oci::Resources& resources, OldValues* old) const;
  bool uses_v2_freezer() const;
  Result<Folder> freezer_folder() const;
  void drop(const Tree& tree);

  Location location_;
  Settings settings_;
  HostView host_;
  bool foreign_ = false;  // prepare() found it in use: destroy() must not touch it
};

// Where a new container's cgroups are to be.
Result<Location> locate_v1(const Settings& settings, const HostView& host, const Layout& layout);

// The order in which v1 controllers are joined and set.
extern const std::vector<std::string_view> kControllerOrder;

// Writes the limits that one v1 controller has; device rules apart. (v1_apply.cc)
bool wants_v1(std::string_view controller, const oci::Resources& resources);
Status apply_v1(std::string_view controller, const Folder& folder, const oci::Resources& resources);

// Fills cpuset.cpus and cpuset.mems from the parent where they are empty, which a v1 cgroup must
// not be before a process can join it.
Status fill_cpuset(const Folder& parent, const Folder& child);

}  // namespace dhow::cgroup
