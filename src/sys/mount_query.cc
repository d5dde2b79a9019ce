// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of a mount, and the calls of mount(2) and umount2(2) with their paths taken
// from descriptors.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/strings.h"
#include "sys/mount_fd.h"

namespace dhow {
namespace {

constexpr unsigned long kStNoSymfollow = 0x2000;  // include/linux/statfs.h, not in glibc

struct AttributeName {
  std::uint64_t attribute;
  unsigned long statfs_flag;
  unsigned long mount_flag;
};
constexpr std::array kAttributes = {
    AttributeName{MOUNT_ATTR_RDONLY, ST_RDONLY, MS_RDONLY},
    AttributeName{MOUNT_ATTR_NOSUID, ST_NOSUID, MS_NOSUID},
    AttributeName{MOUNT_ATTR_NODEV, ST_NODEV, MS_NODEV},
    AttributeName{MOUNT_ATTR_NOEXEC, ST_NOEXEC, MS_NOEXEC},
    AttributeName{MOUNT_ATTR_NOATIME, ST_NOATIME, MS_NOATIME},
    AttributeName{MOUNT_ATTR_NODIRATIME, ST_NODIRATIME, MS_NODIRATIME},
    AttributeName{MOUNT_ATTR_NOSYMFOLLOW, kStNoSymfollow, MS_NOSYMFOLLOW},
};

// Goes to a folder for one call that takes only paths, and back.
class WorkingFolder {
 public:
  static Result<WorkingFolder> enter(FdRef dir) {
    TRY_ASSIGN(Fd before, open_at(kCwd, ".", O_PATH | O_DIRECTORY));
    if (::fchdir(dir.get()) != 0) return fail_errno(errno, "change folder");
    return WorkingFolder(std::move(before));
  }
  WorkingFolder(WorkingFolder&&) = default;
  WorkingFolder& operator=(WorkingFolder&&) = default;
  ~WorkingFolder() {
    // A folder that was current can always be entered again.
    if (before_ && ::fchdir(before_.get()) != 0) return;
  }

 private:
  explicit WorkingFolder(Fd before) : before_(std::move(before)) {}
  Fd before_;
};

std::string fd_name(FdRef fd) { return cat("thread-self/fd/", fd.get()); }

Result<struct statx> query(FdRef fd, unsigned mask) {
  struct statx info{};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, mask, &info) != 0) return fail_errno(errno, "statx");
  return info;
}

}  // namespace

Result<std::uint64_t> mount_id(FdRef fd) {
  TRY_ASSIGN(struct statx info, query(fd, STATX_MNT_ID));
  if ((info.stx_mask & STATX_MNT_ID) == 0) return fail_errno(ENOSYS, "mount id by statx");
  return info.stx_mnt_id;
}

Result<bool> is_mount_root(FdRef fd) {
  TRY_ASSIGN(struct statx info, query(fd, 0));
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<long> file_system_magic(FdRef fd) {
  struct statfs info{};
  if (::fstatfs(fd.get(), &info) != 0) return fail_errno(errno, "statfs");
  return static_cast<long>(info.f_type);
}

Result<std::uint64_t> mount_attributes(FdRef mount) {
  struct statfs info{};
  if (::fstatfs(mount.get(), &info) != 0) return fail_errno(errno, "statfs");
  auto flags = static_cast<unsigned long>(info.f_flags);
  std::uint64_t attributes = 0;
  for (const AttributeName& name : kAttributes) {
    if ((flags & name.statfs_flag) != 0) attributes |= name.attribute;
  }
  if ((flags & (ST_NOATIME | ST_RELATIME)) == 0) attributes |= MOUNT_ATTR_STRICTATIME;
  return attributes;
}

Status mount_legacy(FdRef proc, FdRef target, const LegacyMount& mount) {
  TRY_ASSIGN(WorkingFolder folder, WorkingFolder::enter(proc));
  const char* type = mount.type.empty() ? nullptr : mount.type.c_str();
  const char* data = mount.data.empty() ? nullptr : mount.data.c_str();
  if (::mount(mount.source.c_str(), fd_name(target).c_str(), type, mount.flags, data) != 0) {
    return fail_errno(errno, "mount");
  }
  return {};
}

Status set_mount_attributes_legacy(FdRef proc, FdRef target, std::uint64_t set, std::uint64_t clear,
                                   std::uint64_t propagation) {
  if ((set & MOUNT_ATTR_IDMAP) != 0) return fail_errno(ENOSYS, "map ids of a mount");
  if ((set | clear) != 0) {
    TRY_ASSIGN(std::uint64_t now, mount_attributes(target));
    std::uint64_t wanted = (now & ~clear) | set;
    LegacyMount remount;
    remount.flags = MS_REMOUNT | MS_BIND;
    for (const AttributeName& name : kAttributes) {
      if ((wanted & name.attribute) != 0) remount.flags |= name.mount_flag;
    }
    if ((wanted & MOUNT_ATTR_STRICTATIME) != 0) remount.flags |= MS_STRICTATIME;
    TRY(mount_legacy(proc, target, remount));
  }
  if (propagation != 0) {
    LegacyMount change;
    change.flags = static_cast<unsigned long>(propagation);
    TRY(mount_legacy(proc, target, change));
  }
  return {};
}

Status unmount(FdRef proc, FdRef target, int flags) {
  TRY_ASSIGN(WorkingFolder folder, WorkingFolder::enter(proc));
  if (::umount2(fd_name(target).c_str(), flags) != 0) return fail_errno(errno, "unmount");
  return {};
}

Status unmount_dir(FdRef dir, int flags) {
  if (::fchdir(dir.get()) != 0) return fail_errno(errno, "change folder");
  int result = ::umount2(".", flags);
  int error = errno;
  if (::chdir("/") != 0) return fail_errno(errno, "change folder to \"/\"");
  if (result != 0) return fail_errno(error, "unmount");
  return {};
}

}  // namespace dhow
