// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

enum class ProgramLife {
  kWithCaller,  // killed when the caller ends
  kItsOwn,      // nobody's child: it can bring away what it was given before the caller ended
};

// Starts a program, looked up in $PATH, with one end of a stream socket pair as its standard input
// and output; the result is the other end, which blocks. A program that can't be run closes its
// end. For callers with one thread.
Result<Fd> start_on_socket(const std::vector<std::string>& arguments, ProgramLife life);

}  // namespace dhow
