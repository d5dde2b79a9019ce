// SPDX-License-Identifier: Apache-2.0
#include "crash/output.h"

#include "base/strings.h"
#include "client/frames.h"

namespace dhow::crash_test {

Result<std::string> unframed(std::string_view frames) {
  std::string data;
  client::FrameReader reader;
  TRY(reader.feed(frames, [&](client::StreamKind, std::string_view piece) -> Status {
    data += piece;
    return {};
  }));
  if (!reader.at_boundary()) return fail(Code::kDataLoss, "a frame is cut");
  return data;
}

Runs count_runs(std::string_view output, int lines) {
  Runs runs;
  int next = 0;
  auto finish = [&] {
    if (next == lines) ++runs.whole;
    if (next > 0 && next < lines) ++runs.cut;
    next = 0;
  };
  while (!output.empty()) {
    std::size_t end = output.find('\n');
    std::string_view line = output.substr(0, end);
    if (line == "line 0") finish();
    if (end == std::string_view::npos || line != cat("line ", next)) {
      runs.fault = cat("after ", runs.whole, " runs ", quoted(line), ", not line ", next);
      return runs;
    }
    ++next;
    output.remove_prefix(end + 1);
  }
  finish();
  return runs;
}

std::string log_fault(const Entry& entry, std::string_view frames) {
  if (entry.kind == Kind::kLong) return "";
  auto text = unframed(frames);
  if (!text) return text.error().message();
  Runs runs = count_runs(*text, entry.lines);
  if (!runs.fault.empty() && !entry.end_asked) return runs.fault;
  if (runs.cut > 0 && !entry.end_asked) return cat(runs.cut, " runs are cut");
  if (entry.end_asked || entry.restarts()) return "";
  if (runs.whole < entry.starts_answered || runs.whole > entry.starts_asked) {
    return cat(runs.whole, " runs, ", entry.starts_answered, " starts of ", entry.starts_asked,
               " answered");
  }
  return "";
}

}  // namespace dhow::crash_test
