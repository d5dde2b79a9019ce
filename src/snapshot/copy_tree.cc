// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <unordered_map>

#include "base/strings.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;

std::unexpected<Error> failure(std::string_view what, const std::string& name) {
  return fail_errno(errno, cat(what, " ", quoted(name)));
}

// By way of a buffer, where the kernel has no way of its own between the two.
Status copy_bytes(FdRef from, FdRef to, off_t begin, off_t end) {
  std::string buffer(kBuffer, '\0');
  while (begin < end) {
    std::size_t wanted = std::min(buffer.size(), static_cast<std::size_t>(end - begin));
    TRY_ASSIGN(std::size_t got, read_at(from, begin, std::span(buffer).first(wanted)));
    if (got == 0) return {};
    TRY(write_at(to, begin, std::string_view(buffer).substr(0, got)));
    begin += static_cast<off_t>(got);
  }
  return {};
}

Status copy_range(FdRef from, FdRef to, off_t begin, off_t end) {
  while (begin < end) {
    off_t source = begin;
    off_t target = begin;
    ssize_t count = ::copy_file_range(from.get(), &source, to.get(), &target,
                                      static_cast<std::size_t>(end - begin), 0);
    if (count < 0 && errno == EINTR) continue;
    bool has_no_way = count < 0 && (errno == EXDEV || errno == ENOSYS || errno == EINVAL ||
                                    errno == EOPNOTSUPP || errno == EPERM);
    // Some file systems say that there is nothing where there is.
    if (has_no_way || count == 0) return copy_bytes(from, to, begin, end);
    if (count < 0) return fail_errno(errno, "copy");
    begin += count;
  }
  return {};
}

// What is in a file, with its holes.
Status copy_content(FdRef from, FdRef to, off_t size) {
  if (::ioctl(to.get(), FICLONE, from.get()) == 0) return {};
  if (::ftruncate(to.get(), size) != 0) return fail_errno(errno, "set the size");
  off_t end = 0;
  while (end < size) {
    off_t begin = ::lseek(from.get(), end, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return {};
    if (begin < 0) return copy_range(from, to, end, size);
    end = ::lseek(from.get(), begin, SEEK_HOLE);
    if (end < 0) return fail_errno(errno, "find a hole");
    TRY(copy_range(from, to, begin, end));
  }
  return {};
}

// All but security.selinux, which is for the policy to give.
Status copy_attributes_of(const std::string& from, const std::string& to, const std::string& name) {
  std::string list(4096, '\0');
  ssize_t size = ::llistxattr(from.c_str(), list.data(), list.size());
  if (size < 0 && errno == ERANGE) {
    list.resize(XATTR_LIST_MAX);
    size = ::llistxattr(from.c_str(), list.data(), list.size());
  }
  if (size < 0) {
    if (errno == ENOTSUP) return {};
    return failure("list the attributes of", name);
  }
  if (size == 0) return {};
  list.resize(static_cast<std::size_t>(size) - 1);
  std::string value(XATTR_SIZE_MAX, '\0');
  for (std::string_view each : split(list, '\0')) {
    if (each == "security.selinux") continue;
    std::string attribute(each);
    ssize_t length = ::lgetxattr(from.c_str(), attribute.c_str(), value.data(), value.size());
    if (length < 0 || ::lsetxattr(to.c_str(), attribute.c_str(), value.data(),
                                  static_cast<std::size_t>(length), 0) != 0) {
      return failure(cat("copy the attribute ", quoted(each), " of"), name);
    }
  }
  return {};
}

// Owner first: changing it takes the set-user-id bit and the capabilities away. Times last.
Status copy_attributes(FdRef from, FdRef to, const std::string& name, const struct stat& info) {
  if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return failure("change the owner of", name);
  }
  if (!S_ISLNK(info.st_mode) && ::fchmodat(to.get(), name.c_str(), info.st_mode & 07777, 0) != 0) {
    return failure("change the mode of", name);
  }
  TRY(copy_attributes_of(proc_fd_path(from, name), proc_fd_path(to, name), name));
  const struct timespec times[2] = {info.st_atim, info.st_mtim};
  if (::utimensat(to.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return failure("set the time of", name);
  }
  return {};
}

class Copier final : public TreeVisitor {
 public:
  Copier(Fd to, FdRef scratch) : current_(std::move(to)), scratch_(scratch) {}

  Status file(FdRef folder, const std::string& name, const struct stat& info) override {
    if (info.st_nlink > 1) {
      // The first copy has a second name in the scratch folder, so that no path has to be kept.
      if (auto found = links_.find(info.st_ino); found != links_.end()) {
        return link(scratch_, found->second, current_, name);
      }
    }
    TRY(copy(folder, name, info));
    TRY(copy_attributes(folder, current_, name, info));
    if (info.st_nlink == 1) return {};
    std::string second = std::to_string(links_.size());
    TRY(link(current_, name, scratch_, second));
    links_[info.st_ino] = second;
    return {};
  }

  Status enter(FdRef, const std::string& name, const struct stat&) override {
    if (::mkdirat(current_.get(), name.c_str(), 0700) != 0) return failure("make the folder", name);
    TRY_ASSIGN(current_, open_at(current_, name, kOpenFolder));
    return {};
  }

  Status leave(FdRef folder, const std::string& name, const struct stat& info) override {
    TRY_ASSIGN(current_, open_at(current_, "..", kOpenFolder));
    return copy_attributes(folder, current_, name, info);
  }

  Status finish() {
    for (const auto& [inode, name] : links_) {
      if (::unlinkat(scratch_.get(), name.c_str(), 0) != 0) return failure("remove", name);
    }
    return {};
  }

 private:
  static Status link(FdRef from, const std::string& name, FdRef to, const std::string& as) {
    if (::linkat(from.get(), name.c_str(), to.get(), as.c_str(), 0) == 0) return {};
    return failure("link", name);
  }

  Status copy(FdRef folder, const std::string& name, const struct stat& info) {
    if (S_ISREG(info.st_mode)) {
      TRY_ASSIGN(Fd from, open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
      TRY_ASSIGN(Fd to, open_at(current_, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
      TRY_CONTEXT(copy_content(from, to, info.st_size), quoted(name));
      return {};
    }
    if (S_ISLNK(info.st_mode)) {
      std::string target(static_cast<std::size_t>(info.st_size) + 1, '\0');
      ssize_t size = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
      if (size < 0) return failure("read the link", name);
      target.resize(static_cast<std::size_t>(size));
      if (::symlinkat(target.c_str(), current_.get(), name.c_str()) == 0) return {};
      return failure("make the link", name);
    }
    if (::mknodat(current_.get(), name.c_str(), info.st_mode, info.st_rdev) == 0) return {};
    return failure("make the node", name);
  }

  Fd current_;  // the copy of the folder that is visited
  FdRef scratch_;
  std::unordered_map<ino_t, std::string> links_;
};

}  // namespace

Status copy_tree(FdRef from, FdRef to, FdRef scratch) {
  TRY_ASSIGN(Fd root, open_at(to, ".", kOpenFolder));
  Copier copier(std::move(root), scratch);
  TRY(walk_tree(from, copier));
  TRY(copier.finish());
  struct stat info{};
  if (::fstat(from.get(), &info) != 0) return fail_errno(errno, "stat folder");
  return copy_attributes(from, to, ".", info);
}

}  // namespace dhow::snapshot
