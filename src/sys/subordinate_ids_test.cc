// SPDX-License-Identifier: Apache-2.0
#include "sys/subordinate_ids.h"

#include <gtest/gtest.h>

namespace dhow {
namespace {

TEST(SubordinateIdsTest, TheLongestRangeOfTheUser) {
  constexpr std::string_view kText =
      "other:100000:65536\nboat:165536:10\n1000:300000:65536\nboat:231072:1000\n";
  EXPECT_EQ(subordinate_ids(kText, "boat", 1000), (SubordinateIds{300000, 65536}));
  EXPECT_EQ(subordinate_ids(kText, "boat", 7), (SubordinateIds{231072, 1000}));
  EXPECT_EQ(subordinate_ids(kText, "nobody", 7), std::nullopt);
}

TEST(SubordinateIdsTest, AllRangesInTheirOrder) {
  constexpr std::string_view kText = "boat:100000:10\nother:1:2\n7:200000:20\nboat:90000:5\n";
  std::vector<SubordinateIds> all = {{100000, 10}, {200000, 20}, {90000, 5}};
  EXPECT_EQ(subordinate_ranges(kText, "boat", 7), all);
  EXPECT_TRUE(subordinate_ranges(kText, "nobody", 65534).empty());
}

TEST(SubordinateIdsTest, LinesThatAreNoneAreLeftOut) {
  constexpr std::string_view kText = "boat\nboat:1\nboat:a:10\nboat:1:0\nboat:1:-5\n\nboat:1:2:3\n";
  EXPECT_EQ(subordinate_ids(kText, "boat", 1000), std::nullopt);
}

}  // namespace
}  // namespace dhow
