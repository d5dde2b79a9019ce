// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/terminal.h"
#include "client/client.h"

namespace dhow::cli {

struct StreamOptions {
  bool input = false;   // standard input goes to the process
  bool output = false;  // its output comes to ours
  bool errors = false;
  bool terminal = false;    // it has a terminal: raw bytes rather than frames
  std::string detach_keys;  // bytes; empty: not looked for
  // Called for SIGWINCH with the new size, when there is a terminal.
  std::function<void(TerminalSize)> resize;
  // Called for every signal that would end us, with its name ("INT"); empty: signals do what they
  // do.
  std::function<void(std::string_view)> signal;
};

// Blocks the signals that run_streams() is to hear of: before the process starts, so that none is
// lost. They stay blocked.
void block_signals(const StreamOptions& options);

enum class StreamEnd { kFinished, kDetached };

// Joins the standard streams with those of a process, over the connection of an exchange that was
// upgraded, until its output ends. One thread, one poll; neither direction holds up the other.
Result<StreamEnd> run_streams(client::Exchange& exchange, const StreamOptions& options);

// Copies an answer's body, in frames unless `raw`, to the standard streams until it ends.
Status copy_output(client::Exchange& exchange, bool raw);

}  // namespace dhow::cli
