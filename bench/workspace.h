// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow::bench {

inline constexpr int kExtraMounts = 2000;

// The files of one benchmark run, on a tmpfs that only the benchmark's mount namespace has: a
// shared root filesystem, a folder for each runtime, and targets for the extra mounts. Removes all
// of it, and every cgroup below `cgroup()`, when it goes. Making it puts the calling process into a
// private mount namespace for good.
class Workspace {
 public:
  // `true_program` and `busybox` are copied into the root filesystem.
  static Result<Workspace> make(const std::string& true_program, const std::string& busybox);
  Workspace(Workspace&& other) noexcept;
  Workspace& operator=(Workspace&&) = delete;
  ~Workspace();

  const std::string& root() const { return root_; }
  std::string rootfs() const { return root_ + "/rootfs"; }
  std::string mount_source() const { return root_ + "/mounts/source"; }
  std::string mount_targets() const { return root_ + "/mounts/targets"; }
  // Path of this run's cgroups within every hierarchy; unique to the process.
  const std::string& cgroup() const { return cgroup_; }

 private:
  Workspace() = default;
  Status fill(const std::string& true_program, const std::string& busybox) const;

  std::string root_;
  std::string cgroup_;
  bool mounted_ = false;
};

// Number of cgroup folders below `path` in all mounted hierarchies together, `path` not counted.
int count_cgroups(const std::string& path);

// Number of mounts that a process sees.
int count_mounts(int pid);

}  // namespace dhow::bench
