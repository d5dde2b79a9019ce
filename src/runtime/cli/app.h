// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "runtime/cli/command.h"

namespace dhow::runtime::cli {

// The whole program: takes the command line (with the program's name first), does what it says and
// returns the exit code. Installs a log sink for its time. Single-threaded callers only: create,
// run, exec and restore clone the process.
int run_program(std::span<const std::string_view> command_line, const Streams& streams);

}  // namespace dhow::runtime::cli
