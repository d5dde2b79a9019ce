// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/empty_namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/rootfs/empty_folder.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/rootfs/waiting_child.h"
#include "sys/file_io.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {
namespace {

constexpr std::string_view kFolder = "/run/dhow/empty-mnt";
constexpr std::size_t kMaxPins = 64;
constexpr mode_t kRootMode = 0555;
constexpr long kNsfsMagic = 0x6e736673;  // NSFS_MAGIC

// In a child with a mount namespace of its own: leaves just one mount in it, a folder in which
// nothing can be made.
Status empty_this_namespace() {
  TRY_ASSIGN(Fd host_root, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) {
    return fail_errno(errno, "make \"/\" private");
  }
  TRY_ASSIGN(MountFd empty, new_empty_folder("dhow-empty", "0555"));
  TRY(empty.attach(host_root));
  if (::fchdir(empty.fd().get()) != 0) return fail_errno(errno, "change folder");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno(errno, "pivot_root");
  return unmount_dir(host_root, MNT_DETACH);
}

// The mount that is "/" now is what empty_this_namespace made. With one inode it has no folder that
// another mount could be on.
Status check_empty_root() {
  TRY_ASSIGN(Fd root, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  TRY_ASSIGN(long magic, file_system_magic(root));
  struct statvfs fs{};
  struct stat info{};
  if (::fstatvfs(root.get(), &fs) != 0 || ::fstat(root.get(), &info) != 0) {
    return fail_errno(errno, "stat \"/\"");
  }
  if (magic != TMPFS_MAGIC || (fs.f_flag & ST_RDONLY) == 0 || fs.f_files != 1 || info.st_uid != 0 ||
      (info.st_mode & 07777) != kRootMode) {
    return fail(Code::kFailedPrecondition, "the mount namespace is not an empty one");
  }
  return {};
}

Result<Fd> open_folder() {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  auto folder = open_at(kCwd, kFolder, kFlags);
  if (!folder && folder.error().sys_errno() == ENOENT) {
    TRY(make_dirs(kFolder, 0700));
    folder = open_at(kCwd, kFolder, kFlags);
  }
  if (!folder) return folder;
  struct stat info{};
  if (::fstat(folder->get(), &info) != 0) return fail_errno(errno, "stat");
  if (info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Code::kPermissionDenied, cat("folder ", quoted(kFolder), " is not only root's"));
  }
  return folder;
}

// What is mounted here isn't seen in other mount namespaces, and removing the file under somebody
// else's mount unmounts it there: each caller's namespace has a name of its own.
Result<std::string> pin_name() {
  struct stat own{};
  if (::stat("/proc/self/ns/mnt", &own) != 0) return fail_errno(errno, "find own mount namespace");
  return cat(own.st_ino);
}

// The pinned namespace, or an error when there is none that may be used.
Result<Fd> open_pin(FdRef folder, const std::string& name) {
  // Not blocking: something else of that name must not stop the runtime.
  TRY_ASSIGN(Fd pin, open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(long magic, file_system_magic(pin));
  if (magic != kNsfsMagic || ::ioctl(pin.get(), NS_GET_NSTYPE) != CLONE_NEWNS) {
    return fail(Code::kFailedPrecondition, "the pin is not a mount namespace");
  }
  TRY_ASSIGN(MountNamespaceSwitch inside, MountNamespaceSwitch::enter(pin));
  auto empty = check_empty_root();
  TRY(inside.leave());
  TRY(empty);
  return pin;
}

// Whatever is on the pin's name goes: a namespace of before, or mounts of somebody else.
Status clear_pin(FdRef folder, const std::string& name) {
  TRY_ASSIGN(Fd proc, open_at(kCwd, "/proc", O_PATH | O_DIRECTORY));
  constexpr int kMaxStacked = 64;
  for (int i = 0; i < kMaxStacked; ++i) {
    auto pin = open_at(folder, name, O_PATH | O_NOFOLLOW);
    if (!pin) break;
    TRY_ASSIGN(bool mounted, is_mount_root(*pin));
    if (!mounted) break;
    TRY(unmount(proc, *pin, MNT_DETACH));
  }
  if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, "remove the old pin");
  }
  return {};
}

// Nobody tells when a mount namespace ends, so names of dead ones stay. When there are many, all
// go: who lives makes a new one.
Status limit_pins(FdRef folder) {
  TRY_ASSIGN(auto names, list_dir(folder));
  if (names.size() < kMaxPins) return {};
  for (const std::string& name : names) TRY(clear_pin(folder, name));
  return {};
}

Status pin_namespace(FdRef folder, const std::string& name, pid_t pid) {
  TRY_ASSIGN(MountFd copy, MountFd::clone_of(kCwd, cat("/proc/", pid, "/ns/mnt"), false));
  if (::mknodat(folder.get(), name.c_str(), S_IFREG | 0400, 0) != 0) {
    return fail_errno(errno, "make the pin");
  }
  TRY_ASSIGN(Fd target, open_at(folder, name, O_PATH | O_NOFOLLOW));
  return copy.attach(target);
}

Status try_pin(FdRef folder, const std::string& name) {
  TRY(clear_pin(folder, name));
  TRY_ASSIGN(WaitingChild child, WaitingChild::clone(CLONE_NEWNS, empty_this_namespace));
  return pin_namespace(folder, name, child.pid());
}

// Linux 6.18 refuses to bind a mount namespace whose number is below that of the caller's, and
// hands numbers out by processor (mnt_ns_loop in fs/namespace.c): in a namespace of its own a
// caller may have to make one on another processor.
Status make_pin(FdRef folder, const std::string& name) {
  TRY(limit_pins(folder));
  auto made = try_pin(folder, name);
  if (made) return made;
  // The copy of the mount is refused with EINVAL, its attaching with ELOOP.
  int error = made.error().sys_errno();
  cpu_set_t before;
  if ((error != EINVAL && error != ELOOP) || ::sched_getaffinity(0, sizeof before, &before) != 0) {
    return made;
  }
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE && !made; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (::sched_setaffinity(0, sizeof one, &one) == 0) made = try_pin(folder, name);
  }
  if (::sched_setaffinity(0, sizeof before, &before) != 0) {
    return fail_errno(errno, "go back to all processors");
  }
  return made;
}

Result<Fd> open_or_make() {
  TRY_ASSIGN(Fd folder, open_folder());
  TRY_ASSIGN(std::string name, pin_name());
  if (auto pin = open_pin(folder, name)) return pin;
  // One at a time; who waited finds what the other made.
  if (::flock(folder.get(), LOCK_EX) != 0) return fail_errno(errno, "lock the folder of the pin");
  if (auto pin = open_pin(folder, name)) return pin;
  TRY(make_pin(folder, name));
  return open_pin(folder, name);
}

}  // namespace

Result<MountNamespaceSwitch> MountNamespaceSwitch::enter(FdRef mount_namespace) {
  MountNamespaceSwitch before;
  TRY_ASSIGN(Fd current, open_at(kCwd, "/proc/self/ns/mnt", O_RDONLY));
  TRY_ASSIGN(before.root_, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
  TRY_ASSIGN(before.folder_, open_at(kCwd, ".", O_PATH | O_DIRECTORY));
  if (::setns(mount_namespace.get(), CLONE_NEWNS) != 0) {
    return fail_errno(errno, "enter mount namespace");
  }
  before.namespace_ = std::move(current);
  return before;
}

MountNamespaceSwitch::~MountNamespaceSwitch() {
  if (!namespace_) return;
  if (auto left = leave(); !left) log::error(left.error().message());
}

Status MountNamespaceSwitch::leave() {
  if (!namespace_) return {};
  // Where it fails the destructor tries once more: nothing can be undone from the wrong namespace.
  if (::setns(namespace_.get(), CLONE_NEWNS) != 0) {
    return fail_errno(errno, "return to the mount namespace");
  }
  // setns puts the root to that of the namespace, which the process may have been chrooted below.
  if (::fchdir(root_.get()) != 0 || ::chroot(".") != 0 || ::fchdir(folder_.get()) != 0) {
    return fail_errno(errno, "return to the root");
  }
  namespace_.reset();
  return {};
}

void MountNamespaceSwitch::dismiss() {
  namespace_.reset();
  root_.reset();
  folder_.reset();
}

Result<std::optional<Fd>> empty_mount_namespace(int given) {
  if (::geteuid() != 0) return std::nullopt;
  if (given >= 0 && ::ioctl(given, NS_GET_NSTYPE) == CLONE_NEWNS) {
    Fd copy(::fcntl(given, F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail_errno(errno, "duplicate the descriptor of a mount namespace");
    return std::optional<Fd>(std::move(copy));
  }
  auto opened = open_or_make();
  if (!opened) {
    // Never needed, only faster: a copy of the host's namespace does as well.
    log::debug(opened.error().message());
    return std::nullopt;
  }
  return std::optional<Fd>(std::move(*opened));
}

}  // namespace dhow::rootfs
