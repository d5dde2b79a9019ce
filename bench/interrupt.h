// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::bench {

// Turns SIGINT, SIGTERM and SIGHUP into an event that waits can poll for, so that an interrupted
// benchmark unwinds through its clean-ups. One at a time; not thread safe. The signals stay blocked
// until the object goes, so children must reset their signal mask.
class Interrupt {
 public:
  static Result<Interrupt> install();

  // Waits until `fd` is readable. False after `timeout_ms`; kCancelled when a signal came.
  Result<bool> wait_readable(FdRef fd, int timeout_ms) const;

  // From now on signals are left alone: for the clean-up, which must not be cut short.
  void ignore() { signals_.reset(); }

 private:
  explicit Interrupt(Fd signals) : signals_(std::move(signals)) {}
  Fd signals_;
};

// Empties the calling thread's signal mask: for a child between fork and exec.
void unblock_signals();

}  // namespace dhow::bench
