// SPDX-License-Identifier: Apache-2.0
// Read-only root, linux.readonlyPaths and linux.maskedPaths.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ranges>

#include "base/strings.h"
#include "runtime/rootfs/empty_folder.h"
#include "runtime/rootfs/rootfs_impl.h"

namespace dhow::rootfs {
namespace {

// What there is nothing of needs no protection: kernels differ in what /proc and /sys hold.
bool is_missing(const Error& error) {
  return error.sys_errno() == ENOENT || error.sys_errno() == ENOTDIR;
}

}  // namespace

// Paths below /proc and /sys are those of the mount that was made there: where the root filesystem
// is shared, "/proc" may be the name of something else by now (CVE-2023-27561), and what is masked
// must be what the container can reach under any name.
Result<Fd> RootfsImpl::open_restricted(const std::string& path) const {
  for (std::string_view top : {"/proc", "/sys"}) {
    if (path == top || !is_path_below(path, top)) continue;
    for (const PlannedMount& plan : mounts_ | std::views::reverse) {
      if (plan.destination != top || !plan.tree) continue;
      TRY_ASSIGN(Fd tree, plan.tree.fd().duplicate());
      return DirFd(std::move(tree)).open_in_root(path.substr(top.size()), O_PATH);
    }
  }
  return root_.open_in_root(path, O_PATH);
}

Status RootfsImpl::remount_root_readonly() {
  for (const Fd& mount : late_read_only_) {
    TRY_CONTEXT(change_attached_mount(proc_, mount, {MOUNT_ATTR_RDONLY, 0}),
                "make a tmpfs read-only");
  }
  late_read_only_.clear();
  if (!config_.root->readonly) return {};
  if (shares_host_namespace()) {
    return fail(Code::kInvalidArgument, "a read-only root needs a mount namespace");
  }
  TRY_CONTEXT(change_attached_mount(proc_, root_.fd(), {MOUNT_ATTR_RDONLY, 0}),
              "make the root read-only");
  return {};
}

Status RootfsImpl::attach_over(const MountFd& tree, FdRef target, const std::string& path) {
  return attach_and_verify(context(), tree, target, path);
}

Status RootfsImpl::make_read_only(const std::string& path) {
  auto target = open_restricted(path);
  if (!target) {
    if (is_missing(target.error())) return {};
    return fail(std::move(target).error());
  }
  TRY_ASSIGN(MountFd tree, MountFd::clone_of(*target, "", true, AT_EMPTY_PATH));
  auto status = tree.set_attributes(MOUNT_ATTR_RDONLY, 0, 0, false);
  bool late = !status && status.error().sys_errno() == ENOSYS;
  if (!late) TRY(status);
  TRY(attach_over(tree, *target, path));
  if (!late) return {};
  return change_attached_mount(proc_, tree.fd(), {MOUNT_ATTR_RDONLY, 0});
}

Status RootfsImpl::apply_readonly_paths() {
  if (shares_host_namespace() && !config_.linux.readonly_paths.empty()) {
    return fail(Code::kInvalidArgument, "read-only paths need a mount namespace");
  }
  for (const std::string& path : config_.linux.readonly_paths) {
    TRY_CONTEXT(make_read_only(clean_destination(path)), cat("make ", quoted(path), " read-only"));
  }
  return {};
}

Status RootfsImpl::mask_dir(FdRef target, const std::string& path) {
  if (!first_empty_) {
    TRY_ASSIGN(MountFd empty, new_empty_folder("tmpfs", "0755"));
    TRY(attach_over(empty, target, path));
    TRY_ASSIGN(first_empty_, empty.fd().duplicate());
    return {};
  }
  TRY_ASSIGN(MountFd copy, MountFd::clone_of(first_empty_, "", false, AT_EMPTY_PATH));
  return attach_over(copy, target, path);
}

Status RootfsImpl::mask_file(FdRef target, const std::string& path) {
  if (!first_null_) {
    if (!null_device_) return fail(Code::kInternal, "no null device was opened on the host");
    TRY(attach_over(null_device_, target, path));
    TRY(change_attached_mount(proc_, null_device_.fd(), {kHostNodeAttributes, 0}));
    TRY_ASSIGN(first_null_, null_device_.fd().duplicate());
    return {};
  }
  TRY_ASSIGN(MountFd copy, MountFd::clone_of(first_null_, "", false, AT_EMPTY_PATH));
  return attach_over(copy, target, path);
}

Status RootfsImpl::mask(const std::string& path) {
  auto target = open_restricted(path);
  if (!target) {
    if (is_missing(target.error())) return {};
    return fail(std::move(target).error());
  }
  struct stat info{};
  if (::fstat(target->get(), &info) != 0) return fail_errno(errno, "stat");
  return S_ISDIR(info.st_mode) ? mask_dir(*target, path) : mask_file(*target, path);
}

Status RootfsImpl::apply_masked_paths() {
  if (shares_host_namespace() && !config_.linux.masked_paths.empty()) {
    return fail(Code::kInvalidArgument, "masked paths need a mount namespace");
  }
  for (const std::string& path : config_.linux.masked_paths) {
    TRY_CONTEXT(mask(clean_destination(path)), cat("mask ", quoted(path)));
  }
  return {};
}

}  // namespace dhow::rootfs
