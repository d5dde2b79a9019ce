// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "cli/command.h"

// Help, man pages and completion, all from the tables of commands.
namespace dhow::cli {

std::string program_help(std::string_view program);
std::string group_help(std::string_view program, const Group& group);
std::string command_help(std::string_view program, const Command& command);

// The flag with its letter and value as help shows it: "-n, --tail N".
std::string flag_spelling(const Flag& flag);

// The page dhow(1), or dhow-COMMAND(1) with `command`, in man(7) macros.
std::string program_page();
std::string command_page(const Command& command);
// "dhow-container-prune" for "container prune".
std::string page_name(const Command& command);

// The completion script for "bash", "zsh" or "fish"; empty for other shells.
std::string completion_script(std::string_view shell);

}  // namespace dhow::cli
