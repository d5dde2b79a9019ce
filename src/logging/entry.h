// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dhow::logging {

enum class Stream : std::uint8_t { kStdout = 1, kStderr = 2 };

// "stdout" or "stderr".
std::string_view stream_name(Stream stream);

// A line longer than that is logged in pieces, as docker and containerd do.
inline constexpr std::size_t kMaxPiece = std::size_t{16} << 10;

// One line of output or, of a line that is too long or has no end, a piece of it. A view: valid
// only during the call that it is given to.
struct Entry {
  Stream stream = Stream::kStdout;
  std::int64_t time_ns = 0;  // since 1970, UTC; pieces of one line have that of its first
  std::string_view line;     // without its newline
  bool ends_line = true;     // false: what comes next on the stream goes on with this line
  // Which piece of a line it is, from 0; -1 for a line in one piece. Pieces of one line have the
  // same `line_number`, which counts the lines of a process that were cut.
  std::int32_t piece = -1;
  std::uint64_t line_number = 0;
};

}  // namespace dhow::logging
