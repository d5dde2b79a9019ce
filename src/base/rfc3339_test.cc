// SPDX-License-Identifier: Apache-2.0
#include "base/rfc3339.h"

#include <gtest/gtest.h>

namespace dhow {
namespace {

TEST(Rfc3339Test, WritesTimesAsGoDoes) {
  EXPECT_EQ(rfc3339_nano(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339_nano(1'714'564'800'500'000'000), "2024-05-01T12:00:00.5Z");
  EXPECT_EQ(rfc3339_nano(1'714'564'800'000'000'001), "2024-05-01T12:00:00.000000001Z");
  EXPECT_EQ(rfc3339_nano(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339Test, ReadsWhatItWrites) {
  for (std::int64_t time :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'714'564'800'123'456'789}}) {
    EXPECT_EQ(parse_rfc3339(rfc3339_nano(time)), time);
  }
}

TEST(Rfc3339Test, ReadsZonesAndLongFractions) {
  EXPECT_EQ(parse_rfc3339("2024-05-01T14:00:00+02:00"), 1'714'564'800'000'000'000);
  EXPECT_EQ(parse_rfc3339("2024-05-01T06:30:00-05:30"), 1'714'564'800'000'000'000);
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.0000000019Z"), 1);
}

TEST(Rfc3339Test, RefusesEverythingElse) {
  for (const char* text : {"", "2024", "2024-02-30T00:00:00Z", "2024-05-01T24:00:00Z",
                           "2024-05-01T12:00:00", "2024-05-01T12:00:00.Z", "2024-05-01T12:00:00ZZ",
                           "9999-01-01T00:00:00Z", "2024-05-01T12:00:00+2:00"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace dhow
