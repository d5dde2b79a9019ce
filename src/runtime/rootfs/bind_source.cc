// SPDX-License-Identifier: Apache-2.0
// Sources of bind mounts: detached copies, with their options applied before anybody can see them.
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/rootfs/make_mount.h"

namespace dhow::rootfs {
namespace {

// The propagation type without MS_REC, and whether MS_REC was there.
std::uint64_t propagation_type(std::uint64_t flags) { return flags & ~std::uint64_t{MS_REC}; }
bool is_recursive(std::uint64_t flags) { return (flags & MS_REC) != 0; }

Status read_source_link(PlannedMount& plan) {
  std::string target(PATH_MAX, '\0');
  ssize_t size = ::readlink(plan.source.c_str(), target.data(), target.size());
  // Not a link: mounted as usual.
  if (size < 0 && errno == EINVAL) return {};
  if (size < 0) return fail_errno(errno, cat("read link ", quoted(plan.source)));
  target.resize(static_cast<std::size_t>(size));
  plan.symlink_target = std::move(target);
  return {};
}

Status apply_idmap(const PlannedMount& plan) {
  if (plan.options.idmap == IdmapMode::kNone) return {};
  bool recursive = plan.options.idmap == IdmapMode::kRecursive;
  TRY_CONTEXT(plan.tree.set_attributes(MOUNT_ATTR_IDMAP, 0, 0, recursive, plan.userns),
              "map ids of the mount");
  return {};
}

// The least number of calls: a copy of one mount takes everything at once.
Status apply_options(const PlannedMount& plan, std::uint64_t default_propagation) {
  const MountOptions& options = plan.options;
  FdRef tree(plan.tree.fd());
  std::uint64_t first = default_propagation;
  std::size_t next = 0;
  // A propagation that covers the whole copy makes the default pointless.
  if (!options.propagation.empty() &&
      (is_recursive(options.propagation[0]) || !options.recursive_bind)) {
    first = options.propagation[0];
    // "slave" and "shared" keep what the default made of the mount: a slave may be shared again.
    if (propagation_type(first) == MS_SHARED && default_propagation != 0) {
      first = default_propagation;
    } else {
      next = 1;
    }
  }
  if (!options.recursive_attributes.empty() || (first != 0 && options.recursive_bind)) {
    TRY(change_copied_mount(tree, options.recursive_attributes, propagation_type(first), true));
    first = 0;
  }
  if (!options.attributes.empty() || first != 0) {
    TRY(change_copied_mount(tree, options.attributes, propagation_type(first), false));
  }
  for (; next < options.propagation.size(); ++next) {
    std::uint64_t flags = options.propagation[next];
    TRY(change_copied_mount(tree, {}, propagation_type(flags), is_recursive(flags)));
  }
  return {};
}

// A read-only copy of the host's /sys is meant to be read-only with the cgroups in it, which an
// ordinary user may own (CVE-2023-25809); "ro" by itself only counts for the top mount.
Status protect_kernel_view(const PlannedMount& plan) {
  if (!plan.options.recursive_bind || !plan.options.read_only()) return {};
  TRY_ASSIGN(long magic, file_system_magic(plan.tree.fd()));
  if (magic != SYSFS_MAGIC) return {};
  return change_copied_mount(plan.tree.fd(), {MOUNT_ATTR_RDONLY, 0}, 0, true);
}

Result<MountFd> clone_source(const PlannedMount& plan) {
  const MountOptions& options = plan.options;
  if (!options.source_subpath.empty()) {
    TRY_ASSIGN(DirFd source, DirFd::open(plan.source));
    return clone_part(source, options.source_subpath, options.recursive_bind);
  }
  unsigned flags = options.source_nofollow ? AT_SYMLINK_NOFOLLOW : 0;
  return MountFd::clone_of(kCwd, plan.source, options.recursive_bind, flags);
}

}  // namespace

Status change_copied_mount(FdRef mount, AttributeChange change, std::uint64_t propagation,
                           bool recursive) {
  auto status = set_mount_attributes(mount, change.set, change.clear, propagation, recursive);
  if (status || status.error().sys_errno() != EPERM) return status;
  TRY_ASSIGN(std::uint64_t now, mount_attributes(mount));
  AttributeChange allowed = change;
  allowed.clear &= ~now;
  if ((change.clear & MOUNT_ATTR__ATIME) != 0) {
    allowed.clear &= ~std::uint64_t{MOUNT_ATTR__ATIME};
    allowed.set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
  }
  if (allowed == change) return status;
  return set_mount_attributes(mount, allowed.set, allowed.clear, propagation, recursive);
}

Status open_bind_source(PlannedMount& plan, std::uint64_t default_propagation, bool may_defer) {
  if (plan.options.copy_symlink) {
    TRY(read_source_link(plan));
    if (!plan.symlink_target.empty()) return {};
  }
  auto tree = clone_source(plan);
  if (!tree) {
    if (may_defer && tree.error().sys_errno() == EPERM) return {};
    return fail(std::move(tree).error());
  }
  plan.tree = std::move(*tree);
  struct stat info{};
  if (::fstat(plan.tree.fd().get(), &info) != 0) {
    return fail_errno(errno, cat("stat ", quoted(plan.source)));
  }
  plan.source_is_dir = S_ISDIR(info.st_mode);
  plan.source_is_link = S_ISLNK(info.st_mode);
  TRY(apply_idmap(plan));
  auto applied = apply_options(plan, default_propagation);
  if (!applied && applied.error().sys_errno() == ENOSYS) {
    plan.attributes_pending = true;
    return {};
  }
  TRY(applied);
  return protect_kernel_view(plan);
}

}  // namespace dhow::rootfs
