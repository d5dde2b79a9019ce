// SPDX-License-Identifier: Apache-2.0
#include "snapshot/quota.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {
namespace {

// Projects of others begin at 1, as a rule.
constexpr std::uint32_t kFirstProject = 1U << 30;
constexpr std::int64_t kLimitUnit = 1024;  // of dqb_bhardlimit

std::string file_system_name(FdRef folder) {
  auto magic = file_system_magic(folder);
  switch (magic.value_or(0)) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case F2FS_SUPER_MAGIC:
      return "f2fs";
    default:
      return cat("of type ", magic.value_or(0));
  }
}

std::unexpected<Error> no_quota(FdRef folder) {
  return fail(Code::kUnimplemented,
              cat("limit the size of a snapshot: its file system, ", file_system_name(folder),
                  ", has no project quota here (mount option prjquota)"));
}

// quotactl_fd(2), Linux 5.14: without the path of a block device.
int quota_call(unsigned command, FdRef folder, std::uint32_t project, struct if_dqblk& block) {
  return static_cast<int>(::syscall(SYS_quotactl_fd, folder.get(),
                                    QCMD(command, static_cast<unsigned>(PRJQUOTA)), project,
                                    &block));
}

// New files in the folder belong to the project from now on.
Status join_project(FdRef folder, const char* name, std::uint32_t project) {
  auto opened = open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) {
    if (opened.error().sys_errno() == ENOENT) return {};
    return std::unexpected(std::move(opened).error());
  }
  struct fsxattr attributes{};
  if (::ioctl(opened->get(), FS_IOC_FSGETXATTR, &attributes) != 0) return no_quota(folder);
  if (attributes.fsx_projid == project) return {};
  TRY_ASSIGN(std::vector<std::string> names, list_dir(*opened));
  // Overlayfs has a folder of its own in "work".
  if (std::string_view(name) == "fs" && !names.empty()) {
    return fail(Code::kFailedPrecondition,
                "limit the size of a snapshot: files were written before the first limit");
  }
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (::ioctl(opened->get(), FS_IOC_FSSETXATTR, &attributes) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL) return no_quota(folder);
  return fail_errno(errno, "put a snapshot into a project");
}

}  // namespace

Status limit_bytes(FdRef folder, std::int64_t id, std::int64_t bytes) {
  if (bytes < 0) return fail(Code::kInvalidArgument, "a limit below 0 bytes");
  std::uint32_t project = kFirstProject + static_cast<std::uint32_t>(id);
  struct if_dqblk block{};
  // Whether there is a quota at all, before anything is changed.
  if (quota_call(Q_GETQUOTA, folder, project, block) != 0) {
    if (errno == EPERM) return fail_errno(errno, "read the project quota");
    return no_quota(folder);
  }
  TRY(join_project(folder, "fs", project));
  TRY(join_project(folder, "work", project));
  block = {};
  block.dqb_bhardlimit = static_cast<__u64>((bytes + kLimitUnit - 1) / kLimitUnit);
  block.dqb_bsoftlimit = block.dqb_bhardlimit;
  block.dqb_valid = QIF_BLIMITS;
  if (quota_call(Q_SETQUOTA, folder, project, block) == 0) return {};
  return fail_errno(errno, "set the project quota");
}

}  // namespace dhow::snapshot
