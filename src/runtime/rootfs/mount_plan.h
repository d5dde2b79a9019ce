// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/rootfs/mount_options.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {

enum class MountKind { kBind, kProc, kSysfs, kTmpfs, kCgroup, kRemount, kOther };

// One hierarchy of a cgroup v1 (or hybrid) mount: a folder below the destination.
struct CgroupPart {
  std::string name;                  // "memory", "cpu,cpuacct", "systemd", "unified"
  std::vector<std::string> aliases;  // links to it: "cpu", "cpuacct"
  std::vector<FsOption> options;     // for mounting it in a cgroup namespace
  bool unified = false;
  std::string folder;  // without a cgroup namespace: the container's, on the host
  MountFd tree;        // a copy of that folder, where the runtime may make one
};

// One entry of `mounts`, decided on: what it is, with which options, and what was opened for it
// before the clone.
struct PlannedMount {
  std::string type;
  std::string source;       // binds: absolute; else as given
  std::string destination;  // absolute, no ".", ".." or empty names
  MountKind kind = MountKind::kOther;
  MountOptions options;
  std::vector<oci::IdMapping> uid_mappings;  // binds with mapped ids: the whole mapping
  std::vector<oci::IdMapping> gid_mappings;

  // Filled in by the opening of sources.
  MountFd tree;                     // detached; empty when it can only be made in the child
  bool source_is_dir = true;        // what kind of target to create
  bool source_is_link = false;      // src-nofollow of a symbolic link: the link itself is mounted
  std::string symlink_target;       // copy-symlink: the link to make instead of a mount
  Fd userns;                        // for mapped ids
  bool attributes_pending = false;  // no mount_setattr: options are applied once it is attached
  std::vector<CgroupPart> cgroups;  // cgroup mounts where the host has v1 hierarchies
  bool unified_cgroup = false;
  MountFd fallback;  // proc, sysfs: the host's, for where the kernel refuses a new one
};

// "a/../b//c/" is "/b/c": destinations are taken as written, before any link is followed, as the
// specification's example order of mounts needs it. Relative ones count from the root.
std::string clean_destination(std::string_view destination);

// Decides on one mount. `bundle` is what relative sources of binds are relative to. Nothing is
// opened. kInvalidArgument for what no kernel could do, naming the destination.
Result<PlannedMount> plan_mount(const oci::Mount& mount, const oci::Config& config,
                                std::string_view bundle);

// The rules for what may be mounted below /proc: nothing but the files that lxcfs emulates
// (CVE-2019-16884 and the like hide writes to /proc/self/attr under a mount). `destination` is
// clean. The root of /proc itself is judged by what is mounted: check_proc_root.
Status check_below_proc(std::string_view destination);

// For a mount whose destination is /proc itself: it must be a whole procfs.
Status check_proc_root(const PlannedMount& mount);

// True when `path` is `folder` or below it; both clean.
bool is_path_below(std::string_view path, std::string_view folder);

// Inline mappings as plain ones: relative entries are translated through the mappings of the
// container's user namespace, and split where those are. kInvalidArgument when an id isn't mapped.
Result<std::vector<oci::IdMapping>> resolve_inline_mappings(
    const std::vector<InlineMapping>& inline_mappings,
    const std::vector<oci::IdMapping>& container_mappings);

}  // namespace dhow::rootfs
