// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/values.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::runtime::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ValuesTest, Durations) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(parse_duration("5s"), 5 * kSecond);
  EXPECT_EQ(parse_duration("1m30s"), 90 * kSecond);
  EXPECT_EQ(parse_duration("100ms"), kSecond / 10);
  EXPECT_EQ(parse_duration("1.5h"), 5400 * kSecond);
  EXPECT_EQ(parse_duration("-1s"), -kSecond);
  EXPECT_EQ(parse_duration("0"), 0);
  EXPECT_EQ(parse_duration("3us"), 3000);
  for (std::string_view bad : {"", "5", "s", "1x", "1s2", ".s", "99999999999h", "--1s", "1..2s"}) {
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  }
}

TEST(ValuesTest, Signals) {
  EXPECT_EQ(parse_signal("9").value(), 9);
  EXPECT_EQ(parse_signal("KILL").value(), SIGKILL);
  EXPECT_EQ(parse_signal("sigkill").value(), SIGKILL);
  EXPECT_EQ(parse_signal("SigUsr1").value(), SIGUSR1);
  EXPECT_EQ(parse_signal("RTMIN").value(), SIGRTMIN);
  EXPECT_EQ(parse_signal("rtmin+3").value(), SIGRTMIN + 3);
  EXPECT_EQ(parse_signal("SIGRTMAX-1").value(), SIGRTMAX - 1);
  EXPECT_EQ(parse_signal("").value(), SIGTERM);
  EXPECT_EQ(parse_signal("0").value(), 0);
  EXPECT_EQ(parse_signal("BOGUS").error().message(), "unknown signal \"BOGUS\"");
  for (std::string_view bad : {"SIG", "RTMIN+", "RTMIN+31", "RTMIN-1", "RTMAX+1", "9x", " 9"}) {
    EXPECT_FALSE(parse_signal(bad).has_value()) << bad;
  }
}

TEST(ValuesTest, UsersAreNumbersToTheEnd) {
  EXPECT_EQ(parse_user("1000")->uid, 1000u);
  EXPECT_EQ(parse_user("1000")->gid, std::nullopt);
  EXPECT_EQ(parse_user("0:5")->gid, 5u);
  for (std::string_view bad : {"", "root", "1000x", "-1", "+1", " 1", "1:", ":1", "1:x", "1:2:3",
                               "4294967295", "4294967296", "0x10", "1 "}) {
    EXPECT_FALSE(parse_user(bad).has_value()) << bad;
  }
}

TEST(ValuesTest, CgroupPaths) {
  EXPECT_THAT(parse_cgroups({"sub"}).value(), ElementsAre(Pair("", "sub")));
  EXPECT_THAT(parse_cgroups({"cpu,memory:/a", "pids:b"}).value(),
              ElementsAre(Pair("cpu", "/a"), Pair("memory", "/a"), Pair("pids", "b")));
  EXPECT_THAT(parse_cgroups({"cpu:a", "b"}).error().message(),
              HasSubstr("missing <controller>: prefix"));
  EXPECT_FALSE(parse_cgroups({"cpu:a", "cpu:b"}).has_value());
  EXPECT_FALSE(parse_cgroups({":a"}).has_value());
}

}  // namespace
}  // namespace dhow::runtime::cli
