// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::task {

// Starts a program with a folder, a socket and little else, at a cost that doesn't grow with the
// memory and the descriptors of the caller: neither page tables nor the table of descriptors are
// copied (CLONE_VM and CLONE_FILES; close_range(2) with CLOSE_RANGE_UNSHARE takes along those below
// a number, so what the program gets is put at low ones that are kept for it).
class Launcher {
 public:
  static constexpr int kSocket = 3;  // the socket's number in the program

  // `program`: an opened file. To be called early, while low numbers are free.
  static Result<std::unique_ptr<Launcher>> make(const Fd& program);

  struct Site {
    const Fd& folder;  // where the program finds itself
    const Fd& socket;
    const char* log;  // a file there, for standard output and error; made if need be
  };
  // Blocks until the program runs: some hundred microseconds. It has the caller's environment,
  // nothing to read, no blocked signal, and is in a session of its own. Thread safe.
  Result<pid_t> start(const Site& site, const std::vector<std::string>& arguments);

 private:
  struct Child;
  Launcher() = default;
  static bool arrange(const Child& child);
  static int run_child(void* child);

  std::mutex mutex_;  // for what is below
  Fd program_;
  Fd folder_slot_;
  Fd socket_slot_;
  std::string path_;
  alignas(16) std::array<char, 32 << 10> stack_;
};

}  // namespace dhow::task
