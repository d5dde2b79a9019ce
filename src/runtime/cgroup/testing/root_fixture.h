// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "runtime/cgroup/testing/contained.h"
#include "sys/file_io.h"

#define ASSERT_DONE(expression)                                \
  do {                                                         \
    auto&& done_result = (expression);                         \
    ASSERT_TRUE(done_result) << done_result.error().message(); \
  } while (false)

namespace dhow::cgroup::testing {

// On the real hierarchies, whatever their mode.
class CgroupRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto mode = detect_mode();
    ASSERT_TRUE(mode) << mode.error().message();
    unified_ = *mode == Mode::kUnified;
    if (::geteuid() == 0) return;
    Contained box;
    auto plan = box ? box->prepare(nullptr) : Result<JoinPlan>(fail(Code::kUnknown, box.error()));
    bool joins = plan && (plan->unified_dir || !plan->self_join_files.empty());
    if (!joins) GTEST_SKIP() << "needs root or a delegated cgroup";
  }

  // The folder of a controller.
  std::string folder(const Contained& box, const std::string& controller) {
    const auto& paths = box->location().paths;
    auto at = paths.find(unified_ ? "" : controller);
    return at == paths.end() ? "" : at->second;
  }

  std::string content(const Contained& box, const std::string& controller,
                      const std::string& file) {
    auto text = read_file(cat(folder(box, controller), "/", file));
    return text ? std::string(trim(*text)) : text.error().message();
  }

  bool has(const Contained& box, const std::string& controller, const std::string& file) {
    return ::access(cat(folder(box, controller), "/", file).c_str(), F_OK) == 0;
  }

  bool unified_ = false;
};

}  // namespace dhow::cgroup::testing
