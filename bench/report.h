// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "bench/cases.h"
#include "bench/environment.h"

namespace dhow::bench {

struct ContenderInfo {
  std::string name;
  std::string program;
  std::string version;
  long size_bytes = 0;   // of the program file, without the shared libraries it loads
  bool dynamic = false;  // loads shared libraries
  bool hide_unified = false;
};

struct Report {
  Environment environment;
  int rounds = 0;
  std::vector<ContenderInfo> contenders;
  std::vector<CaseResult> cases;
  std::vector<InheritedFds> inherited_fds;
  std::vector<MemoryFloor> floors;
  std::vector<ParallelResult> parallel;
};

// Reads what the file of a contender's program tells.
ContenderInfo describe(const Contender& contender);

// For people: tables, ready for a documentation page.
std::string to_markdown(const Report& report);
// For programs: everything, every single measurement included.
std::string to_json(const Report& report);
// One line for each performance target: whether it holds for the runtime named "dhow".
std::string check_targets(const Report& report);

// The series of a runtime in a case; nullptr when it was not measured without error.
const Series* find_series(const Report& report, const std::string& key,
                          const std::string& contender);

// With the given number of digits after the point.
std::string fixed(double value, int digits);

}  // namespace dhow::bench
