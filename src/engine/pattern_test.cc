// SPDX-License-Identifier: Apache-2.0
#include "engine/pattern.h"

#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

TEST(NameFilter, FindsRegularExpressionsAnywhere) {
  EXPECT_TRUE(NameFilter({"eb"}).matches("web1"));
  EXPECT_TRUE(NameFilter({"^web1$"}).matches("web1"));
  EXPECT_FALSE(NameFilter({"^web$"}).matches("web1"));
  EXPECT_TRUE(NameFilter({"^(web|db)\\d+$"}).matches("db20"));
  EXPECT_TRUE(NameFilter({"w[\\d]"}).matches("w1"));
  EXPECT_FALSE(NameFilter({"^(web|db)\\d+$"}).matches("dbx"));
  EXPECT_TRUE(NameFilter({"a", "w.*1"}).matches("web1"));
  EXPECT_TRUE(NameFilter({}).matches("web1"));
}

TEST(NameFilter, TakesANameThatIsNoExpression) {
  EXPECT_TRUE(NameFilter({"a["}).matches("a["));
  EXPECT_FALSE(NameFilter({"a["}).matches("a"));
}

}  // namespace
}  // namespace dhow::engine
