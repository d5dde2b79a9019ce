// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/state_store.h"

namespace dhow::runtime {
namespace {

using ::testing::HasSubstr;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

TEST(RecordCodecTest, LateHooksAreLookedForUnlessThereAreNone) {
  Record record;
  record.id = "c";
  record.late_hooks = false;
  std::string written = record_to_json(record);
  auto read = record_from_json(written);
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_FALSE(read->late_hooks);
  // A record of somebody who did not know the field.
  auto older = record_from_json(replaced(written, "\"lateHooks\":false,", ""));
  ASSERT_TRUE(older.has_value()) << older.error().message();
  EXPECT_TRUE(older->late_hooks);
  auto wrong = record_from_json(replaced(written, "\"lateHooks\":false", "\"lateHooks\":0"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message(), HasSubstr("bad or missing field \"lateHooks\""));
}

}  // namespace
}  // namespace dhow::runtime
