// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crash/ledger.h"

namespace dhow::crash_test {

// The data of Docker's frames, all streams together. kDataLoss when they are cut.
Result<std::string> unframed(std::string_view frames);

// How often a command of numbered lines has written all of them.
struct Runs {
  int whole = 0;
  int cut = 0;        // ended early
  std::string fault;  // a line that is not as it should be; "": none
};
Runs count_runs(std::string_view output, int lines);

// What is wrong with the log of an ended container; "": nothing.
std::string log_fault(const Entry& entry, std::string_view frames);

}  // namespace dhow::crash_test
