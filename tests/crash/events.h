// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "crash/api.h"

namespace dhow::crash_test {

// What the engine's events say of a container.
struct Life {
  bool created = false;  // else its beginning is older than what is kept
  bool destroyed = false;
  bool running = false;  // the last of "start" and "die" is "start"
  int code = -1;         // of the last "die"
  std::string fault;     // the first event that can't have come when it did
};
using Lives = std::map<std::string, Life>;

// All that are kept, by the containers' ids.
Result<Lives> read_lives(Api& api);

}  // namespace dhow::crash_test
