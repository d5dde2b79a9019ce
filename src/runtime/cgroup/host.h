// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// Where the kernel's view of the host is read from; tests point it at a made-up tree.
struct HostView {
  std::string mount_root = "/sys/fs/cgroup";
  std::string self_cgroup = "/proc/self/cgroup";
  std::string mountinfo = "/proc/self/mountinfo";
  std::string delegate_list = "/sys/kernel/cgroup/delegate";
  bool real = true;  // false: folders are plain ones, without the magic numbers of cgroupfs

  FsKind v1_kind() const { return real ? FsKind::kV1 : FsKind::kAny; }
  FsKind v2_kind() const { return real ? FsKind::kV2 : FsKind::kAny; }
};

// One mounted tree of cgroups.
struct Hierarchy {
  // Controllers that share it ("cpu", "cpuacct"), or "name=systemd"; "" is the unified one.
  std::vector<std::string> names;
  std::string mount;  // absolute
  std::string own;    // cgroup of this process as the kernel tells it
};

// The lines of a /proc/<pid>/cgroup, in their order; `mount` stays empty, `own` is that process's
// (cgroups(7)). Lines of another form are left out.
std::vector<Hierarchy> parse_proc_cgroup(std::string_view text);

struct Layout {
  Mode mode = Mode::kUnified;
  std::vector<Hierarchy> v1;         // in the order of /proc/self/cgroup
  std::optional<Hierarchy> unified;  // hybrid and unified modes
};

// Reads /proc/self/cgroup and looks for each hierarchy at its usual place; mountinfo, which grows
// with the mounts of the host, is read only when one isn't there. Hierarchies that are mounted
// nowhere are left out.
Result<Layout> detect_layout(const HostView& host);

// The cgroup of this process below the mount point: differs from `own` when only a part of the
// hierarchy is mounted (a container with the host's cgroup namespace). "/" when it is out of sight.
Result<std::string> own_below_mount(const HostView& host, const Hierarchy& hierarchy);

// A mount of a cgroup file system, out of mountinfo (proc_pid_mountinfo(5)).
struct CgroupMount {
  std::string root;
  std::string mount_point;
  bool unified = false;
  std::vector<std::string> options;  // of the super block: controllers and name=
};
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

}  // namespace dhow::cgroup
