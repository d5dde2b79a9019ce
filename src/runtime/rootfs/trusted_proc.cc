// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/trusted_proc.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/strings.h"

namespace dhow::rootfs {
namespace {

constexpr std::uint64_t kAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// A detached copy of one mount, checked to be the root of a procfs.
Result<MountFd> copy_of(FdRef dir, std::string_view path) {
  unsigned flags = path.empty() ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  TRY_ASSIGN(MountFd copy, MountFd::clone_of(dir, path, false, flags));
  TRY_ASSIGN(long magic, file_system_magic(copy.fd()));
  struct stat info{};
  constexpr ino_t kProcRootInode = 1;
  // A part of a procfs, bound on /proc, is no procfs.
  if (magic != PROC_SUPER_MAGIC || ::fstat(copy.fd().get(), &info) != 0 ||
      info.st_ino != kProcRootInode) {
    return fail(Code::kPermissionDenied, "the copied /proc is not of type proc");
  }
  // A read-only /proc of the container must still take the runtime's own writes. Where the flag is
  // locked or mount_setattr is missing, a write will say so.
  if (auto writable = copy.set_attributes(0, MOUNT_ATTR_RDONLY, MS_PRIVATE, false); !writable) {
    if (writable.error().sys_errno() != EPERM && writable.error().sys_errno() != ENOSYS) {
      return fail(std::move(writable).error());
    }
  }
  return copy;
}

Result<MountFd> new_proc() {
  TRY_ASSIGN(FsContext context, FsContext::open("proc"));
  TRY(context.create());
  return context.mount(kAttributes);
}

}  // namespace

Result<FdRef> TrustedProc::get() {
  if (!tree_) {
    auto made = make();
    if (!made) return fail(std::move(made).error().add_context("make a private procfs"));
    tree_ = std::move(*made);
  }
  return FdRef(tree_.fd());
}

Result<MountFd> TrustedProc::make() {
  if (origin_) {
    if (auto copy = copy_of(origin_, "")) return copy;
  }
  auto made = new_proc();
  if (made) return made;
  if (auto copy = copy_of(kCwd, "/proc")) return copy;
  return made;
}

}  // namespace dhow::rootfs
