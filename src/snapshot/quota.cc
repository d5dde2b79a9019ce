// SPDX-License-Identifier: Apache-2.0
#include "snapshot/quota.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <string>
#include <vector>

#include "sys/file_io.h"
#include "sys/project_quota.h"

namespace dhow::snapshot {
namespace {

constexpr std::string_view kWhat = "limit the size of a snapshot";

// Whether what is written into a folder is counted by a project.
bool is_counted(FdRef folder) {
  struct fsxattr attributes{};
  return ::ioctl(folder.get(), FS_IOC_FSGETXATTR, &attributes) == 0 && attributes.fsx_projid != 0;
}

}  // namespace

Status check_limits(FdRef folder) {
  TRY_CONTEXT(check_project_quota(folder), kWhat);
  return {};
}

Status limit_bytes(FdRef folder, std::int64_t id, std::int64_t bytes) {
  TRY_ASSIGN(Fd content, open_at(folder, "fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!is_counted(content)) {
    TRY_ASSIGN(std::vector<std::string> names, list_dir(content));
    if (!names.empty()) {
      return fail(Code::kFailedPrecondition,
                  "limit the size of a snapshot: files were written before the first limit");
    }
  }
  // Overlayfs moves files between the two: both have to be of one project.
  TRY_CONTEXT(limit_folders(folder, {"fs", "work"}, bytes, static_cast<std::uint32_t>(id)), kWhat);
  return {};
}

}  // namespace dhow::snapshot
