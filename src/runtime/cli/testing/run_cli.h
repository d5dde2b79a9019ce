// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dhow::runtime::testing {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;  // with the times of log lines replaced by T
};

// Runs the program in this process with its standard streams in memory.
Outcome run_cli(std::vector<std::string_view> command_line, std::string_view input = {});

}  // namespace dhow::runtime::testing
