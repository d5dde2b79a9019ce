// SPDX-License-Identifier: Apache-2.0
#include "sys/file_owner.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <tuple>

#include "base/strings.h"

namespace dhow {
namespace {

// The system call, as the C library's function would do it for all threads.
Status set_file_owner(long call, unsigned id) {
  std::ignore = ::syscall(call, id);
  // It never says that it failed, only what was before.
  if (static_cast<unsigned>(::syscall(call, -1)) == id) return {};
  return fail(Code::kPermissionDenied, cat("touch files as the owner ", id));
}

}  // namespace

Status touch_files_as(uid_t uid, gid_t gid) {
  struct __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<struct __user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> capabilities{};
  if (::syscall(SYS_capget, &header, capabilities.data()) != 0) {
    return fail_errno(errno, "read the capabilities");
  }
  TRY(set_file_owner(SYS_setfsgid, gid));
  TRY(set_file_owner(SYS_setfsuid, uid));
  // Those about files went with the owner 0.
  if (::syscall(SYS_capset, &header, capabilities.data()) != 0) {
    return fail_errno(errno, "keep the capabilities");
  }
  return {};
}

}  // namespace dhow
