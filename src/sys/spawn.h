// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

struct SpawnOptions {
  std::string path;                    // the program file; empty: arguments[0] looked up in $PATH
  std::vector<std::string> arguments;  // with argv[0]
  std::optional<std::vector<std::string>> environment;  // nullopt: the caller's
  std::string working_dir;                              // empty: the caller's
  std::string_view input;         // what the program reads from its standard input
  std::optional<int> timeout_ms;  // then it is killed with SIGKILL
  // Descriptors of the caller that the program keeps under the same number.
  std::vector<int> inherit;
  // Where standard output and error go instead of being caught.
  std::string output_file;
  std::string error_file;
  // The program is killed when the thread that has started it ends, and so with the process.
  bool dies_with_caller = false;
  // It begins a process group, which is killed as a whole when the time is out.
  bool own_group = false;
  std::size_t max_caught = 65536;  // bytes that are kept of each of its streams
};

struct SpawnOutput {
  int exit_code = 0;  // 128 + N when killed by signal N
  bool timed_out = false;
  std::string output;  // at most max_caught of each is kept, the rest is read and dropped
  std::string error_text;
  bool cut = false;  // there was more of the output
};

// Runs a program to its end. Blocks. An error means that it could not be started; how it ended is
// in the output. The program gets no descriptor but its standard streams and `inherit`. Thread
// safe.
Result<SpawnOutput> spawn_and_wait(const SpawnOptions& options);

// spawn_and_wait with arguments[0] looked up in $PATH and an empty standard input.
Result<SpawnOutput> run_program(const std::vector<std::string>& arguments);

}  // namespace dhow
