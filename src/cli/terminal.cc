// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cli {

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

Status RawMode::enter() {
  termios state{};
  if (::tcgetattr(STDIN_FILENO, &state) != 0) return {};
  termios raw = state;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
    return fail_errno(errno, "put the terminal into raw mode");
  saved_ = state;
  return {};
}

void RawMode::restore() {
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  saved_.reset();
}

Result<std::string> read_line(std::string_view prompt, bool echo) {
  termios state{};
  bool hidden = !echo && ::tcgetattr(STDIN_FILENO, &state) == 0;
  if (hidden) {
    termios quiet = state;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  std::ignore = write_all(FdRef(STDOUT_FILENO), prompt);
  std::string line;
  char c = 0;
  auto count = read_some(FdRef(STDIN_FILENO), std::span(&c, 1));
  while (count && *count == 1 && c != '\n') {
    line += c;
    count = read_some(FdRef(STDIN_FILENO), std::span(&c, 1));
  }
  if (hidden) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &state);
    std::ignore = write_all(FdRef(STDOUT_FILENO), "\n");
  }
  if (!count) return std::unexpected(std::move(count).error());
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

Result<std::string> parse_detach_keys(std::string_view keys) {
  if (keys.empty()) return std::string("\x10\x11");
  std::string bytes;
  for (std::string_view key : split(keys, ',')) {
    if (key.size() == 1) {
      bytes += key;
      continue;
    }
    char c = key.size() == 6 && key.starts_with("ctrl-") ? key[5] : '\0';
    if (c >= 'a' && c <= 'z') {
      bytes += static_cast<char>(c - 'a' + 1);
    } else if (c == '@') {
      bytes += '\0';
    } else if (c >= '[' && c <= '_') {
      bytes += static_cast<char>(c - '[' + 27);
    } else {
      return fail(Code::kInvalidArgument, cat("Unknown character: '", key, "'"));
    }
  }
  return bytes;
}

bool DetachKeys::filter(std::string_view typed, std::string& output) {
  for (char c : typed) {
    if (c == sequence_[matched_]) {
      if (++matched_ == sequence_.size()) return true;
      continue;
    }
    output += sequence_.substr(0, matched_);
    matched_ = c == sequence_[0] ? 1 : 0;
    if (matched_ == 0) output += c;
    if (matched_ == sequence_.size()) return true;
  }
  return false;
}

}  // namespace dhow::cli
