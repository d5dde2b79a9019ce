// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount_thread.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <thread>

#include "base/strings.h"

namespace dhow::snapshot {
namespace {

Status leave_namespace() {
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) return fail_errno(errno, "unshare mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail_errno(errno, "make mounts private");
  }
  return {};
}

// The system call, as the C library's function would do it for all threads.
Status set_file_owner(long call, unsigned id) {
  std::ignore = ::syscall(call, id);
  // It never says that it failed, only what was before.
  if (static_cast<unsigned>(::syscall(call, -1)) == id) return {};
  return fail(Code::kPermissionDenied, cat("touch files as the owner ", id));
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
  struct __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<struct __user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> capabilities{};
  if (::syscall(SYS_capget, &header, capabilities.data()) != 0) {
    return fail_errno(errno, "read the capabilities");
  }
  TRY(set_file_owner(SYS_setfsgid, info.st_gid));
  TRY(set_file_owner(SYS_setfsuid, info.st_uid));
  // Those about files went with the owner 0.
  if (::syscall(SYS_capset, &header, capabilities.data()) != 0) {
    return fail_errno(errno, "keep the capabilities");
  }
  return {};
}

}  // namespace dhow::snapshot
