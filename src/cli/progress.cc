// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "client/frames.h"
#include "oci/json_value.h"

namespace dhow::cli {

std::string progress_bar(std::int64_t current, std::int64_t total, unsigned columns) {
  if (current <= 0 && total <= 0) return {};
  std::string size = human_size(static_cast<double>(current));
  if (total <= 0) return size;
  std::string bar;
  constexpr std::int64_t kWidth = 50;
  if (columns > 110) {
    auto filled = static_cast<std::size_t>(std::min(current * kWidth / total, kWidth));
    std::size_t rest = filled < kWidth ? kWidth - filled - 1 : 0;
    bar = cat("[", std::string(filled, '='), ">", std::string(rest, ' '), "]  ");
  }
  return cat(bar, size, "/", human_size(static_cast<double>(total)));
}

ProgressDisplay::ProgressDisplay(Session& session, Target target)
    : session_(session), target_(target) {
  int fd = target == Target::kOutput ? STDOUT_FILENO : STDERR_FILENO;
  auto size = terminal_size(fd);
  terminal_ = size.has_value();
  if (size && size->columns != 0) columns_ = size->columns;
}

void ProgressDisplay::write(std::string_view text) {
  if (target_ == Target::kErrors) return session_.complain(text);
  session_.print(text);
  session_.flush();
}

void ProgressDisplay::show_line(std::string_view id, std::string_view line) {
  if (!terminal_ || id.empty()) return write(cat(line, "\n"));
  auto found = std::ranges::find(ids_, id);
  if (found == ids_.end()) {
    ids_.emplace_back(id);
    return write(cat("\033[2K", line, "\n"));
  }
  // Up to the line, over it, and back down.
  auto up = ids_.end() - found;
  write(cat("\033[", up, "A\r\033[2K", line, "\033[", up, "B\r"));
}

Status ProgressDisplay::show(std::string_view message) {
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(message));
  oci::JsonValue root = document.root();
  auto text = [&root](std::string_view name) { return root.find(name).as_string().value_or(""); };
  std::string_view failure =
      root.find("errorDetail").find("message").as_string().value_or(text("error"));
  if (!failure.empty()) return fail(Code::kUnknown, std::string(failure));
  if (!text("stream").empty()) {
    write(text("stream"));
    return {};
  }
  if (text("status").empty()) return {};  // "aux": for programs
  oci::JsonValue detail = root.find("progressDetail");
  std::int64_t current = detail.find("current").as_int64().value_or(0);
  std::int64_t total = detail.find("total").as_int64().value_or(0);
  std::string bar = detail.find("hidecounts").as_boolean().value_or(false)
                        ? ""
                        : progress_bar(current, total, columns_);
  if (!terminal_ && (current > 0 || total > 0)) return {};
  std::string_view id = text("id");
  std::string line = cat(id, id.empty() ? "" : ": ", text("status"), bar.empty() ? "" : " ", bar);
  // A status without an id ends the block of lines that are written over.
  if (id.empty()) ids_.clear();
  show_line(id, line);
  return {};
}

Status show_progress(Session& session, client::Exchange& exchange, ProgressDisplay::Target target,
                     bool quiet) {
  ProgressDisplay display(session, target);
  client::JsonStream stream;
  std::vector<char> buffer(32768);
  auto sink = [&](std::string_view message) -> Status {
    if (!quiet) return display.show(message);
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(message));
    auto failure = document.root().find("errorDetail").find("message").as_string();
    if (!failure) failure = document.root().find("error").as_string();
    if (failure) return fail(Code::kUnknown, std::string(*failure));
    return {};
  };
  while (true) {
    TRY_ASSIGN(std::size_t count, exchange.read(buffer));
    if (count == 0) return {};
    TRY(stream.feed(std::string_view(buffer.data(), count), sink));
  }
}

}  // namespace dhow::cli
