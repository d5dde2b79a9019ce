// SPDX-License-Identifier: Apache-2.0
#include "unpack/file_facts.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/overlay_names.h"

namespace dhow::unpack {
namespace {

constexpr std::size_t kCompared = std::size_t{128} << 10;

// The value of an attribute, or the list of their names, by calls that tell the size first.
template <typename Call>
Result<std::string> grown(const std::string& path, Call call) {
  while (true) {
    ssize_t size = call(nullptr, 0);
    if (size <= 0) {
      if (size == 0 || errno == ENOTSUP || errno == ENODATA) return std::string();
      return fail_errno(errno, cat("read the attributes of ", quoted(path)));
    }
    std::string value(static_cast<std::size_t>(size), '\0');
    ssize_t got = call(value.data(), value.size());
    if (got < 0 && errno == ERANGE) continue;  // it has grown
    if (got < 0) return fail_errno(errno, cat("read the attributes of ", quoted(path)));
    value.resize(static_cast<std::size_t>(got));
    return value;
  }
}

Status read_xattrs(FdRef folder, const std::string& name, const std::string& path,
                   FileFacts& facts) {
  std::string place = proc_fd_path(folder, name);
  TRY_ASSIGN(std::string names, grown(path, [&](char* buffer, std::size_t size) {
               return ::llistxattr(place.c_str(), buffer, size);
             }));
  for (std::string_view listed : split(names, '\0')) {
    if (listed.empty() || listed == "security.selinux") continue;
    std::string attribute(listed);
    TRY_ASSIGN(std::string value, grown(path, [&](char* buffer, std::size_t size) {
                 return ::lgetxattr(place.c_str(), attribute.c_str(), buffer, size);
               }));
    if (!is_overlay_xattr(attribute)) {
      facts.xattrs[attribute] = std::move(value);
    } else if ((attribute.ends_with(".opaque") && value == "y") ||
               attribute.ends_with(".redirect")) {
      facts.hides_below = true;
    }
  }
  return {};
}

Result<std::string> link_target(FdRef folder, const std::string& name, const std::string& path,
                                std::size_t size) {
  std::string target(size + 1, '\0');
  ssize_t count = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
  if (count < 0) return fail_errno(errno, cat("read the link ", quoted(path)));
  target.resize(static_cast<std::size_t>(count));
  return target;
}

bool same_time(const struct timespec& one, const struct timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

Result<bool> same_bytes(FdRef one, FdRef other) {
  std::string left(kCompared, '\0');
  std::string right(kCompared, '\0');
  for (std::int64_t offset = 0;;) {
    TRY_ASSIGN(std::size_t count, read_at(one, offset, left));
    TRY_ASSIGN(std::size_t other_count, read_at(other, offset, right));
    if (std::string_view(left).substr(0, count) != std::string_view(right).substr(0, other_count)) {
      return false;
    }
    if (count < left.size()) return true;
    offset += static_cast<std::int64_t>(count);
  }
}

}  // namespace

Result<std::optional<FileFacts>> file_facts(FdRef folder, const std::string& name,
                                            const std::string& path) {
  std::optional<FileFacts> facts(std::in_place);
  if (::fstatat(folder.get(), name.c_str(), &facts->info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<FileFacts>();
    return fail_errno(errno, cat("stat ", quoted(path)));
  }
  if (S_ISLNK(facts->info.st_mode)) {
    auto size = static_cast<std::size_t>(facts->info.st_size);
    TRY_ASSIGN(facts->target, link_target(folder, name, path, size));
  }
  TRY(read_xattrs(folder, name, path, *facts));
  return facts;
}

bool same_facts(const FileFacts& one, const FileFacts& other) {
  bool is_device = S_ISCHR(one.info.st_mode) || S_ISBLK(one.info.st_mode);
  return one.info.st_mode == other.info.st_mode && one.info.st_uid == other.info.st_uid &&
         one.info.st_gid == other.info.st_gid &&
         (!is_device || one.info.st_rdev == other.info.st_rdev) && one.target == other.target &&
         one.xattrs == other.xattrs;
}

Result<bool> same_content(FdRef one_folder, const FileFacts& one, FdRef other_folder,
                          const FileFacts& other, const std::string& name,
                          const std::string& path) {
  if (!same_time(one.info.st_mtim, other.info.st_mtim)) return false;
  if (!S_ISREG(one.info.st_mode)) return true;
  if (one.info.st_size != other.info.st_size) return false;
  bool same_file = one.info.st_dev == other.info.st_dev && one.info.st_ino == other.info.st_ino;
  if (one.info.st_mtim.tv_nsec != 0 || one.info.st_size == 0 || same_file) return true;
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  TRY_ASSIGN(Fd left, open_at(one_folder, name, kFlags));
  TRY_ASSIGN(Fd right, open_at(other_folder, name, kFlags));
  auto same = same_bytes(left, right);
  if (!same) return std::unexpected(std::move(same).error().add_context(quoted(path)));
  return same;
}

}  // namespace dhow::unpack
