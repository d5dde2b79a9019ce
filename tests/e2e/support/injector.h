// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

// Runs a program under ptrace(2) with all processes that it makes, and lets one system call of one
// of them fail, or kills the process there. A seccomp filter stops only at the calls that are
// asked for, so that the rest runs at full speed.
namespace dhow::e2e {

// A system call of a traced run. Processes are numbered as they are made (0 is the program), and
// calls are counted for each process: so a step is the same one in every run, although processes
// run side by side.
struct Step {
  int process = 0;
  int index = 0;
  long call = -1;
};

struct Fault {
  enum class Kind { kNone, kError, kKill } kind = Kind::kNone;
  Step at;
  int error = 0;  // errno of kError
};

struct TracedRun {
  int code = -1;  // exit status, 128 + N when killed by signal N
  std::string err;
  bool hung = false;        // it was killed at the time limit
  bool reached = false;     // the step of the fault came
  std::vector<Step> steps;  // all that happened, in order
};

struct TracedCommand {
  std::vector<std::string> arguments;
  std::vector<long> calls;                         // SYS_* to stop at
  std::map<std::string, std::string> environment;  // on top of the test's own
  std::string output;  // file for standard output and error, replaced; the input is /dev/null
  int limit_seconds = 60;
};

// Returns when the program itself has ended; what it leaves running is let go.
TracedRun run_traced(const TracedCommand& command, const Fault& fault);

}  // namespace dhow::e2e
