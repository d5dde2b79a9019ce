// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <cstdint>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace dhow {
namespace {

using testing::ElementsAre;

TEST(Cat, PutsTextsAndNumbersTogether) {
  std::string name = "x";
  EXPECT_EQ(cat("pid ", 7, ": ", name, ' ', std::string_view("view")), "pid 7: x view");
  EXPECT_EQ(cat(), "");
  EXPECT_EQ(cat("", std::string(), std::string_view()), "");
  EXPECT_EQ(cat('\0').size(), 1U);
}

TEST(Cat, HoldsTheGreatestNumbers) {
  EXPECT_EQ(cat(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(cat(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(cat(std::uint8_t{65}), "65") << "a small number is no character";
}

TEST(Quoted, EscapesWhatWouldBreakALine) {
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("a b"), "\"a b\"");
  EXPECT_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quoted("a\nb\tc\rd"), R"("a\nb\tc\x0dd")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), R"("\x00\x1f\x7f")");
  EXPECT_EQ(quoted("\xc3\xa9"), "\"\xc3\xa9\"");
}

TEST(HexText, HasTwoDigitsAByte) {
  EXPECT_EQ(hex_text(std::string_view("\x00\x0f\xa5\xff", 4)), "000fa5ff");
  EXPECT_EQ(hex_text(""), "");
}

TEST(LowerText, ChangesLettersOfAsciiAlone) {
  EXPECT_EQ(lower_text("Az09@[`{\xc3\x84"), "az09@[`{\xc3\x84");
  EXPECT_EQ(upper_text("Az09@[`{\xc3\xa4"), "AZ09@[`{\xc3\xa4");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a", ','), ElementsAre("a"));
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split(",", ','), ElementsAre("", ""));
}

TEST(Join, PutsSeparatorsBetween) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "", "a"}, ", "), "a, , a");
}

TEST(Trim, TakesSpaceOffBothEnds) {
  EXPECT_EQ(trim(" \t\r\n\v\fa b\n"), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(ParseBool, TakesGosWordsAlone) {
  for (const char* yes : {"1", "t", "T", "true", "True", "TRUE"}) EXPECT_EQ(parse_bool(yes), true);
  for (const char* no : {"0", "f", "F", "false", "False", "FALSE"}) {
    EXPECT_EQ(parse_bool(no), false);
  }
  for (const char* neither : {"", "yes", "tRUE", "2", "true "}) {
    EXPECT_EQ(parse_bool(neither), std::nullopt);
  }
}

TEST(ParseNumber, TakesWholeNumbersAlone) {
  EXPECT_EQ(parse_number<int>("42"), 42);
  EXPECT_EQ(parse_number<int>("-42"), -42);
  EXPECT_EQ(parse_number<int>("007"), 7);
  EXPECT_EQ(parse_number<unsigned>("755", 8), 0755U);
  EXPECT_EQ(parse_number<unsigned>("fF", 16), 255U);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "0x10", "-", "1.0", "--1"}) {
    EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_number<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(parse_number<unsigned>("8", 8), std::nullopt);
  EXPECT_EQ(parse_number<int>(std::string_view()), std::nullopt);
  EXPECT_EQ(parse_number<int>(std::string_view("1\0", 2)), std::nullopt);
}

TEST(ParseNumber, RefusesWhatDoesNotFit) {
  EXPECT_EQ(parse_number<std::uint8_t>("255"), 255);
  EXPECT_EQ(parse_number<std::uint8_t>("256"), std::nullopt);
  EXPECT_EQ(parse_number<std::int64_t>("-9223372036854775808"),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_number<std::int64_t>("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551616"), std::nullopt);
}

}  // namespace
}  // namespace dhow
