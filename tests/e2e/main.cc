// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>

#include <gtest/gtest.h>
#include <string>

#include "e2e/support/host.h"

namespace {

// The bundles of most tests are root's; an ordinary user runs the suites that make bundles of its
// own, unless the filter names others.
void leave_roots_tests_out() {
  std::string filter = testing::GTEST_FLAG(filter);
  if (filter == "*" || filter.starts_with('-')) {
    testing::GTEST_FLAG(filter) = "Rootless.*:SystemdDriver.*";
  }
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!dhow::e2e::is_root()) leave_roots_tests_out();
  // Containers whose runtime has gone are reaped here, as a shim would.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  return RUN_ALL_TESTS();
}
