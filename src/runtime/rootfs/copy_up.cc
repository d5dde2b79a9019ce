// SPDX-License-Identifier: Apache-2.0
// tmpcopyup: a tmpfs starts with a copy of the folder that it covers.
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/strings.h"
#include "runtime/rootfs/make_mount.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
namespace {

constexpr int kMaxDepth = 256;  // each level holds two descriptors

Status copy_data(FdRef from, FdRef to, std::string_view name) {
  constexpr std::size_t kChunk = std::size_t{1} << 30;
  while (true) {
    ssize_t size = ::sendfile(to.get(), from.get(), nullptr, kChunk);
    if (size == 0) return {};
    if (size < 0 && errno != EINTR) return fail_errno(errno, cat("copy ", quoted(name)));
  }
}

// Best effort: a tmpfs takes only some namespaces of attributes.
void copy_xattrs(FdRef from, FdRef to) {
  ssize_t size = ::flistxattr(from.get(), nullptr, 0);
  if (size <= 0) return;
  std::string names(static_cast<std::size_t>(size), '\0');
  size = ::flistxattr(from.get(), names.data(), names.size());
  if (size <= 0) return;
  names.resize(static_cast<std::size_t>(size));
  std::string value(XATTR_SIZE_MAX, '\0');
  for (std::string_view name : split(names, '\0')) {
    if (name.empty()) continue;
    std::string key(name);
    ssize_t length = ::fgetxattr(from.get(), key.c_str(), value.data(), value.size());
    if (length < 0) continue;
    std::ignore =
        ::fsetxattr(to.get(), key.c_str(), value.data(), static_cast<std::size_t>(length), 0);
  }
}

// Owner first: changing it clears the set-id bits.
Status copy_metadata(const struct stat& info, FdRef to, std::string_view name) {
  if (::fchown(to.get(), info.st_uid, info.st_gid) != 0 ||
      ::fchmod(to.get(), info.st_mode & 07777) != 0) {
    return fail_errno(errno, cat("copy owner and mode of ", quoted(name)));
  }
  struct timespec times[2] = {info.st_atim, info.st_mtim};
  if (::futimens(to.get(), times) != 0) {
    return fail_errno(errno, cat("copy times of ", quoted(name)));
  }
  return {};
}

Status copy_entries(FdRef from, FdRef to, int depth);

Status copy_file(FdRef from_dir, FdRef to_dir, const std::string& name, const struct stat& info) {
  TRY_ASSIGN(Fd from, open_at(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(Fd to, open_at(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copy_data(from, to, name));
  copy_xattrs(from, to);
  return copy_metadata(info, to, name);
}

Status copy_dir(FdRef from_dir, FdRef to_dir, const std::string& name, const struct stat& info,
                int depth) {
  TRY_ASSIGN(Fd from, open_at(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::mkdirat(to_dir.get(), name.c_str(), 0700) != 0) {
    return fail_errno(errno, cat("make folder ", quoted(name)));
  }
  TRY_ASSIGN(Fd to, open_at(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(copy_entries(from, to, depth + 1));
  copy_xattrs(from, to);
  return copy_metadata(info, to, name);
}

Status copy_link_or_node(FdRef from_dir, FdRef to_dir, const std::string& name,
                         const struct stat& info) {
  int result = 0;
  if (S_ISLNK(info.st_mode)) {
    std::string target(PATH_MAX, '\0');
    ssize_t size = ::readlinkat(from_dir.get(), name.c_str(), target.data(), target.size());
    if (size < 0) return fail_errno(errno, cat("read link ", quoted(name)));
    target.resize(static_cast<std::size_t>(size));
    result = ::symlinkat(target.c_str(), to_dir.get(), name.c_str());
  } else {
    result = ::mknodat(to_dir.get(), name.c_str(), info.st_mode, info.st_rdev);
    if (result == 0) {
      result = ::fchmodat(to_dir.get(), name.c_str(), info.st_mode & 07777, 0);
    }
  }
  if (result == 0) {
    result = ::fchownat(to_dir.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW);
  }
  if (result != 0) return fail_errno(errno, cat("copy ", quoted(name)));
  return {};
}

Status copy_entries(FdRef from, FdRef to, int depth) {
  if (depth > kMaxDepth) return fail_errno(ELOOP, "copy folders");
  TRY_ASSIGN(std::vector<std::string> names, list_dir(from));
  for (const std::string& name : names) {
    struct stat info{};
    if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      return fail_errno(errno, cat("stat ", quoted(name)));
    }
    if (S_ISREG(info.st_mode)) {
      TRY(copy_file(from, to, name, info));
    } else if (S_ISDIR(info.st_mode)) {
      TRY(copy_dir(from, to, name, info, depth));
    } else {
      TRY(copy_link_or_node(from, to, name, info));
    }
  }
  return {};
}

}  // namespace

Status copy_tree(FdRef from, FdRef to) {
  TRY_ASSIGN(Fd source, open_at(from, ".", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(Fd target, open_at(to, ".", O_RDONLY | O_DIRECTORY));
  struct stat info{};
  if (::fstat(source.get(), &info) != 0) return fail_errno(errno, "stat");
  TRY(copy_entries(source, target, 0));
  if (::fchown(target.get(), info.st_uid, info.st_gid) != 0) {
    return fail_errno(errno, "copy owner");
  }
  return {};
}

}  // namespace dhow::rootfs
