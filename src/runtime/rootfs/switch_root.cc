// SPDX-License-Identifier: Apache-2.0
// The container's root becomes "/" of the process and of its mount namespace.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/rootfs/mountinfo.h"
#include "runtime/rootfs/rootfs_impl.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
namespace {

// With MS_MOVE the host's mounts stay below the new root. Unmasked procfs and sysfs among them
// would let a user namespace of the container mount new ones, so those go, or are covered.
Status hide_kernel_views(std::string_view root_path) {
  TRY_ASSIGN(std::string text, read_file("/proc/self/mountinfo"));
  TRY_ASSIGN(std::vector<MountInfo> mounts, parse_mountinfo(text));
  for (const MountInfo& mount : mounts) {
    if (mount.type != "proc" && mount.type != "sysfs") continue;
    if (is_path_below(mount.mount_point, root_path)) continue;
    if (::umount2(mount.mount_point.c_str(), MNT_DETACH) == 0) continue;
    // EINVAL, EPERM: locked in this namespace. ENOENT: it went with the one that it was on.
    if (errno == ENOENT) continue;
    if (errno != EINVAL && errno != EPERM) {
      return fail_errno(errno, cat("unmount ", quoted(mount.mount_point)));
    }
    if (::mount("tmpfs", mount.mount_point.c_str(), "tmpfs", 0, nullptr) != 0) {
      return fail_errno(errno, cat("cover ", quoted(mount.mount_point)));
    }
  }
  return {};
}

}  // namespace

Status RootfsImpl::enter_root() {
  if (::fchdir(root_.fd().get()) != 0) return fail_errno(errno, "change folder to the root");
  if (::chroot(".") != 0) return fail_errno(errno, "chroot");
  if (::chdir("/") != 0) return fail_errno(errno, "change folder to \"/\"");
  return {};
}

// pivot_root(2) with both folders the same: the old root lands on top of the new one, and is
// detached from there; no folder for it is needed in the container.
Status RootfsImpl::pivot() {
  TRY_ASSIGN(Fd old_root, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  if (::fchdir(root_.fd().get()) != 0) return fail_errno(errno, "change folder to the root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno(errno, "pivot_root");
  TRY_CONTEXT(unmount_dir(old_root, MNT_DETACH), "detach the old root");
  return {};
}

Status RootfsImpl::move_root() {
  TRY(hide_kernel_views(root_path_));
  if (on_top_) return enter_root();
  TRY_ASSIGN(Fd top, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  if (::syscall(SYS_move_mount, root_.fd().get(), "", top.get(), "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return fail_errno(errno, "move the root to \"/\"");
  }
  return enter_root();
}

// During the build the root was kept from propagating anything.
Status RootfsImpl::apply_final_propagation() {
  const oci::Linux& linux = config_.linux;
  if (!linux.rootfs_propagation || shares_host_namespace()) return {};
  std::uint64_t type = 0;
  if (*linux.rootfs_propagation == oci::Propagation::kShared) type = MS_SHARED;
  if (*linux.rootfs_propagation == oci::Propagation::kUnbindable) type = MS_UNBINDABLE;
  if (type == 0) return {};
  if (linux.rootfs_propagation_recursive) type |= MS_REC;
  return change_attached_mount(proc_, root_.fd(), {}, type);
}

Status RootfsImpl::switch_root() {
  switch (options_.mode) {
    case SwitchMode::kOnEmptyRoot:
    case SwitchMode::kChroot:
      TRY(enter_root());
      break;
    case SwitchMode::kPivot:
      TRY(pivot());
      break;
    case SwitchMode::kMove:
      TRY(move_root());
      break;
  }
  return apply_final_propagation();
}

}  // namespace dhow::rootfs
