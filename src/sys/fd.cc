// SPDX-License-Identifier: Apache-2.0
#include "sys/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"

namespace dhow {

const FdRef kCwd{AT_FDCWD};

void Fd::reset(int fd) {
  if (fd_ >= 0) {
    int saved = errno;
    // Linux frees the number even when close() fails, so there is nothing to retry.
    ::close(fd_);
    errno = saved;
  }
  fd_ = fd;
}

Result<Fd> Fd::duplicate(int at_least) const {
  int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, at_least);
  if (copy < 0) return fail_errno(errno, cat("duplicate descriptor ", fd_));
  return Fd(copy);
}

Result<Fd> open_at(FdRef dir, std::string_view path, int flags, unsigned mode) {
  std::string name(path);
  // The kernel would see another path than the caller checked.
  if (name.find('\0') != std::string::npos) return fail_errno(EINVAL, cat("open ", quoted(path)));
  while (true) {
    int fd = ::openat(dir.get(), name.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return fail_errno(errno, cat("open ", quoted(path)));
  }
}

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (::pipe2(ends, flags | O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::string proc_fd_path(FdRef fd) { return cat("/proc/self/fd/", fd.get()); }

std::string proc_fd_path(FdRef folder, std::string_view name) {
  return cat(proc_fd_path(folder), "/", name);
}

}  // namespace dhow
