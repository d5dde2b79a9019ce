// SPDX-License-Identifier: Apache-2.0
// In the child: the root is attached, then everything below it is made.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/rootfs/rootfs_impl.h"

namespace dhow::rootfs {
namespace {

// Mounts of the copied namespace must not carry what happens here back to the host: neither the
// attaching of the root nor the detaching of the old one.
Status stop_propagation() {
  if (::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) == 0) return {};
  return fail_errno(errno, "make \"/\" a slave");
}

}  // namespace

MountContext RootfsImpl::context() {
  MountContext context;
  context.root = &root_;
  context.proc = &proc_;
  context.options = &options_;
  context.default_propagation = propagation_;
  context.label_option = label_option_;
  context.label = label_;
  context.late_read_only = &late_read_only_;
  return context;
}

Status RootfsImpl::make_kernel_views_early() {
  TRY_ASSIGN(Fd top, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  MountContext here = context();
  for (MountKind kind : {MountKind::kProc, MountKind::kSysfs}) {
    const MountFd& host = kind == MountKind::kProc ? host_proc_ : host_sys_;
    TRY(host.attach(top));
    Cleanup detach([&] {
      // Left behind, it would be covered by the root and gone with the namespace.
      std::ignore = unmount_dir(host.fd(), MNT_DETACH);
    });
    for (PlannedMount& plan : mounts_) {
      if (plan.kind != kind) continue;
      auto made = new_file_system(here, plan);
      // Where a new one is refused the plan has the host's; without, the mount itself will fail.
      if (made) plan.tree = std::move(*made);
    }
    // The private procfs can't be made later either.
    if (kind == MountKind::kProc) std::ignore = proc_.get();
  }
  return {};
}

Status RootfsImpl::attach_root() {
  if (shares_host_namespace()) {
    TRY_ASSIGN(root_, DirFd::open(root_path_));
    return {};
  }
  bool copied = options_.mode != SwitchMode::kOnEmptyRoot;
  if (copied) TRY(stop_propagation());
  if (!root_tree_) {
    TRY_ASSIGN(root_tree_, MountFd::clone_of(kCwd, root_path_, true));
  }
  // While the tree is built its mounts must stay in this namespace, even for a root that is to be
  // shared.
  std::uint64_t flags = propagation_ != 0 ? propagation_ : MS_SLAVE | MS_REC;
  Fd target;
  if (copied) {
    // Hooks look for the container's files at the root's path. Where this user can't reach it "/"
    // serves as well.
    auto opened = open_at(kCwd, root_path_, O_PATH | O_DIRECTORY);
    if (opened) target = std::move(*opened);
  }
  on_top_ = !target;
  if (on_top_) {
    TRY_ASSIGN(target, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  }
  TRY(root_tree_.attach(target));
  TRY(change_attached_mount(proc_, root_tree_.fd(), {}, flags));
  TRY_ASSIGN(Fd root, root_tree_.fd().duplicate());
  root_ = DirFd(std::move(root));
  return {};
}

Status RootfsImpl::build() {
  mode_t umask_before = ::umask(0);
  Cleanup restore([&] { ::umask(umask_before); });
  if (host_proc_) TRY_CONTEXT(make_kernel_views_early(), "make proc and sysfs");
  TRY_CONTEXT(attach_root(), cat("attach root ", quoted(root_path_)));
  MountContext here = context();
  for (PlannedMount& plan : mounts_) {
    TRY(make_mount(here, plan));
    if (plan.destination == "/" && plan.tree) {
      // It covers the root that the earlier mounts were made in.
      TRY_ASSIGN(Fd root, plan.tree.fd().duplicate());
      root_ = DirFd(std::move(root));
    }
  }
  TRY(devices_.make(here));
  // Without privileges on the host nothing could be copied before; here its paths are still seen.
  if (!null_device_ && !config_.linux.masked_paths.empty() && !shares_host_namespace()) {
    TRY_ASSIGN(null_device_, open_null_device());
  }
  return {};
}

}  // namespace dhow::rootfs
