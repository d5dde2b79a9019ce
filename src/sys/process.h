// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// A process by descriptor (pidfd, Linux 5.3): unlike a number it can't come to mean another
// process.
class PidFd {
 public:
  PidFd() = default;
  explicit PidFd(Fd fd) : fd_(std::move(fd)) {}
  static Result<PidFd> open(pid_t pid);

  const Fd& fd() const { return fd_; }
  explicit operator bool() const { return static_cast<bool>(fd_); }

  // pidfd_send_signal; ESRCH once the process has been reaped or is a zombie without threads.
  Status send_signal(int signal) const;
  // Blocks until the process has ended, at most `timeout_ms` (-1: no limit). False: still running.
  Result<bool> wait_exit(int timeout_ms) const;
  // pidfd_getfd (Linux 5.6): a copy of descriptor `number` of that process.
  Result<Fd> take_fd(int number) const;

 private:
  Fd fd_;
};

struct CloneOptions {
  std::uint64_t flags = 0;         // CLONE_NEW*, CLONE_PARENT, ...
  std::optional<int> cgroup = {};  // a cgroup v2 folder: CLONE_INTO_CGROUP (Linux 5.7)
  bool want_pidfd = true;
};

struct CloneResult {
  pid_t pid = 0;  // 0 in the child
  PidFd pidfd;
};

// clone3(2) without a new stack: returns twice, as fork. Only for single-threaded programs. Where
// clone3 is missing or filtered, clone(2) does it, or ENOSYS for a cgroup or CLONE_NEWTIME. The
// child's glibc caches (getpid has none) are as after fork; no atfork handlers run.
Result<CloneResult> clone_process(const CloneOptions& options);

// How a child ended, as a shell counts it: its exit status, or 128 + the signal that killed it.
int exit_code_from_wait_status(int status);

// waitpid with EINTR retried; the raw wait status.
Result<int> wait_for(pid_t pid);

// Marks every descriptor >= `first` close-on-exec (close_range, Linux 5.11; before that a walk over
// /proc/self/fd, which must be procfs).
Status set_cloexec_from(unsigned first);

// Whether this process is in a user namespace other than the first one, which maps all 2^32-1 ids
// to themselves (user_namespaces(7)).
Result<bool> in_user_namespace();

// Start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat), which together
// with the pid names a process for good; and its state letter. kNotFound when there is none.
struct ProcessStat {
  char state = '?';
  std::uint64_t start_time = 0;
};
Result<ProcessStat> read_process_stat(pid_t pid);

}  // namespace dhow
