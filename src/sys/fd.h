// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"

namespace dhow {

// An owned file descriptor: closed when the owner goes. Move-only; assignment closes what was held.
// Not thread safe. Every descriptor that dhow makes is close-on-exec.
class Fd {
 public:
  Fd() = default;
  // Takes ownership of `fd` (-1: none).
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor up without closing it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  // Closes what is held, then holds `fd`. errno is kept.
  void reset(int fd = -1);

  // A second close-on-exec descriptor for the same open file, numbered `at_least` or more.
  Result<Fd> duplicate(int at_least = 3) const;

 private:
  int fd_ = -1;
};

// A descriptor that somebody else owns, for parameters: valid only during the call.
class FdRef {
 public:
  FdRef(const Fd& fd) : fd_(fd.get()) {}
  // For AT_FDCWD and the standard streams.
  explicit constexpr FdRef(int fd) : fd_(fd) {}
  int get() const { return fd_; }

 private:
  int fd_;
};

// The current working folder, as a descriptor argument (AT_FDCWD).
extern const FdRef kCwd;

// openat with O_CLOEXEC always set; EINTR is retried. A NUL in the path is EINVAL. The error names
// the path.
Result<Fd> open_at(FdRef dir, std::string_view path, int flags, unsigned mode = 0);

struct Pipe {
  Fd read;
  Fd write;
};
// pipe2(2) with O_CLOEXEC always set; `flags`: 0 or O_NONBLOCK.
Result<Pipe> make_pipe(int flags = 0);

// Path of an open file as the kernel shows it, for messages and for the few calls that take only
// paths: "/proc/self/fd/N".
std::string proc_fd_path(FdRef fd);
// Of a name in an open folder: for calls that take paths and follow no last link.
std::string proc_fd_path(FdRef folder, std::string_view name);

}  // namespace dhow
