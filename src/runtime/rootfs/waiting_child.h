// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::rootfs {

// A child process in namespaces of its own that does nothing but hold them, so that they can be
// opened under /proc. It ends, and is reaped, with the object. Single-threaded callers only.
class WaitingChild {
 public:
  // Clones with `flags` (CLONE_NEW*). The child runs `prepare` first; when that fails, so does this
  // (kFailedPrecondition), after its end. Blocks until it has been run; without it returns at once.
  static Result<WaitingChild> clone(std::uint64_t flags,
                                    const std::function<Status()>& prepare = nullptr);
  WaitingChild(WaitingChild&& other) noexcept;
  WaitingChild& operator=(WaitingChild&&) = delete;
  ~WaitingChild();

  pid_t pid() const { return pid_; }

 private:
  WaitingChild(pid_t pid, Fd socket) : pid_(pid), socket_(std::move(socket)) {}
  pid_t pid_;
  Fd socket_;
};

}  // namespace dhow::rootfs
