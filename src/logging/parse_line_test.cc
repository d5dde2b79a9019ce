// SPDX-License-Identifier: Apache-2.0
#include "logging/parse_line.h"

#include <gmock/gmock.h>
#include <string>

#include "logging/time_text.h"

namespace dhow::logging {
namespace {

TEST(TimeText, WritesAsGo) {
  TimeWriter writer;
  std::string text;
  writer.append(text, 1'700'000'000'120'000'000, Fraction::kShort);
  EXPECT_EQ(text, "2023-11-14T22:13:20.12Z");
  text.clear();
  writer.append(text, 1'700'000'000'000'000'000, Fraction::kShort);
  EXPECT_EQ(text, "2023-11-14T22:13:20Z");
  text.clear();
  writer.append(text, 1'709'164'799'000'000'001, Fraction::kNine);
  EXPECT_EQ(text, "2024-02-28T23:59:59.000000001Z");
  text.clear();
  writer.append(text, 1'709'164'800'000'000'000, Fraction::kNine);
  EXPECT_EQ(text, "2024-02-29T00:00:00.000000000Z");
}

TEST(TimeText, ReadsWhatItWrites) {
  TimeWriter writer;
  for (std::int64_t time = -8'000'000'000'000'000'000; time < 8'000'000'000'000'000'000;
       time += 12'345'678'901'234'567) {
    std::string text;
    writer.append(text, time, Fraction::kShort);
    EXPECT_EQ(parse_time(text), time) << text;
  }
}

TEST(TimeText, ReadsOffsets) {
  EXPECT_EQ(parse_time("1970-01-01T01:00:00.5+01:00"), 500'000'000);
  EXPECT_EQ(parse_time("1969-12-31T23:00:00-01:00"), 0);
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const char* text : {"", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z",
                           "1970-02-29T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00.Z",
                           "1970-01-01T00:00:00Zx", "9999-01-01T00:00:00Z"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(ParseJsonLine, TakesDockersLines) {
  auto line = parse_json_line(
      R"({"log":"a\u003cb\u003e \"q\" \ud83d\ude00\n","stream":"stderr","attrs":{"a":"}","b":[1]},)"
      R"("time":"1970-01-01T00:00:01.5Z"})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->text, "a<b> \"q\" \xF0\x9F\x98\x80\n");
  EXPECT_EQ(line->stream, Stream::kStderr);
  EXPECT_EQ(line->attrs, R"({"a":"}","b":[1]})");
  EXPECT_EQ(line->time_ns, 1'500'000'000);
}

TEST(ParseJsonLine, SkipsMembersThatItDoesNotKnow) {
  EXPECT_TRUE(parse_json_line(
      R"({"x":{"y":"}"},"n":1,"log":"a","stream":"stdout","time":"1970-01-01T00:00:00Z"})"));
}

TEST(ParseJsonLine, RefusesWhatIsNone) {
  for (const char* text :
       {"", "{", "{}", R"({"log":"a"})", R"({"log":"a","stream":"stdout","time":"x"})",
        R"({"log":"a","stream":"other","time":"1970-01-01T00:00:00Z"})",
        R"({"log":"a","stream":"stdout","time":"1970-01-01T00:00:00Z")",
        R"({"log":"a\x","stream":"stdout","time":"1970-01-01T00:00:00Z"})",
        R"({"log":"a","stream":"stdout","time":"1970-01-01T00:00:00Z"}x)"}) {
    EXPECT_FALSE(parse_json_line(text)) << text;
  }
}

TEST(ParseCriLine, TakesWholeLinesAndPieces) {
  auto whole = parse_cri_line("1970-01-01T00:00:01Z stdout F a line");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->text, "a line\n");
  EXPECT_EQ(whole->time_ns, 1'000'000'000);
  auto piece = parse_cri_line("1970-01-01T00:00:01Z stderr P:x ");
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->text, "");
  EXPECT_EQ(piece->stream, Stream::kStderr);
}

TEST(ParseCriLine, RefusesWhatIsNone) {
  for (const char* text : {"", "1970-01-01T00:00:01Z", "1970-01-01T00:00:01Z stdout F",
                           "1970-01-01T00:00:01Z stdin F x", "1970-01-01T00:00:01Z stdout Q x",
                           "yesterday stdout F x"}) {
    EXPECT_FALSE(parse_cri_line(text)) << text;
  }
}

}  // namespace
}  // namespace dhow::logging
