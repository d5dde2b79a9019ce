// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.h"

#include <gtest/gtest.h>
#include <set>

#include "cli/command.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr Flag kFlags[] = {
    {"interactive", kBool, 'i'},
    {"tty", kBool, 't'},
    {"publish", kList, 'p'},
    {"name", kString},
    {"tail", kInt, 'n'},
    {"memory", kBytes, 'm'},
    {"filter", kFilter, 'f'},
    {"attach", kAttach, 'a'},
    {"sig-proxy", kBool},
    {"health-timeout", kDuration},
    {"cpus", kCpus},
};

Result<Arguments> parse(std::vector<std::string_view> words, bool stop = false) {
  // Arguments are views: the words are literals.
  return parse_arguments({std::span<const Flag>(kFlags), {}, {}}, words, stop);
}

std::string fault(std::vector<std::string_view> words) {
  auto parsed = parse(std::move(words));
  return parsed ? "" : parsed.error().message();
}

TEST(CliFlagsTest, TakesEverySpelling) {
  auto parsed = parse({"-itp80:80", "-p", "81:81", "--publish=82:82", "--name", "x", "-n=5",
                       "--sig-proxy=false", "a", "-m", "1g", "--", "-z"});
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message();
  EXPECT_TRUE(parsed->boolean("interactive"));
  EXPECT_TRUE(parsed->boolean("tty"));
  EXPECT_FALSE(parsed->boolean("sig-proxy", true));
  EXPECT_EQ(parsed->list("publish"), (std::vector<std::string_view>{"80:80", "81:81", "82:82"}));
  EXPECT_EQ(parsed->string("name"), "x");
  EXPECT_EQ(parsed->integer("tail"), 5);
  EXPECT_EQ(parsed->bytes("memory"), 1 << 30);
  EXPECT_EQ(parsed->positionals(), (std::vector<std::string_view>{"a", "-z"}));
}

TEST(CliFlagsTest, EndsAtTheCommandOfARun) {
  auto parsed = parse({"-i", "image", "-t", "--name"}, true);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_FALSE(parsed->boolean("tty"));
  EXPECT_EQ(parsed->positionals(), (std::vector<std::string_view>{"image", "-t", "--name"}));
}

TEST(CliFlagsTest, FaultsAreInPflagsWords) {
  EXPECT_EQ(fault({"--foo"}), "unknown flag: --foo");
  EXPECT_EQ(fault({"-ix"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(fault({"--name"}), "flag needs an argument: --name");
  EXPECT_EQ(fault({"-n"}), "flag needs an argument: 'n' in -n");
  EXPECT_EQ(fault({"-m", "foo"}),
            "invalid argument \"foo\" for \"-m, --memory\" flag: invalid size: 'foo'");
  EXPECT_EQ(fault({"-f", "foo"}),
            "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected "
            "name=value)");
  EXPECT_EQ(fault({"-a", "foo"}),
            "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT "
            "and STDERR");
  EXPECT_EQ(fault({"--cpus", "x"}),
            "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number");
  EXPECT_EQ(fault({"-n", "x"}),
            "invalid argument \"x\" for \"-n, --tail\" flag: strconv.ParseInt: parsing \"x\": "
            "invalid syntax");
  EXPECT_EQ(fault({"-i=maybe"}),
            "invalid argument \"maybe\" for \"-i, --interactive\" flag: strconv.ParseBool: parsing "
            "\"maybe\": invalid syntax");
}

TEST(CliFlagsTest, SizesAndTimesAreDockers) {
  EXPECT_EQ(parse_bytes("512m"), 512 << 20);
  EXPECT_EQ(parse_bytes("1.5kB"), 1536);
  EXPECT_EQ(parse_bytes("2 GiB"), std::int64_t{2} << 30);
  EXPECT_EQ(parse_bytes("-1"), -1);
  EXPECT_EQ(parse_bytes("100"), 100);
  for (const char* bad : {"", "m", "1x", "1mm", "99999999999999999999p"})
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  EXPECT_EQ(parse_go_duration("1m30s"), 90'000'000'000);
  EXPECT_EQ(parse_go_duration("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(parse_go_duration("10ms"), 10'000'000);
  EXPECT_EQ(parse_go_duration("0"), 0);
  for (const char* bad : {"", "1", "s", "1x"}) EXPECT_FALSE(parse_go_duration(bad)) << bad;
  EXPECT_EQ(parse_cpus("1.5"), 1'500'000'000);
  EXPECT_EQ(parse_cpus("1/2"), 500'000'000);
  EXPECT_FALSE(parse_cpus("1/0"));
}

// What completes the values must be known to completion.cc, names must be told apart.
TEST(CliTablesTest, NamesAreGivenOnce) {
  std::set<std::string_view> names;
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      std::string_view rest = command.names;
      while (!rest.empty()) {
        std::size_t bar = rest.find('|');
        EXPECT_TRUE(names.insert(rest.substr(0, bar)).second) << rest.substr(0, bar);
        rest = bar == std::string_view::npos ? "" : rest.substr(bar + 1);
      }
      EXPECT_NE(command.handler, nullptr) << command.names;
      std::set<std::string_view> flags;
      std::set<char> letters;
      for (std::span<const Flag> group : flags_of(command)) {
        for (const Flag& flag : group) {
          EXPECT_TRUE(flags.insert(flag.name).second) << command.names << " --" << flag.name;
          if (flag.short_name != 0) {
            EXPECT_TRUE(letters.insert(flag.short_name).second)
                << command.names << " -" << flag.short_name;
          }
          EXPECT_FALSE(flag.help.empty()) << command.names << " --" << flag.name;
        }
      }
    }
  }
}

TEST(CliTablesTest, TheLongestNameWins) {
  std::vector<std::string_view> words = {"container", "ls", "-a"};
  FoundCommand found = find_command(words);
  ASSERT_NE(found.command, nullptr);
  EXPECT_EQ(found.words, 2U);
  EXPECT_EQ(main_name(*found.command), "ps");
  EXPECT_EQ(find_command(std::vector<std::string_view>{"container"}).command, nullptr);
}

}  // namespace
}  // namespace dhow::cli
