// SPDX-License-Identifier: Apache-2.0
#include "bench/stats.h"

#include <gtest/gtest.h>

namespace dhow::bench {
namespace {

TEST(Quantile, TakesTheNearestRank) {
  const std::vector<double> values = {5, 1, 4, 2, 3, 10, 9, 8, 7, 6};
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, 0.9), 9);
  EXPECT_EQ(quantile(values, 0.91), 10);
  EXPECT_EQ(quantile(values, 1), 10);
}

TEST(Quantile, OfOneValueIsThatValue) {
  EXPECT_EQ(quantile({7}, 0), 7);
  EXPECT_EQ(quantile({7}, 0.9), 7);
}

TEST(Median, IsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Summarize, ConvertsUnitsAndKeepsTheLargestMemory) {
  const std::vector<LaunchReply> samples = {
      {.wall_ns = 3'000'000, .user_us = 1'000, .system_us = 500, .max_rss_kib = 10},
      {.wall_ns = 1'000'000, .user_us = 100, .system_us = 100, .max_rss_kib = 30},
      {.wall_ns = 2'000'000, .user_us = 200, .system_us = 200, .max_rss_kib = 20}};
  const Summary summary = summarize(samples);
  EXPECT_DOUBLE_EQ(summary.median_ms, 2);
  EXPECT_DOUBLE_EQ(summary.p90_ms, 3);
  EXPECT_DOUBLE_EQ(summary.min_ms, 1);
  EXPECT_DOUBLE_EQ(summary.cpu_ms, 0.4);
  EXPECT_EQ(summary.max_rss_kib, 30);
  EXPECT_EQ(summary.count, 3u);
}

TEST(Summarize, OfNothingIsZero) {
  const Summary summary = summarize({});
  EXPECT_EQ(summary.median_ms, 0);
  EXPECT_EQ(summary.count, 0u);
}

}  // namespace
}  // namespace dhow::bench
