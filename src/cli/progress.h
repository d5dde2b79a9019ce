// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/client.h"

namespace dhow::cli {

class Session;

// Shows the progress of a pull, push, load or import: on a terminal one line a layer with a bar,
// else a line a message, without those that tell only of bytes.
class ProgressDisplay {
 public:
  enum class Target { kOutput, kErrors };
  ProgressDisplay(Session& session, Target target);

  // One JSON object of the stream. The error that it tells of, if it does.
  Status show(std::string_view message);

 private:
  void write(std::string_view text);
  void show_line(std::string_view id, std::string_view line);

  Session& session_;
  Target target_;
  bool terminal_;
  unsigned columns_ = 80;
  std::vector<std::string> ids_;  // in the order of their lines
};

// Shows the whole answer of an exchange; a message of failure ends it as an error. With `quiet`
// only failures are looked for.
Status show_progress(Session& session, client::Exchange& exchange, ProgressDisplay::Target target,
                     bool quiet);

// "[==>   ]  1.5MB/3MB" for a terminal of that width.
std::string progress_bar(std::int64_t current, std::int64_t total, unsigned columns);

}  // namespace dhow::cli
