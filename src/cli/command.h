// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "cli/flags.h"

namespace dhow::cli {

class Session;

// Runs a command: its exit code, or an error that is printed as it is (exit code 1).
using Handler = Result<int> (*)(Session&, const Arguments&);

constexpr int kNoLimit = -1;

// One command, with everything that its help, its man page and its completion say.
struct Command {
  // Its names, the first one is shown: "ps|container ls|container list|container ps".
  std::string_view names;
  std::string_view summary;
  std::string_view usage = {};    // "[OPTIONS] CONTAINER [CONTAINER...]"
  std::string_view details = {};  // more for its help and its man page
  Handler handler = nullptr;
  int min_arguments = 0;
  int max_arguments = 0;
  // Flags end at the first argument: the rest belongs to a command in the container.
  bool stop_at_positional = false;
  std::span<const Flag> flags = {};
  std::span<const Flag> more_flags = {};
  std::string_view completion = {};  // what completes its arguments: "containers", "images", …
  bool hidden = false;
};

// A word that commands are below: "container".
struct Group {
  std::string_view name;
  std::string_view summary;
};

// Every command, by the subject of its table; the order is that of the help.
std::span<const std::span<const Command>> command_tables();
std::span<const Group> groups();
// Of the program itself; they come before the command.
std::span<const Flag> global_flags();
// --help, of every command.
std::span<const Flag> help_flags();

// The flags in force for a command, as parse_arguments() wants them.
FlagGroups flags_of(const Command& command);
// The name that is shown: "ps", "container prune".
std::string_view main_name(const Command& command);
// The command that the words begin with, and how many words name it; null when there is none.
struct FoundCommand {
  const Command* command = nullptr;
  std::size_t words = 0;
};
FoundCommand find_command(std::span<const std::string_view> words);
const Group* find_group(std::string_view name);

}  // namespace dhow::cli
