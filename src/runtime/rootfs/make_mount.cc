// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/make_mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/strings.h"

namespace dhow::rootfs {
namespace {

constexpr unsigned kMountPointMode = 0755;
constexpr unsigned kFileMode = 0755;

// Propagation options of a mount that was just attached.
Status apply_propagation(const MountContext& context, const PlannedMount& plan, FdRef mount) {
  for (std::uint64_t flags : plan.options.propagation) {
    TRY(change_attached_mount(*context.proc, mount, {}, flags));
  }
  return {};
}

// What open_bind_source could not do without mount_setattr.
Status apply_pending(const MountContext& context, const PlannedMount& plan, FdRef mount) {
  if (!plan.options.recursive_attributes.empty()) {
    return fail(Code::kUnimplemented, "recursive mount options need Linux 5.12 or newer");
  }
  TRY(change_attached_mount(*context.proc, mount, plan.options.attributes,
                            context.default_propagation));
  return apply_propagation(context, plan, mount);
}

Status make_symlink(const MountContext& context, const PlannedMount& plan) {
  TRY_ASSIGN(DirFd::Parent parent,
             context.root->open_parent_in_root(plan.destination, true, kMountPointMode));
  int dir = parent.dir.fd().get();
  if (::symlinkat(plan.symlink_target.c_str(), dir, parent.name.c_str()) == 0) return {};
  if (errno == EEXIST) {
    std::string now(plan.symlink_target.size() + 1, '\0');
    ssize_t size = ::readlinkat(dir, parent.name.c_str(), now.data(), now.size());
    if (size >= 0 && now.substr(0, static_cast<std::size_t>(size)) == plan.symlink_target) {
      return {};
    }
    errno = EEXIST;
  }
  return fail_errno(errno, cat("make link ", quoted(plan.destination)));
}

Status make_bind(MountContext& context, PlannedMount& plan) {
  if (!plan.tree && plan.symlink_target.empty()) {
    TRY(open_bind_source(plan, context.default_propagation, false));
  }
  if (!plan.symlink_target.empty()) return make_symlink(context, plan);
  if (plan.destination == "/proc") TRY(check_proc_root(plan));
  TRY_ASSIGN(Fd target, open_target(context, plan, plan.source_is_dir));
  int flags = plan.options.destination_nofollow || plan.source_is_link ? O_NOFOLLOW : 0;
  TRY(attach_and_verify(context, plan.tree, target, plan.destination, flags));
  if (plan.attributes_pending) TRY(apply_pending(context, plan, plan.tree.fd()));
  return {};
}

Status make_kernel_view(MountContext& context, PlannedMount& plan) {
  TRY_ASSIGN(DirFd target, open_ordinary_dir(*context.root, plan.destination, plan.type));
  if (!plan.tree) {
    auto made = new_file_system(context, plan);
    if (made) {
      plan.tree = std::move(*made);
    } else {
      // A user namespace without a network or pid namespace of its own may not have a new one.
      int error = made.error().sys_errno();
      if ((error != EPERM && error != EBUSY) || !plan.fallback) {
        return fail(std::move(made).error());
      }
      plan.tree = std::move(plan.fallback);
    }
  }
  TRY(attach_and_verify(context, plan.tree, target.fd(), plan.destination));
  if (plan.kind == MountKind::kProc && plan.options.data.empty()) {
    TRY_ASSIGN(Fd origin, plan.tree.fd().duplicate());
    context.proc->set_origin(std::move(origin));
  }
  return apply_propagation(context, plan, plan.tree.fd());
}

std::string octal(unsigned value) {
  char digits[16];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 8);
  static_cast<void>(error);
  return cat("0", std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

Status make_tmpfs(MountContext& context, PlannedMount& plan) {
  auto existing = context.root->open_in_root(plan.destination, O_PATH | O_DIRECTORY);
  struct stat info{};
  bool exists = existing && ::fstat(existing->get(), &info) == 0;
  auto is_mode = [](const FsOption& option) { return option.key == "mode"; };
  if (exists && std::ranges::none_of(plan.options.data, is_mode)) {
    plan.options.data.push_back({"mode", octal(info.st_mode & 07777)});
  }
  TRY_ASSIGN(Fd target, open_target(context, plan, true));
  TRY_ASSIGN(plan.tree, new_file_system(context, plan));
  if (plan.options.copy_up && exists) {
    TRY_CONTEXT(copy_tree(target, plan.tree.fd()), "copy up");
  }
  TRY(attach_and_verify(context, plan.tree, target, plan.destination));
  if (plan.options.read_only()) {
    if (context.late_read_only != nullptr) {
      TRY_ASSIGN(Fd mount, plan.tree.fd().duplicate());
      context.late_read_only->push_back(std::move(mount));
    } else {
      TRY(change_attached_mount(*context.proc, plan.tree.fd(), {MOUNT_ATTR_RDONLY, 0}));
    }
  }
  return apply_propagation(context, plan, plan.tree.fd());
}

unsigned long legacy_flags(std::uint64_t attributes) {
  unsigned long flags = 0;
  if ((attributes & MOUNT_ATTR_RDONLY) != 0) flags |= MS_RDONLY;
  if ((attributes & MOUNT_ATTR_NOSUID) != 0) flags |= MS_NOSUID;
  if ((attributes & MOUNT_ATTR_NODEV) != 0) flags |= MS_NODEV;
  if ((attributes & MOUNT_ATTR_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((attributes & MOUNT_ATTR_NOATIME) != 0) flags |= MS_NOATIME;
  if ((attributes & MOUNT_ATTR_NODIRATIME) != 0) flags |= MS_NODIRATIME;
  if ((attributes & MOUNT_ATTR_STRICTATIME) != 0) flags |= MS_STRICTATIME;
  if ((attributes & MOUNT_ATTR_NOSYMFOLLOW) != 0) flags |= MS_NOSYMFOLLOW;
  return flags;
}

// mount(2), for options that fsconfig(2) can't carry. In one string a comma would start another
// option, so one inside a value is refused.
Status mount_by_string(const MountContext& context, const PlannedMount& plan, FdRef target) {
  LegacyMount mount{plan.source, plan.type, legacy_flags(plan.options.attributes.set), {}};
  for (const FsOption& option : plan.options.data) {
    std::string text = option.value ? cat(option.key, "=", *option.value) : option.key;
    if (text.find(',') != std::string::npos) {
      return fail(Code::kInvalidArgument, cat("comma in mount option ", quoted(text)));
    }
    mount.data += cat(mount.data.empty() ? "" : ",", text);
  }
  if (!context.label.empty()) {
    mount.data +=
        cat(mount.data.empty() ? "" : ",", context.label_option, "=\"", context.label, "\"");
  }
  TRY_ASSIGN(FdRef proc, context.proc->get());
  TRY(mount_legacy(proc, target, mount));
  TRY_ASSIGN(Fd mounted, context.root->open_in_root(plan.destination, O_PATH));
  TRY_ASSIGN(bool at_root, is_mount_root(mounted));
  TRY_ASSIGN(std::uint64_t before, mount_id(target));
  TRY_ASSIGN(std::uint64_t after, mount_id(mounted));
  if (!at_root || before == after) {
    return fail(Code::kAborted, "the destination was moved while it was mounted");
  }
  return apply_propagation(context, plan, mounted);
}

bool needs_mount_by_string(const PlannedMount& plan) {
  if (plan.source.size() > kMaxFsOptionValue) return true;
  return std::ranges::any_of(plan.options.data, [](const FsOption& option) {
    return option.value && option.value->size() > kMaxFsOptionValue;
  });
}

// A copy of a part of a file system that is attached, which goes: before Linux 6.15 only of such a
// mount a part can be copied.
Result<MountFd> take_part(FdRef whole, const std::string& subpath) {
  auto copy = [&]() -> Result<MountFd> {
    TRY_ASSIGN(Fd root, open_at(whole, ".", O_PATH | O_DIRECTORY));
    return clone_part(DirFd(std::move(root)), subpath, true);
  };
  Result<MountFd> part = copy();
  TRY_ASSIGN(Fd before, open_at(kCwd, ".", O_PATH | O_DIRECTORY));
  bool gone = ::fchdir(whole.get()) == 0 && ::umount2(".", MNT_DETACH) == 0;
  int error = errno;
  if (::fchdir(before.get()) != 0 || !gone) {
    return fail_errno(gone ? errno : error, "unmount what a part is of");
  }
  return part;
}

// The whole is over the root for a moment, in which nobody looks from there; what is opened below
// that stays where it was. Where only mount(2) can make it, it is where the part is to be.
Result<MountFd> make_part(const MountContext& context, const PlannedMount& plan) {
  const std::string& subpath = plan.options.source_subpath;
  if (!needs_mount_by_string(plan)) {
    TRY_ASSIGN(MountFd whole, new_file_system(context, plan));
    TRY(whole.attach(context.root->fd()));
    return take_part(whole.fd(), subpath);
  }
  {
    TRY_ASSIGN(Fd target, open_target(context, plan, true));
    TRY(mount_by_string(context, plan, target));
  }
  TRY_ASSIGN(Fd whole, context.root->open_in_root(plan.destination, O_PATH | O_DIRECTORY));
  TRY_ASSIGN(MountFd part, take_part(whole, subpath));
  // The folder that was made for it may have to be a file.
  TRY_ASSIGN(DirFd::Parent parent,
             context.root->open_parent_in_root(plan.destination, false, kMountPointMode));
  ::unlinkat(parent.dir.fd().get(), parent.name.c_str(), AT_REMOVEDIR);
  return part;
}

Status make_mount_of_part(MountContext& context, PlannedMount& plan) {
  TRY_ASSIGN(plan.tree, make_part(context, plan));
  struct stat info{};
  if (::fstat(plan.tree.fd().get(), &info) != 0) return fail_errno(errno, "look at the part");
  TRY_ASSIGN(Fd target, open_target(context, plan, S_ISDIR(info.st_mode)));
  TRY(attach_and_verify(context, plan.tree, target, plan.destination));
  return apply_propagation(context, plan, plan.tree.fd());
}

Status make_other(MountContext& context, PlannedMount& plan) {
  if (!plan.options.source_subpath.empty()) return make_mount_of_part(context, plan);
  TRY_ASSIGN(Fd target, open_target(context, plan, true));
  if (needs_mount_by_string(plan)) return mount_by_string(context, plan, target);
  auto made = new_file_system(context, plan);
  if (!made) {
    // File systems that were not converted to the new calls parse some options only in mount(2).
    int error = made.error().sys_errno();
    if (error == EINVAL && mount_by_string(context, plan, target)) return {};
    return fail(std::move(made).error());
  }
  plan.tree = std::move(*made);
  TRY(attach_and_verify(context, plan.tree, target, plan.destination));
  return apply_propagation(context, plan, plan.tree.fd());
}

Status make_remount(const MountContext& context, const PlannedMount& plan) {
  TRY_ASSIGN(Fd target, context.root->open_in_root(plan.destination, O_PATH));
  TRY_ASSIGN(bool at_root, is_mount_root(target));
  if (!at_root) return fail_errno(EINVAL, "not a mount point");
  if (!plan.options.bind && (!plan.options.data.empty() || !plan.options.superblock.empty())) {
    TRY_ASSIGN(FsContext file_system, FsContext::pick(target));
    for (const std::string& name : plan.options.superblock) TRY(file_system.set_flag(name));
    for (const FsOption& option : plan.options.data) TRY(file_system.set(option));
    TRY(file_system.reconfigure());
  }
  const MountOptions& options = plan.options;
  if (!options.recursive_attributes.empty()) {
    TRY(change_copied_mount(target, options.recursive_attributes, 0, true));
  }
  if (!options.attributes.empty()) {
    auto status = change_copied_mount(target, options.attributes, 0, false);
    if (!status && status.error().sys_errno() == ENOSYS) {
      status = change_attached_mount(*context.proc, target, options.attributes);
    }
    TRY(status);
  }
  return apply_propagation(context, plan, target);
}

Status dispatch(MountContext& context, PlannedMount& plan) {
  switch (plan.kind) {
    case MountKind::kBind:
      return make_bind(context, plan);
    case MountKind::kProc:
    case MountKind::kSysfs:
      return make_kernel_view(context, plan);
    case MountKind::kTmpfs:
      return make_tmpfs(context, plan);
    case MountKind::kCgroup:
      return make_cgroup_mount(context, plan);
    case MountKind::kRemount:
      return make_remount(context, plan);
    case MountKind::kOther:
      return make_other(context, plan);
  }
  return fail(Code::kInternal, "unknown kind of mount");
}

}  // namespace

Status change_attached_mount(TrustedProc& trusted, FdRef mount, AttributeChange change,
                             std::uint64_t propagation) {
  auto status =
      set_mount_attributes(mount, change.set, change.clear, propagation & ~std::uint64_t{MS_REC},
                           (propagation & MS_REC) != 0 && change.empty());
  if (!status && status.error().sys_errno() == ENOSYS) {
    TRY_ASSIGN(FdRef proc, trusted.get());
    return set_mount_attributes_legacy(proc, mount, change.set, change.clear, propagation);
  }
  return status;
}

Result<DirFd> open_ordinary_dir(const DirFd& root, std::string_view path, std::string_view what) {
  TRY_ASSIGN(Fd here, open_at(root.fd(), ".", O_PATH | O_DIRECTORY));
  for (std::string_view name : split(path, '/')) {
    if (name.empty()) continue;
    constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW;
    auto next = open_at(here, name, kFlags);
    if (!next && next.error().sys_errno() == ENOENT) {
      if (::mkdirat(here.get(), std::string(name).c_str(), kMountPointMode) != 0 &&
          errno != EEXIST) {
        return fail_errno(errno, cat("make folder ", quoted(path)));
      }
      next = open_at(here, name, kFlags);
    }
    if (!next) {
      int error = next.error().sys_errno();
      if (error == ENOTDIR || error == ELOOP) {
        return fail(Code::kInvalidArgument,
                    cat("filesystem ", quoted(what), " must be mounted on ordinary directory"));
      }
      return fail(std::move(next).error());
    }
    here = std::move(*next);
  }
  return DirFd(std::move(here));
}

Result<Fd> open_target(const MountContext& context, const PlannedMount& plan, bool is_dir) {
  const DirFd& root = *context.root;
  Fd target;
  if (plan.options.destination_nofollow) {
    auto existing = root.open_in_root(plan.destination, O_PATH | O_NOFOLLOW);
    if (existing) target = std::move(*existing);
  }
  if (!target && is_dir) {
    TRY_ASSIGN(DirFd dir, root.make_dirs_in_root(plan.destination, kMountPointMode));
    TRY_ASSIGN(target, dir.fd().duplicate());
  } else if (!target) {
    TRY_ASSIGN(target, root.make_file_in_root(plan.destination, kFileMode, kMountPointMode));
  }
  // Links of the image may lead into /proc under another name.
  TRY_ASSIGN(long magic, file_system_magic(target));
  if (magic == PROC_SUPER_MAGIC && plan.destination != "/proc" &&
      (!is_path_below(plan.destination, "/proc") || !check_below_proc(plan.destination))) {
    return fail(Code::kInvalidArgument,
                cat(quoted(plan.destination), " cannot be mounted because it is inside /proc"));
  }
  return target;
}

Status attach_and_verify(const MountContext& context, const MountFd& tree, FdRef target,
                         const std::string& destination, int open_flags) {
  TRY(tree.attach(target));
  // The root itself is not looked up: its new cover is only seen through "..", which stays inside.
  if (destination == "/") return {};
  TRY_ASSIGN(Fd found, context.root->open_in_root(destination, O_PATH | open_flags));
  TRY_ASSIGN(std::uint64_t wanted, mount_id(tree.fd()));
  TRY_ASSIGN(std::uint64_t actual, mount_id(found));
  if (wanted != actual) {
    return fail(Code::kAborted, "the destination was moved while it was mounted");
  }
  return {};
}

Status make_mount(MountContext& context, PlannedMount& plan) {
  if (plan.destination == "/proc") TRY(check_proc_root(plan));
  auto status = dispatch(context, plan);
  if (!status) {
    std::string_view source =
        plan.source.empty() ? std::string_view(plan.type) : std::string_view(plan.source);
    return fail(std::move(status).error().add_context(
        cat("mount ", quoted(source), " on ", quoted(plan.destination))));
  }
  return {};
}

}  // namespace dhow::rootfs
