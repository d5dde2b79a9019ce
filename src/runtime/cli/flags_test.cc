// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::runtime::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Flag kFlags[] = {
    {"bundle", FlagKind::kString, 'b'}, {"detach", FlagKind::kBool, 'd'},
    {"tty", FlagKind::kBool, 't'},      {"env", FlagKind::kList, 'e'},
    {"count", FlagKind::kInt},          {"interval", FlagKind::kDuration},
    {"no-subreaper", FlagKind::kBool},
};

std::expected<ParsedArguments, ParseFailure> parse(std::vector<std::string_view> arguments,
                                                   ParseOptions options = {}) {
  return parse_arguments({std::span<const Flag>(kFlags), {}, {}}, arguments, options);
}

std::string failure(std::vector<std::string_view> arguments, Style style) {
  auto parsed = parse(std::move(arguments), {.style = style});
  return parsed ? "no failure" : parsed.error().message(style);
}

TEST(FlagsTest, EverySpellingOfAValueIsTheSame) {
  for (std::vector<std::string_view> arguments : {std::vector<std::string_view>{"--bundle", "x"},
                                                  {"--bundle=x"},
                                                  {"-bundle", "x"},
                                                  {"-bundle=x"},
                                                  {"-b", "x"},
                                                  {"-b=x"},
                                                  {"--b", "x"}}) {
    auto parsed = parse(arguments);
    ASSERT_TRUE(parsed.has_value()) << arguments.front();
    EXPECT_EQ(parsed->string("bundle"), "x") << arguments.front();
    EXPECT_THAT(parsed->positionals(), IsEmpty());
  }
}

TEST(FlagsTest, SwitchesTakeAnExplicitValueOnlyAfterEquals) {
  EXPECT_TRUE(parse({"--detach"})->boolean("detach"));
  EXPECT_TRUE(parse({"-detach=true"})->boolean("detach"));
  EXPECT_FALSE(parse({"--detach=false"})->boolean("detach"));
  EXPECT_FALSE(parse({"-d", "-d=0"})->boolean("detach")) << "the last one counts";
  EXPECT_THAT(parse({"--detach", "false"})->positionals(), ElementsAre("false"));
  EXPECT_TRUE(parse({"-no-subreaper"})->boolean("no-subreaper"));
}

TEST(FlagsTest, LettersOfSwitchesMayBeBundled) {
  auto parsed = parse({"-dt", "id"});
  EXPECT_TRUE(parsed->boolean("detach") && parsed->boolean("tty"));
  EXPECT_EQ(failure({"-db"}, Style::kRunc), "flag provided but not defined: -db");
  EXPECT_EQ(failure({"-bogus"}, Style::kRunc), "flag provided but not defined: -bogus");
  auto stuck = parse({"-db/x"}, {.style = Style::kCrun});
  EXPECT_TRUE(stuck->boolean("detach"));
  EXPECT_EQ(stuck->string("bundle"), "/x");
}

TEST(FlagsTest, RepeatedValuesKeepTheirCommas) {
  EXPECT_THAT(parse({"-e", "A=1,2", "--env=B=3", "-e", ""})->list("env"),
              ElementsAre("A=1,2", "B=3", ""));
}

TEST(FlagsTest, WhereTheFlagsEnd) {
  EXPECT_THAT(parse({"a", "-d", "b"})->positionals(), ElementsAre("a", "b"));
  EXPECT_THAT(parse({"a", "-d", "-x"}, {.stop_at_positional = true})->positionals(),
              ElementsAre("a", "-d", "-x"));
  EXPECT_THAT(parse({"-d", "--", "-b", "--"})->positionals(), ElementsAre("-b", "--"));
  EXPECT_THAT(parse({"-", ""})->positionals(), ElementsAre("-", ""));
  EXPECT_EQ(parse({"--count", "-1"})->integer("count", 7), -1) << "a value may look like a flag";
  EXPECT_EQ(parse({"--bundle", "--"})->string("bundle"), "--");
}

TEST(FlagsTest, FailuresInTheWordsOfRunc) {
  EXPECT_EQ(failure({"--bogus=1"}, Style::kRunc), "flag provided but not defined: -bogus");
  EXPECT_EQ(failure({"--bundle"}, Style::kRunc), "flag needs an argument: -bundle");
  EXPECT_EQ(failure({"-b"}, Style::kRunc), "flag needs an argument: -b");
  EXPECT_EQ(failure({"--count", "x"}, Style::kRunc),
            "invalid value \"x\" for flag -count: parse error");
  EXPECT_EQ(failure({"--count="}, Style::kRunc), "invalid value \"\" for flag -count: parse error");
  EXPECT_EQ(failure({"--interval", "5"}, Style::kRunc),
            "invalid value \"5\" for flag -interval: parse error");
  EXPECT_EQ(failure({"--detach=maybe"}, Style::kRunc),
            "invalid value \"maybe\" for flag -detach: parse error");
  EXPECT_EQ(failure({"---x"}, Style::kRunc), "bad flag syntax: ---x");
  EXPECT_EQ(failure({"--=x"}, Style::kRunc), "bad flag syntax: --=x");
}

TEST(FlagsTest, FailuresInTheWordsOfCrun) {
  EXPECT_EQ(failure({"--bogus"}, Style::kCrun), "unrecognized option '--bogus'");
  EXPECT_EQ(failure({"-x"}, Style::kCrun), "invalid option -- 'x'");
  EXPECT_EQ(failure({"--bundle"}, Style::kCrun), "option '--bundle' requires an argument");
  EXPECT_EQ(failure({"-b"}, Style::kCrun), "option requires an argument -- 'b'");
  EXPECT_EQ(failure({"-db"}, Style::kCrun), "option requires an argument -- 'b'");
}

}  // namespace
}  // namespace dhow::runtime::cli
