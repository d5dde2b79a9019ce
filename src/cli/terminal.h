// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::cli {

struct TerminalSize {
  unsigned rows = 0;
  unsigned columns = 0;
};

// Size of the terminal behind a descriptor; none when it is no terminal.
std::optional<TerminalSize> terminal_size(int fd);

// Puts the terminal of the standard input into raw mode (cfmakeraw(3)), and back in the destructor.
// Does nothing when it is no terminal.
class RawMode {
 public:
  RawMode() = default;
  ~RawMode() { restore(); }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

  Status enter();
  void restore();

 private:
  std::optional<termios> saved_;
};

// Reads a line from standard input with the echo off (for passwords) or on. Who is asked on
// standard output with the prompt can type at once: the echo is off by then.
Result<std::string> read_line(std::string_view prompt, bool echo);

// The bytes that "ctrl-p,ctrl-q", "a" or "ctrl-@,x" stand for. "" is docker's default of
// ctrl-p,ctrl-q. kInvalidArgument for anything else.
Result<std::string> parse_detach_keys(std::string_view keys);

// Finds a sequence of keys in what is typed, and holds back what may be its beginning.
class DetachKeys {
 public:
  explicit DetachKeys(std::string sequence) : sequence_(std::move(sequence)) {}
  // Appends to `output` what isn't part of the sequence; true once it has been seen.
  bool filter(std::string_view typed, std::string& output);

 private:
  std::string sequence_;
  std::size_t matched_ = 0;
};

}  // namespace dhow::cli
