// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace dhow::bench {

// Where a benchmark ran: what a reader needs to compare two results.
struct Environment {
  std::string date;     // UTC, ISO 8601
  std::string kernel;   // release and architecture
  std::string cpu;      // model and number of processors
  std::string memory;   // RAM and swap
  std::string cgroups;  // v1, v2 or hybrid
  std::string load;     // the three load averages at the start
  std::string command;  // the command line
};

Environment read_environment(int argc, char** argv);

}  // namespace dhow::bench
