// SPDX-License-Identifier: Apache-2.0
#include "sys/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <tuple>

#include "base/strings.h"

namespace dhow {

Result<std::size_t> read_some(FdRef fd, std::span<char> buffer) {
  while (true) {
    ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_errno(errno, "read");
  }
}

Result<std::size_t> read_at(FdRef fd, std::int64_t offset, std::span<char> buffer) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    ssize_t got = ::pread(fd.get(), buffer.data() + done, buffer.size() - done,
                          offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status write_at(FdRef fd, std::int64_t offset, std::string_view data) {
  while (!data.empty()) {
    ssize_t put = ::pwrite(fd.get(), data.data(), data.size(), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    offset += put;
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

void begin_writeback(FdRef fd, std::int64_t offset, std::int64_t size) {
  std::ignore = ::sync_file_range(fd.get(), offset, size, SYNC_FILE_RANGE_WRITE);
}

Result<std::string> read_all(FdRef fd, std::size_t limit) {
  std::string content;
  std::size_t used = 0;
  struct stat info{};
  // One byte more than the file says, so that a read that fills it all is seen to end.
  std::size_t chunk = 4096;
  if (::fstat(fd.get(), &info) == 0 && info.st_size > 0) {
    chunk = static_cast<std::size_t>(info.st_size) + 1;
  }
  while (true) {
    if (used > limit) return fail(Code::kOutOfRange, cat("read: more than ", limit, " bytes"));
    // A sparse file may claim any size: never more memory than the limit allows.
    chunk = std::min(chunk, limit - used + 1);
    content.resize(used + chunk);
    TRY_ASSIGN(std::size_t got, read_some(fd, std::span(content).subspan(used)));
    used += got;
    content.resize(used);
    if (got == 0) return content;
    if (got == chunk) chunk *= 2;
  }
}

Result<std::string> read_file(FdRef dir, std::string_view path, std::size_t limit) {
  TRY_ASSIGN(Fd fd, open_at(dir, path, O_RDONLY | O_NOCTTY));
  auto content = read_all(fd, limit);
  if (!content) return fail(std::move(content).error().add_context(quoted(path)));
  return content;
}

Result<std::string> read_file(std::string_view path, std::size_t limit) {
  return read_file(kCwd, path, limit);
}

Status write_all(FdRef fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t put = ::write(fd.get(), data.data(), data.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "write");
    }
    // Some files of procfs take nothing and call it no error.
    if (put == 0) return fail_errno(EIO, "write");
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status write_existing(FdRef dir, std::string_view path, std::string_view data) {
  TRY_ASSIGN(Fd fd, open_at(dir, path, O_WRONLY | O_NOCTTY));
  ssize_t put;
  do {
    put = ::write(fd.get(), data.data(), data.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) return fail_errno(errno, cat("write ", quoted(data), " to ", quoted(path)));
  if (static_cast<std::size_t>(put) != data.size()) {
    return fail(Code::kInternal, cat("write ", quoted(data), " to ", quoted(path), ": cut short"));
  }
  return {};
}

Status write_existing(std::string_view path, std::string_view data) {
  return write_existing(kCwd, path, data);
}

Status replace_file(FdRef dir, std::string_view name, std::string_view data, unsigned mode) {
  std::string target(name);
  std::string temporary = cat(".", name);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto made = open_at(dir, temporary, kFlags, mode);
  if (!made && made.error().sys_errno() == EEXIST) {
    // A crash left it. Writing into it would keep its mode, its owner and whoever has it open, and
    // block when it is a pipe.
    ::unlinkat(dir.get(), temporary.c_str(), 0);
    made = open_at(dir, temporary, kFlags, mode);
  }
  if (!made) return fail(std::move(made).error().add_context(cat("replace ", quoted(name))));
  auto written = write_all(*made, data);
  if (written && ::renameat(dir.get(), temporary.c_str(), dir.get(), target.c_str()) == 0)
    return {};
  Error error = written ? Error::from_errno(errno, "rename") : std::move(written).error();
  ::unlinkat(dir.get(), temporary.c_str(), 0);
  return fail(std::move(error).add_context(cat("replace ", quoted(name))));
}

namespace {

template <typename Wanted>
Result<std::vector<std::string>> list_entries(FdRef dir, Wanted wanted) {
  // A descriptor of its own: readdir moves the offset, and closedir closes what it was given.
  TRY_ASSIGN(Fd own, open_at(dir, ".", O_RDONLY | O_DIRECTORY));
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (!stream) return fail_errno(errno, "list folder");
  std::ignore = own.release();  // the stream owns it now
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != ".." && wanted(*entry)) names.emplace_back(name);
  }
  if (errno != 0) return fail_errno(errno, "list folder");
  return names;
}

}  // namespace

Result<Fd> make_folder(FdRef parent, std::string_view name, unsigned mode) {
  if (::mkdirat(parent.get(), std::string(name).c_str(), mode) != 0 && errno != EEXIST) {
    return fail_errno(errno, cat("make the folder ", quoted(name)));
  }
  return open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<std::vector<std::string>> list_dir(FdRef dir) {
  return list_entries(dir, [](const dirent&) { return true; });
}

Result<std::vector<std::string>> list_subdirs(FdRef dir) {
  return list_entries(dir, [](const dirent& entry) { return entry.d_type == DT_DIR; });
}

namespace {

// Opens the folder `name` to look into it; EXDEV when something is mounted on it. RESOLVE_NO_XDEV
// (openat2, Linux 5.6) also sees a bind mount of the same file system, which the device number
// can't tell.
Result<Fd> open_unmounted_folder(FdRef dir, const std::string& name, dev_t device) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  struct open_how how{};
  how.flags = static_cast<__u64>(kFlags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, dir.get(), name.c_str(), &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno != ENOSYS && errno != EPERM) return fail_errno(errno, cat("open ", quoted(name)));
  TRY_ASSIGN(Fd folder, open_at(dir, name, kFlags));
  struct stat info{};
  if (::fstat(folder.get(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(name)));
  if (info.st_dev != device) return fail_errno(EXDEV, cat("open ", quoted(name)));
  return folder;
}

Status remove_tree_on(FdRef dir, const std::string& name, dev_t device) {
  if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  int error = errno;
  if (error != EISDIR && error != EPERM) return fail_errno(error, cat("remove ", quoted(name)));
  auto opened = open_unmounted_folder(dir, name, device);
  if (!opened) {
    int open_error = opened.error().sys_errno();
    if (open_error == EXDEV) {
      return fail(Code::kFailedPrecondition, cat("remove ", quoted(name), ": is a mount point"));
    }
    // EPERM was about a file then: one that is immutable, or not ours in a sticky folder.
    if (open_error == ENOTDIR) return fail_errno(error, cat("remove ", quoted(name)));
    return fail(std::move(opened).error().add_context(cat("remove ", quoted(name))));
  }
  const Fd& folder = *opened;
  TRY_ASSIGN(auto names, list_dir(folder));
  for (const std::string& entry : names) TRY(remove_tree_on(folder, entry, device));
  if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return fail_errno(errno, cat("remove ", quoted(name)));
  }
  return {};
}

}  // namespace

Status remove_tree(FdRef dir, std::string_view name) {
  std::string target(name);
  struct stat info{};
  if (::fstatat(dir.get(), target.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, cat("stat ", quoted(name)));
  }
  return remove_tree_on(dir, target, info.st_dev);
}

Status make_dirs(std::string_view path, unsigned mode) {
  std::string name(path);
  if (::mkdir(name.c_str(), mode) == 0) return {};
  if (errno == EEXIST) {
    struct stat info{};
    if (::stat(name.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
    return fail_errno(ENOTDIR, cat("make folder ", quoted(path)));
  }
  std::size_t slash = name.find_last_of('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0) {
    return fail_errno(errno, cat("make folder ", quoted(path)));
  }
  TRY(make_dirs(std::string_view(path).substr(0, slash), mode));
  if (::mkdir(name.c_str(), mode) != 0 && errno != EEXIST) {
    return fail_errno(errno, cat("make folder ", quoted(path)));
  }
  return {};
}

}  // namespace dhow
