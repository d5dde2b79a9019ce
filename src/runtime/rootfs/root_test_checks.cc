// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/root_test_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/rootfs/root_test_support.h"

namespace dhow::rootfs {

std::string first_of(std::initializer_list<std::string> texts) {
  for (const std::string& text : texts) {
    if (!text.empty()) return text;
  }
  return {};
}

std::string expect_magic(const std::string& path, long magic) {
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return cat("statfs ", path, ": ", errno_text(errno));
  return info.f_type == magic ? "" : cat(path, " is on another file system");
}

std::string expect_device(const std::string& path, char type, unsigned major, unsigned minor) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return cat("stat ", path, ": ", errno_text(errno));
  bool kind = type == 'b' ? S_ISBLK(info.st_mode) : S_ISCHR(info.st_mode);
  return kind && info.st_rdev == ::makedev(major, minor) ? "" : cat(path, " is not the device");
}

std::string expect_link(const std::string& path, const std::string& target) {
  char text[256];
  ssize_t size = ::readlink(path.c_str(), text, sizeof text);
  if (size < 0) return cat("readlink ", path, ": ", errno_text(errno));
  std::string_view actual(text, static_cast<std::size_t>(size));
  return actual == target ? "" : cat(path, " leads to ", actual);
}

std::string expect_text(const std::string& path, const std::string& text) {
  std::string actual = read_text(path);
  return actual == text ? "" : cat(path, " holds ", quoted(actual));
}

std::string expect_owner(const std::string& path, unsigned uid, unsigned gid) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return cat("stat ", path, ": ", errno_text(errno));
  return info.st_uid == uid && info.st_gid == gid
             ? ""
             : cat(path, " belongs to ", info.st_uid, ":", info.st_gid);
}

std::string expect_mode(const std::string& path, unsigned mode) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return cat("stat ", path, ": ", errno_text(errno));
  return (info.st_mode & 07777) == mode ? "" : cat(path, " has mode ", info.st_mode & 07777);
}

std::string expect_create_error(const std::string& folder, int error) {
  std::string path = folder + "/created-by-test";
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int actual = fd >= 0 ? 0 : errno;
  if (fd >= 0) {
    ::close(fd);
    ::unlink(path.c_str());
  }
  return actual == error ? "" : cat("create in ", folder, ": ", errno_text(actual));
}

std::string expect_flags(const std::string& path, unsigned long set, unsigned long clear) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return cat("statvfs ", path, ": ", errno_text(errno));
  if ((info.f_flag & set) == set && (info.f_flag & clear) == 0) return {};
  return cat(path, " has mount flags ", info.f_flag);
}

}  // namespace dhow::rootfs
