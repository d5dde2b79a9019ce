// SPDX-License-Identifier: Apache-2.0
#include "sys/project_quota.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "base/strings.h"
#include "sys/mount_fd.h"

namespace dhow {
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
  return fail(Code::kUnimplemented, cat("its file system, ", file_system_name(folder),
                                        ", has no project quota here (mount option prjquota)"));
}

// quotactl_fd(2), Linux 5.14: without the path of a block device.
int quota_call(unsigned command, FdRef folder, std::uint32_t project, struct if_dqblk& block) {
  return static_cast<int>(::syscall(SYS_quotactl_fd, folder.get(),
                                    QCMD(command, static_cast<unsigned>(PRJQUOTA)), project,
                                    &block));
}

std::unexpected<Error> quota_fault(FdRef folder, std::string_view what) {
  if (errno == EPERM) return fail_errno(errno, what);
  return no_quota(folder);
}

// xfs knows only projects that have something; of others it says so.
Result<struct if_dqblk> quota_of(FdRef folder, std::uint32_t project) {
  struct if_dqblk block{};
  if (quota_call(Q_GETQUOTA, folder, project, block) == 0 || errno == ENOENT) return block;
  return quota_fault(folder, "read the project quota");
}

// Held from the choice of a project until that has a limit.
std::mutex& choice_mutex() {
  static std::mutex mutex;
  return mutex;
}

Result<std::uint32_t> free_project(FdRef folder, std::uint32_t hint) {
  for (std::uint32_t i = 0; i < kFirstProject; ++i) {
    std::uint32_t project = kFirstProject + (hint + i) % kFirstProject;
    TRY_ASSIGN(struct if_dqblk block, quota_of(folder, project));
    if (block.dqb_bhardlimit == 0 && block.dqb_curspace == 0 && block.dqb_curinodes == 0) {
      return project;
    }
  }
  return fail(Code::kResourceExhausted, "all project numbers are taken");
}

Status join_project(FdRef folder, std::uint32_t project, struct fsxattr& attributes) {
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (::ioctl(folder.get(), FS_IOC_FSSETXATTR, &attributes) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL) return no_quota(folder);
  return fail_errno(errno, "put a folder into a project");
}

// Sets or clears CAP_SYS_RESOURCE of this thread; false: it was so.
bool change_right(bool has) {
  struct __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  std::uint32_t bit = std::uint32_t{1} << CAP_SYS_RESOURCE;
  std::uint32_t before = data[0].effective;
  data[0].effective = has ? before | bit : before & ~bit;
  return data[0].effective != before && ::syscall(SYS_capset, &header, data) == 0;
}

}  // namespace

WithinQuotas::WithinQuotas() : dropped_(change_right(false)) {}

WithinQuotas::~WithinQuotas() {
  if (dropped_) change_right(true);
}

Status check_project_quota(FdRef folder) {
  TRY(quota_of(folder, kFirstProject));
  // To set nothing shows whether we may set something.
  struct if_dqblk block{};
  if (quota_call(Q_SETQUOTA, folder, kFirstProject, block) == 0) return {};
  return quota_fault(folder, "set the project quota");
}

Status limit_folders(FdRef place, const std::vector<std::string>& names, std::int64_t bytes,
                     std::uint32_t hint) {
  if (bytes < 0) return fail(Code::kInvalidArgument, "a limit below 0 bytes");
  std::lock_guard lock(choice_mutex());
  // Whether there is a quota at all, before anything is changed.
  TRY(quota_of(place, kFirstProject));
  std::uint32_t project = 0;
  for (const std::string& name : names) {
    auto folder = open_at(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!folder && folder.error().sys_errno() == ENOENT) continue;
    if (!folder) return std::unexpected(std::move(folder).error());
    struct fsxattr attributes{};
    if (::ioctl(folder->get(), FS_IOC_FSGETXATTR, &attributes) != 0) return no_quota(place);
    if (project == 0 && attributes.fsx_projid >= kFirstProject) project = attributes.fsx_projid;
    if (project == 0) {
      TRY_ASSIGN(project, free_project(place, hint));
    }
    if (attributes.fsx_projid != project) TRY(join_project(*folder, project, attributes));
  }
  if (project == 0) return fail(Code::kNotFound, "no folder to limit");
  struct if_dqblk block{};
  block.dqb_bhardlimit = static_cast<__u64>((bytes + kLimitUnit - 1) / kLimitUnit);
  block.dqb_bsoftlimit = block.dqb_bhardlimit;
  block.dqb_valid = QIF_BLIMITS;
  if (quota_call(Q_SETQUOTA, place, project, block) == 0) return {};
  return quota_fault(place, "set the project quota");
}

}  // namespace dhow
