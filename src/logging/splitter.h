// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "logging/entry.h"

namespace dhow::logging {

// Cuts one output stream into lines, as they come. Keeps a line that has begun (at most kMaxPiece
// bytes), and nothing else. Not thread safe.
class Splitter {
 public:
  using Emit = std::function<void(const Entry&)>;

  explicit Splitter(Stream stream) : stream_(stream) {}

  // Passes each line that `bytes` ends to `emit`, and each full piece of one that is too long.
  void feed(std::string_view bytes, std::int64_t now_ns, const Emit& emit);
  // The stream has ended: what has begun goes out as a piece that ends no line.
  void finish(std::int64_t now_ns, const Emit& emit);

 private:
  void put(std::string_view line, bool ends_line, std::int64_t now_ns, const Emit& emit);

  Stream stream_;
  std::string pending_;
  std::int32_t piece_ = -1;
  std::int64_t first_time_ns_ = 0;
  std::uint64_t cut_lines_ = 0;
};

}  // namespace dhow::logging
