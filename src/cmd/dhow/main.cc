// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <string_view>
#include <vector>

#include "cli/app.h"

int main(int argc, char** argv) {
  // A caller may have it ignored, and then output to a pipe that nobody reads would go on.
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<std::string_view> command_line(argv, argv + argc);
  if (command_line.empty()) command_line.emplace_back("dhow");
  return dhow::cli::run_program(command_line);
}
