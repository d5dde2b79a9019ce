// SPDX-License-Identifier: Apache-2.0
#include "bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Series series(const char* contender, long wall_ns) {
  return {.contender = contender, .samples = {{.wall_ns = wall_ns}}, .error = {}};
}

Report sample_report(long ours_ns) {
  Report report;
  report.contenders = {{.name = "dhow", .program = {}, .version = {}, .size_bytes = 1 << 20},
                       {.name = "crun", .program = {}, .version = {}}};
  report.cases = {{.key = "run",
                   .title = "run",
                   .series = {series("dhow", ours_ns), series("crun", 10'000'000)}}};
  return report;
}

TEST(Check, ComparesMediansWithTheTargets) {
  EXPECT_THAT(check_targets(sample_report(6'000'000)),
              HasSubstr("- holds: run takes at most 0.6 of crun's time (0.60)"));
  EXPECT_THAT(check_targets(sample_report(6'100'000)),
              HasSubstr("- does not hold: run takes at most 0.6 of crun's time (0.61)"));
}

TEST(Check, SaysWhatWasNotMeasured) {
  const std::string text = check_targets(sample_report(1));
  EXPECT_THAT(text, HasSubstr("- not measured: run takes at most 0.2 of runc's time"));
  EXPECT_THAT(text, HasSubstr("- not measured: exec takes at most 0.6 of crun's time"));
}

TEST(Check, DoesNotCountAFailedSeries) {
  Report report = sample_report(1'000'000);
  report.cases[0].series[0].error = "broken";
  EXPECT_THAT(check_targets(report),
              HasSubstr("- not measured: run takes at most 0.6 of crun's time"));
}

TEST(Markdown, ShowsTheRatioToEveryRuntime) {
  EXPECT_THAT(to_markdown(sample_report(5'000'000)),
              HasSubstr("| run | dhow | 5.00 | 5.00 | 5.00 | 0.00 | 0 | 1.00 | 0.50 |\n"));
}

TEST(Markdown, ShowsAFailedSeriesWithItsReason) {
  Report report = sample_report(5'000'000);
  report.cases[0].series[0].error = "no such command";
  const std::string text = to_markdown(report);
  EXPECT_THAT(text, HasSubstr("| run | dhow | failed |\n"));
  EXPECT_THAT(text, HasSubstr("- run, dhow: no such command\n"));
  EXPECT_THAT(text, HasSubstr("| run | crun | 10.00 | 10.00 | 10.00 | 0.00 | 0 | – | 1.00 |\n"));
}

TEST(Markdown, ComparesManyMountsWithFew) {
  Report report = sample_report(1);
  report.cases = {{.key = "mounts-0", .title = "few", .series = {series("dhow", 4'000'000)}},
                  {.key = "mounts-2000", .title = "many", .series = {series("dhow", 5'000'000)}}};
  EXPECT_THAT(to_markdown(report), HasSubstr("| dhow | 1.25 | 1.00 | 0.00 |\n"));
}

TEST(Json, EscapesTexts) {
  Report report = sample_report(1);
  report.environment.command = "a \"b\"\\\n\x01";
  const std::string text = to_json(report);
  EXPECT_THAT(text, HasSubstr(R"("command":"a \"b\"\\\u000a\u0001")"));
  EXPECT_THAT(text, Not(HasSubstr("\x01")));
}

}  // namespace
}  // namespace dhow::bench
