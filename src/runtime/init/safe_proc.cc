// SPDX-License-Identifier: Apache-2.0
#include "runtime/init/safe_proc.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/strings.h"

namespace dhow::init {
namespace {

constexpr int kWriteFlags = O_WRONLY | O_NOCTTY | O_NOFOLLOW;

// Which mount a descriptor is in: the file system, and since Linux 5.8 the mount itself.
struct Place {
  std::uint64_t mount = 0;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  bool operator==(const Place&) const = default;
};

Result<Place> place_of(FdRef fd) {
  struct statx info{};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &info) != 0) {
    return fail_errno(errno, "statx");
  }
  bool known = (info.stx_mask & STATX_MNT_ID) != 0;
  return Place{known ? info.stx_mnt_id : 0, info.stx_dev_major, info.stx_dev_minor};
}

// Where openat2 is missing: one component at a time, none of them a link, all in one mount.
Result<Fd> walk(FdRef dir, std::string_view path) {
  TRY_ASSIGN(Place start, place_of(dir));
  Fd here;
  auto names = split(path, '/');
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i] == "." || names[i] == "..") {
      return fail_errno(EINVAL, cat("open ", quoted(path)));
    }
    bool last = i + 1 == names.size();
    int flags = last ? kWriteFlags : O_PATH | O_DIRECTORY | O_NOFOLLOW;
    TRY_ASSIGN(Fd next, open_at(i == 0 ? dir : FdRef(here), names[i], flags));
    TRY_ASSIGN(Place place, place_of(next));
    if (place != start) return fail_errno(EXDEV, cat("open ", quoted(path)));
    here = std::move(next);
  }
  return here;
}

Result<Fd> open_beneath(FdRef dir, std::string_view path) {
  std::string name(path);
  struct open_how how{};
  how.flags = static_cast<__u64>(kWriteFlags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  while (true) {
    long fd = ::syscall(SYS_openat2, dir.get(), name.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno == EINTR || errno == EAGAIN) continue;
    // EPERM: an old seccomp profile around us. A file that really refuses does it again.
    if (errno == ENOSYS || errno == EPERM) return walk(dir, path);
    return fail_errno(errno, cat("open ", quoted(path)));
  }
}

Status check_is_proc(FdRef fd) {
  struct statfs info{};
  if (::fstatfs(fd.get(), &info) != 0) return fail_errno(errno, "look at the file system");
  if (info.f_type != PROC_SUPER_MAGIC) {
    return fail(Code::kFailedPrecondition, "is not a file of procfs: refused");
  }
  return {};
}

}  // namespace

Result<Fd> open_proc_for_write(FdRef dir, std::string_view path) {
  TRY_ASSIGN(Fd fd, open_beneath(dir, path));
  TRY_CONTEXT(check_is_proc(fd), quoted(path));
  return fd;
}

Result<Fd> open_own_proc_for_write(FdRef proc, std::string_view path) {
  // "self" is a link that procfs makes up; resolved by hand, so that nothing below is followed.
  char target[16];
  ssize_t size = ::readlinkat(proc.get(), "self", target, sizeof target);
  if (size < 0) return fail_errno(errno, "read link \"self\" of proc");
  std::string_view pid(target, static_cast<std::size_t>(size));
  if (!parse_number<std::uint32_t>(pid)) {
    return fail(Code::kFailedPrecondition, "\"self\" of proc is not a process: refused");
  }
  return open_proc_for_write(proc, cat(pid, "/", path));
}

Status write_proc_attribute(FdRef proc, std::initializer_list<std::string_view> names,
                            std::string_view value) {
  Result<Fd> file = fail_errno(ENOENT, "open");
  std::string shown;
  for (std::string_view name : names) {
    shown = cat("`/proc/self/attr/", name, "`");
    file = open_own_proc_for_write(proc, cat("attr/", name));
    if (file || file.error().sys_errno() != ENOENT) break;
  }
  if (!file) return fail(std::move(file).error().add_context(cat("open ", shown)));
  // One call, even for nothing at all: an empty value clears the attribute.
  if (::write(file->get(), value.data(), value.size()) < 0) {
    return fail_errno(errno, cat("write ", quoted(value), " to ", shown));
  }
  return {};
}

}  // namespace dhow::init
