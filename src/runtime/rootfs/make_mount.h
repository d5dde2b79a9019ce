// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/rootfs/mount_plan.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/rootfs/trusted_proc.h"
#include "sys/dir_fd.h"

namespace dhow::rootfs {

// What a mount is made with, at build time and for hot mounts. Everything is borrowed.
struct MountContext {
  const DirFd* root = nullptr;
  TrustedProc* proc = nullptr;
  const Options* options = nullptr;
  // MS_* that copies of mounts get before their own propagation options; 0: they stay as they are.
  std::uint64_t default_propagation = 0;
  // The option that labels new file systems ("context" and so on), and the label; empty: none.
  std::string label_option;
  std::string label;
  // Mounts that become read-only when all else is done, because later mounts need folders in them;
  // nullptr: at once.
  std::vector<Fd>* late_read_only = nullptr;
};

// In the container's mount namespace: makes one planned mount and attaches it, all below the root.
Status make_mount(MountContext& context, PlannedMount& plan);

// Before the clone, or in the child where the former had no rights: opens what a bind mount shows
// as a detached copy with all its options applied. The tree stays empty when `may_defer` and the
// caller isn't allowed to copy mounts.
Status open_bind_source(PlannedMount& plan, std::uint64_t default_propagation, bool may_defer);

// The file system of a proc, sysfs, tmpfs, … mount, detached.
Result<MountFd> new_file_system(const MountContext& context, const PlannedMount& plan);

// Applies attributes and propagation to a mount copied from elsewhere. Flags that the kernel has
// locked (mount_namespaces(7)) stay as they are instead of failing, as mount(8) does.
Status change_copied_mount(FdRef mount, AttributeChange change, std::uint64_t propagation,
                           bool recursive);

// Changes a mount that is attached, also where mount_setattr is missing (not recursively then, but
// for the propagation). `propagation`: MS_* with or without MS_REC, or 0.
Status change_attached_mount(TrustedProc& proc, FdRef mount, AttributeChange change,
                             std::uint64_t propagation = 0);

// Attaches `tree` to `target`, then resolves `destination` again and checks that the tree is what
// is there: a folder renamed between the two is an error, never a mount in the wrong place.
Status attach_and_verify(const MountContext& context, const MountFd& tree, FdRef target,
                         const std::string& destination, int open_flags = 0);

// The target of a mount: opened below the root, made when it is missing.
Result<Fd> open_target(const MountContext& context, const PlannedMount& plan, bool is_dir);

// As open_target for a folder that no symbolic link leads to. `what` is the type of file system
// that insists on it.
Result<DirFd> open_ordinary_dir(const DirFd& root, std::string_view path, std::string_view what);

// cgroup and cgroup2 mounts: cgroup_mounts.cc.
Status open_cgroup_source(PlannedMount& plan, const Options& options);
Status make_cgroup_mount(MountContext& context, PlannedMount& plan);
// Annotation run.oci.systemd.force_cgroup_v1: the path of a mount that becomes systemd's v1
// hierarchy instead, for an old systemd in the container. True when `plan` is that mount.
// kInvalidArgument without a cgroup namespace: it would be the host's, and writable.
Result<bool> plan_forced_v1(PlannedMount& plan, const oci::Config& config, const Options& options);

// Copies the content of a folder of the container into a tmpfs that is to cover it: copy_up.cc.
Status copy_tree(FdRef from, FdRef to);

}  // namespace dhow::rootfs
