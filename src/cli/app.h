// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace dhow::cli {

// Runs the command line; `command_line[0]` is the program. The exit code is docker's: 125 for flags
// that can't be read and for failures of `run`, 1 for other failures, else the command's.
int run_program(std::span<const std::string_view> command_line);

}  // namespace dhow::cli
