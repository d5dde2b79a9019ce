// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cli/flags.h"
#include "runtime/cli/personality.h"
#include "runtime/runtime.h"
#include "sys/fd.h"

namespace dhow::runtime::cli {

// The three standard streams: replaced by files in tests.
struct Streams {
  FdRef in = FdRef(0);
  FdRef out = FdRef(1);
  FdRef err = FdRef(2);
};

// One call of a command: what its handler gets.
struct Invocation {
  const Personality& personality;
  const runtime::Context& context;
  const ParsedArguments& arguments;
  const Streams& streams;

  bool as_crun() const { return personality.style == Style::kCrun; }
  std::string_view id() const { return arguments.positionals().front(); }
  // Everything to the standard output; a closed pipe is an error like any other.
  Status print(std::string_view text) const;
};

// The exit code, when the command did its work.
using Handler = Result<int> (*)(const Invocation&);

inline constexpr int kNoLimit = -1;

struct Command {
  std::string_view name;
  std::string_view summary;    // one line, for the list of commands
  std::string_view arguments;  // for the usage line: "<container-id>"
  std::string_view details;    // more about it, for its own help; may be empty
  Handler handler;
  int min_arguments = 1;
  int max_arguments = 1;
  bool stop_at_positional = false;
  std::span<const Flag> flags = {};
  std::span<const Flag> shared_flags = {};
  bool hidden = false;
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);
std::span<const Flag> global_flags();
// -h/--help and crun's spellings of it, which every command has.
std::span<const Flag> help_flags();

// Texts of --help.
std::string program_help(const Personality& personality, std::string_view root);
std::string command_help(const Personality& personality, const Command& command);
// crun's --usage: the flags in one line.
std::string usage_line(const Personality& personality, const Command* command);

// The handlers, by file.
// lifecycle.cc
Result<int> handle_create(const Invocation& call);
Result<int> handle_run(const Invocation& call);
Result<int> handle_start(const Invocation& call);
Result<int> handle_kill(const Invocation& call);
Result<int> handle_delete(const Invocation& call);
Result<int> handle_pause(const Invocation& call);
Result<int> handle_resume(const Invocation& call);
// exec.cc
Result<int> handle_exec(const Invocation& call);
// query.cc
Result<int> handle_state(const Invocation& call);
Result<int> handle_list(const Invocation& call);
Result<int> handle_events(const Invocation& call);
Result<int> handle_features(const Invocation& call);
// ps.cc
Result<int> handle_ps(const Invocation& call);
// spec.cc
Result<int> handle_spec(const Invocation& call);
// update.cc
Result<int> handle_update(const Invocation& call);
// checkpoint.cc
Result<int> handle_checkpoint(const Invocation& call);
Result<int> handle_restore(const Invocation& call);
// mounts.cc
Result<int> handle_mounts(const Invocation& call);

// Helpers that several of them share (lifecycle.cc).

// `path` made absolute from the working folder; empty stays empty.
Result<std::string> absolute_path(std::string_view path);
// The create flags and the bundle, as options. The bundle is resolved and must be a folder.
Result<CreateOptions> create_options(const Invocation& call);

}  // namespace dhow::runtime::cli
