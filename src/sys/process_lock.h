// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// A lock file in a folder that one process holds at a time, from take() until this object goes or
// the process ends, however it does. It is the process's own (fcntl(2), F_SETLK): a child that is
// on its way to another program has no part in it, as it would with flock(2) or F_OFD_SETLK. Only
// one with the same table of descriptors (CLONE_FILES) has, and who was killed may leave such a
// child; it is waited for, so whoever comes after a process that was killed never finds it taken.
// Nothing else in the process may open the file, since any close of it would let the lock go.
// Movable, owns the descriptor.
class ProcessLock {
 public:
  // Doesn't block, but for a child of one that has ended, until that is another program.
  // kUnavailable: somebody holds it, who may be this process.
  static Result<ProcessLock> take(FdRef folder, const std::string& name);

  ProcessLock() = default;
  ProcessLock(ProcessLock&& other) noexcept;
  ProcessLock& operator=(ProcessLock&& other) noexcept;
  ~ProcessLock();

 private:
  Fd fd_;
  std::string key_;  // among those of this process
};

}  // namespace dhow
