// SPDX-License-Identifier: Apache-2.0
#include "logging/splitter.h"

#include <algorithm>

namespace dhow::logging {

std::string_view stream_name(Stream stream) {
  return stream == Stream::kStderr ? "stderr" : "stdout";
}

void Splitter::put(std::string_view line, bool ends_line, std::int64_t now_ns, const Emit& emit) {
  Entry entry{.stream = stream_, .time_ns = now_ns, .line = line, .ends_line = ends_line};
  if (piece_ >= 0 || !ends_line) {
    if (piece_ < 0) {
      first_time_ns_ = now_ns;
      ++cut_lines_;
    }
    entry.piece = ++piece_;
    entry.time_ns = first_time_ns_;
    entry.line_number = cut_lines_;
    if (ends_line) piece_ = -1;
  }
  emit(entry);
}

void Splitter::feed(std::string_view bytes, std::int64_t now_ns, const Emit& emit) {
  while (!bytes.empty()) {
    std::size_t room = kMaxPiece - pending_.size();
    std::size_t end = bytes.substr(0, room).find('\n');
    bool whole = end != std::string_view::npos;
    if (!whole && bytes.size() < room) {
      pending_.append(bytes);
      return;
    }
    std::string_view part = bytes.substr(0, whole ? end : room);
    bytes.remove_prefix(part.size() + (whole ? 1 : 0));
    if (pending_.empty()) {
      put(part, whole, now_ns, emit);
    } else {
      pending_.append(part);
      put(pending_, whole, now_ns, emit);
      // Most processes write whole lines: the memory is not kept for those that don't.
      std::string().swap(pending_);
    }
  }
}

void Splitter::finish(std::int64_t now_ns, const Emit& emit) {
  if (pending_.empty()) return;
  put(pending_, false, now_ns, emit);
  std::string().swap(pending_);
}

}  // namespace dhow::logging
