// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::runtime {

// The runtime as the foreground of a process (run and exec without --detach): signals go to the
// process, a terminal is proxied, and its end is the runtime's.
//
// Made before the process, so that no signal is lost: from then on signals are blocked and arrive
// in a descriptor. The terminal of the caller is raw while it is proxied, and is put back in the
// destructor.
class Foreground {
 public:
  static Result<Foreground> make(bool terminal, bool subreaper);
  Foreground(Foreground&&) = default;
  Foreground& operator=(Foreground&&) = delete;
  ~Foreground();

  // Where the process sends its pty master; nullptr without a terminal.
  const Fd* console() const { return console_child_ ? &console_child_ : nullptr; }
  // Takes the master that the process has sent; to be called once it is set up.
  Status accept_console();
  // Serves until the process has ended and its output is through. Its exit code, or 128 + signal.
  Result<int> serve(pid_t pid, const PidFd& pidfd);

 private:
  Foreground() = default;
  void handle_signal(const PidFd& pidfd, pid_t pid);
  void resize() const;

  Fd signals_;
  Fd console_parent_, console_child_;
  Fd master_;
  bool raw_ = false;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace dhow::runtime
