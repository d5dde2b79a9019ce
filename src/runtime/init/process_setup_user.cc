// SPDX-License-Identifier: Apache-2.0
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"

namespace dhow::init {
namespace {

// Permission bits of a key for its owner (linux/key.h, which is not for programs to include).
constexpr std::uint32_t kUserSearch = 0x00080000;
// What the kernel gives a new session keyring: everything to the possessor, view and read to the
// owner.
constexpr std::uint32_t kDefaultPermissions = 0x3f030000;

// The permissions in the kernel's description of a key: "type;uid;gid;permissions;description".
std::uint32_t key_permissions(long key) {
  char text[512];
  long size = ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text);
  if (size <= 0) return kDefaultPermissions;
  std::string_view view(text, std::min(static_cast<std::size_t>(size), sizeof text));
  auto fields = split(view, ';');
  if (fields.size() < 5) return kDefaultPermissions;
  return parse_number<std::uint32_t>(fields[3], 16).value_or(kDefaultPermissions);
}

std::unexpected<Error> id_failure(int errno_value, std::string_view what, std::uint32_t id) {
  std::string text = cat("set ", what, " ", id);
  if (errno_value == EINVAL) text += ": not mapped in the user namespace";
  return fail_errno(errno_value, text);
}

Status set_groups(FdRef proc, const oci::User& user) {
  static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
  if (::setgroups(user.additional_gids.size(), user.additional_gids.data()) == 0) return {};
  int error = errno;
  if (error == EPERM) {
    // A kernel before 3.19 has no such file, and no such rule.
    auto allowed = read_file(proc, "self/setgroups", 64);
    if (allowed && trim(*allowed) == "deny") {
      if (user.additional_gids.empty()) return {};
      return fail_errno(error, "set additional groups: the user namespace denies setgroups");
    }
  }
  if (error == EINVAL && !user.additional_gids.empty()) {
    return fail_errno(error, "set additional groups: a group is not mapped in the user namespace");
  }
  return fail_errno(error, "set additional groups");
}

}  // namespace

Status join_session_keyring(FdRef proc, std::string_view container_id, std::string_view label) {
  if (!label.empty()) TRY(write_proc_attribute(proc, {"keycreate"}, label));
  std::string name = cat("_ses.", container_id);
  long key = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
  if (key < 0) {
    int error = errno;
    if (error == ENOSYS) {
      log::warning("the kernel has no session keyrings: none is made");
      return {};
    }
    std::string text = cat("join session keyring ", quoted(name));
    if (error == EDQUOT) {
      text += ": the user's quota of keys is used up (kernel.keys.maxkeys)";
    }
    return fail_errno(error, text);
  }
  std::uint32_t permissions = key_permissions(key) | kUserSearch;
  if (::syscall(SYS_keyctl, KEYCTL_SETPERM, key, permissions) != 0) {
    return fail_errno(errno, cat("make session keyring ", quoted(name), " searchable"));
  }
  // The label was for the keyring alone, not for the keys that the container makes.
  if (!label.empty()) TRY(write_proc_attribute(proc, {"keycreate"}, ""));
  return {};
}

Status set_hostname(std::string_view name) {
  if (::sethostname(name.data(), name.size()) != 0) {
    return fail_errno(errno, cat("set hostname to ", quoted(name)));
  }
  return {};
}

Status set_domainname(std::string_view name) {
  if (::setdomainname(name.data(), name.size()) != 0) {
    return fail_errno(errno, cat("set domainname to ", quoted(name)));
  }
  return {};
}

Status set_user(FdRef proc, const oci::User& user, bool keep_groups) {
  if (!keep_groups) TRY(set_groups(proc, user));
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return id_failure(errno, "gid", user.gid);
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return id_failure(errno, "uid", user.uid);
  return {};
}

Status give_stdio_to(uid_t uid) {
  for (int fd = 0; fd <= 2; ++fd) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) {
      if (errno == EBADF) continue;
      return fail_errno(errno, cat("stat descriptor ", fd));
    }
    bool is_null = S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
    if (info.st_uid == uid || is_null) continue;
    if (::fchown(fd, uid, static_cast<gid_t>(-1)) == 0) continue;
    // EINVAL and EPERM: the owner isn't mapped in the user namespace, or capabilities are missing.
    if (errno == EINVAL || errno == EPERM || errno == EROFS || errno == EOPNOTSUPP) continue;
    return fail_errno(errno, cat("make uid ", uid, " the owner of descriptor ", fd));
  }
  return {};
}

}  // namespace dhow::init
