// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount_thread.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "base/strings.h"
#include "sys/file_owner.h"

namespace dhow::snapshot {
namespace {

Status leave_namespace() {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) return fail_errno(errno, "unshare mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail_errno(errno, "make mounts private");
  }
  return {};
}

}  // namespace

Result<MountFd> on_own_thread(const std::function<Result<MountFd>()>& body) {
  Result<MountFd> result;
  try {
    std::thread worker([&] { result = body(); });
    worker.join();
  } catch (const std::exception& exception) {
    return fail(Code::kResourceExhausted, cat("start a thread: ", exception.what()));
  }
  return result;
}

Result<MountFd> in_private_namespace(const std::function<Result<MountFd>()>& body) {
  return on_own_thread([&]() -> Result<MountFd> {
    TRY(leave_namespace());
    return body();
  });
}

Status become_owner_of(FdRef folder) {
  struct stat info{};
  if (::fstat(folder.get(), &info) != 0) return fail_errno(errno, "stat folder");
  return touch_files_as(info.st_uid, info.st_gid);
}

}  // namespace dhow::snapshot
