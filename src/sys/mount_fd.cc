// SPDX-License-Identifier: Apache-2.0
#include "sys/mount_fd.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/strings.h"

namespace dhow {
namespace {

bool g_mount_setattr = true;

}  // namespace

Result<MountFd> MountFd::clone_of(FdRef dir, std::string_view path, bool recursive,
                                  unsigned flags) {
  std::string name(path);
  unsigned all = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags | (recursive ? AT_RECURSIVE : 0U);
  long fd = ::syscall(SYS_open_tree, dir.get(), name.c_str(), all);
  if (fd < 0) return fail_errno(errno, cat("clone mount ", quoted(path)));
  return MountFd(Fd(static_cast<int>(fd)));
}

Result<MountFd> clone_part(const DirFd& root, std::string_view subpath, bool recursive) {
  auto part = root.open_in_root(subpath, O_PATH);
  if (part) return MountFd::clone_of(*part, "", recursive, AT_EMPTY_PATH);
  return fail(std::move(part).error().add_context(cat("subpath ", quoted(subpath))));
}

void set_mount_setattr_enabled(bool enabled) { g_mount_setattr = enabled; }

Status set_mount_attributes(FdRef mount, std::uint64_t set, std::uint64_t clear,
                            std::uint64_t propagation, bool recursive, FdRef userns) {
  if (!g_mount_setattr) return fail_errno(ENOSYS, "mount_setattr");
  struct mount_attr attributes{};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  attributes.propagation = propagation;
  if ((set & MOUNT_ATTR_IDMAP) != 0) {
    attributes.userns_fd = static_cast<__u64>(userns.get());
  }
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
  if (::syscall(SYS_mount_setattr, mount.get(), "", flags, &attributes, sizeof attributes) != 0) {
    return fail_errno(errno, "mount_setattr");
  }
  return {};
}

Status MountFd::set_attributes(std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                               bool recursive, FdRef userns) const {
  return set_mount_attributes(fd_, set, clear, propagation, recursive, userns);
}

Status MountFd::attach(FdRef target) const {
  if (::syscall(SYS_move_mount, fd_.get(), "", target.get(), "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    return fail_errno(errno, "move_mount");
  }
  return {};
}

Result<FsContext> FsContext::open(std::string_view type) {
  std::string name(type);
  long fd = ::syscall(SYS_fsopen, name.c_str(), FSOPEN_CLOEXEC);
  if (fd < 0) return fail_errno(errno, cat("open file system type ", quoted(type)));
  return FsContext(Fd(static_cast<int>(fd)));
}

Result<FsContext> FsContext::pick(FdRef target) {
  long fd = ::syscall(SYS_fspick, target.get(), "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  if (fd < 0) return fail_errno(errno, "pick file system");
  return FsContext(Fd(static_cast<int>(fd)));
}

Status FsContext::set(const FsOption& option) const {
  return option.value ? set_string(option.key, *option.value) : set_flag(option.key);
}

std::unexpected<Error> FsContext::failure(int errno_value, std::string_view what) const {
  std::string text(what);
  // Each read gives one line, "e <text>" for errors, until there are no more (ENODATA).
  char line[512];
  while (true) {
    ssize_t size = ::read(fd_.get(), line, sizeof line);
    if (size <= 2) break;
    std::string_view message(line, static_cast<std::size_t>(size));
    if (message.starts_with("e ")) text += cat(": ", trim(message.substr(2)));
  }
  return fail_errno(errno_value, text);
}

Status FsContext::set_flag(std::string_view key) const {
  std::string name(key);
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_FLAG, name.c_str(), nullptr, 0) != 0) {
    return failure(errno, cat("option ", quoted(key)));
  }
  return {};
}

Status FsContext::set_string(std::string_view key, std::string_view value) const {
  std::string name(key);
  std::string text(value);
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_STRING, name.c_str(), text.c_str(), 0) != 0) {
    return failure(errno, cat("option ", quoted(cat(key, "=", value))));
  }
  return {};
}

Status FsContext::set_fd(std::string_view key, FdRef fd) const {
  std::string name(key);
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_FD, name.c_str(), nullptr, fd.get()) != 0) {
    return failure(errno, cat("option ", quoted(key)));
  }
  return {};
}

Status FsContext::create() const {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return failure(errno, "create file system");
  }
  return {};
}

Status FsContext::reconfigure() const {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0) {
    return failure(errno, "reconfigure file system");
  }
  return {};
}

Result<MountFd> FsContext::mount(std::uint64_t attributes) const {
  long fd = ::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, attributes);
  if (fd < 0) return failure(errno, "fsmount");
  return MountFd(Fd(static_cast<int>(fd)));
}

}  // namespace dhow
