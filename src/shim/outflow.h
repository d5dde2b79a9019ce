// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

// Bytes on their way to a descriptor, which takes them when it likes: what it doesn't take at once
// waits in memory, and the caller stops when that is too much. A descriptor that fails is closed,
// and what comes later is dropped.
class Outflow {
 public:
  // The descriptor is made non-blocking. `changed` is called, from the loop, when less is waiting
  // than before, or the descriptor has failed.
  Outflow(Loop& loop, Fd fd, std::function<void()> changed);

  void put(std::string_view bytes);
  // Closes the descriptor once everything is written.
  void end();
  std::size_t waiting() const { return waiting_.size() - used_; }
  bool is_open() const { return static_cast<bool>(fd_); }
  const Fd& fd() const { return fd_; }

 private:
  Status start_watch();
  void write_on();
  void close();
  // How much of it was taken; -1: it has failed.
  std::ptrdiff_t write_some(std::string_view bytes);

  Loop& loop_;
  Fd fd_;
  // A second number for the same, once something waits: the loop has each only once, and the owner
  // may be watching the first one.
  Fd watched_;
  std::function<void()> changed_;
  std::string waiting_;
  std::size_t used_ = 0;
  bool ending_ = false;
  Loop::Watch watch_;
};

}  // namespace dhow::shim
