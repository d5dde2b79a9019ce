// SPDX-License-Identifier: Apache-2.0
#include "base/size.h"

#include <gtest/gtest.h>

namespace dhow {
namespace {

TEST(SizeTest, TakesBinaryUnits) {
  EXPECT_EQ(parse_size("0"), 0);
  EXPECT_EQ(parse_size("64"), 64);
  EXPECT_EQ(parse_size("64m"), 64 << 20);
  EXPECT_EQ(parse_size("64M"), 64 << 20);
  EXPECT_EQ(parse_size("1.5GiB"), std::int64_t{3} << 29);
  EXPECT_EQ(parse_size("10 kb"), 10 << 10);
  EXPECT_EQ(parse_size("7b"), 7);
  EXPECT_EQ(parse_size("1p"), std::int64_t{1} << 50);
  for (std::string_view bad : {"", "abc", "10XB", "-1", "1  k", "m", "1.m", "99999999p", "1kbb"}) {
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace dhow
