// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <gtest/gtest.h>

#include "cli/help.h"
#include "cli/output_verbs.h"
#include "cli/progress.h"
#include "cli/terminal.h"

namespace dhow::cli {
namespace {

TEST(UnitsTest, SizesAreDockers) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(1981624, 3), "1.98MB");
  EXPECT_EQ(human_size(1981624), "1.982MB");
  EXPECT_EQ(human_size(999), "999B");
  EXPECT_EQ(human_size(12'345'678'901.0, 3), "12.3GB");
  EXPECT_EQ(binary_size(577'536), "564KiB");
  EXPECT_EQ(binary_size(25'275'886'592.0), "23.54GiB");
}

TEST(UnitsTest, AgesAreDockers) {
  EXPECT_EQ(human_duration(0), "Less than a second");
  EXPECT_EQ(human_duration(1), "1 second");
  EXPECT_EQ(human_duration(59), "59 seconds");
  EXPECT_EQ(human_duration(60), "About a minute");
  EXPECT_EQ(human_duration(180), "3 minutes");
  EXPECT_EQ(human_duration(3600), "About an hour");
  EXPECT_EQ(human_duration(2 * 86400), "2 days");
  EXPECT_EQ(human_duration(21 * 86400), "3 weeks");
  EXPECT_EQ(human_duration(90 * 86400), "3 months");
  EXPECT_EQ(human_duration(800 * 86400), "2 years");
}

TEST(UnitsTest, TimesAreReadAndWritten) {
  std::int64_t nanoseconds = 0;
  EXPECT_EQ(parse_rfc3339("2026-11-22T19:54:35.25Z", &nanoseconds), 1795377275);
  EXPECT_EQ(nanoseconds, 250'000'000);
  EXPECT_EQ(parse_rfc3339("2026-11-22T21:54:35+02:00"), 1795377275);
  EXPECT_FALSE(parse_rfc3339("yesterday"));
  EXPECT_EQ(api_time("1795377275.5").value(), "1795377275.5");
  EXPECT_EQ(api_time("2026-11-22T19:54:35Z").value(), "1795377275.000000000");
  EXPECT_EQ(api_time("").value(), "");
  EXPECT_EQ(api_time("rubbish").error().message(),
            "failed to parse value as time or duration: \"rubbish\"");
}

TEST(UnitsTest, TextsAreCutAtCharacters) {
  EXPECT_EQ(ellipsis("short", 5), "short");
  EXPECT_EQ(ellipsis("longer", 5), "long…");
  EXPECT_EQ(ellipsis("äöüß€x", 3), "äö…");
  EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789ab");
  EXPECT_EQ(go_quoted("a\"b\n"), "\"a\\\"b\\n\"");
}

TEST(RowsTest, ColumnsAreAligned) {
  EXPECT_EQ(align_columns("A\tB\nlonger than ten\tx\n"),
            "A                 B\nlonger than ten   x\n");
  EXPECT_EQ(align_columns("A\tB"), "A         B\n");
}

std::string ports(std::string_view json) {
  auto document = oci::JsonDocument::parse(json);
  return ports_text(document->root());
}

TEST(RowsTest, PortsAreGrouped) {
  EXPECT_EQ(
      ports(
          R"([{"PrivatePort":80,"Type":"tcp"},{"PrivatePort":81,"Type":"tcp"},{"PrivatePort":90,"Type":"tcp"}])"),
      "80-81/tcp, 90/tcp");
  EXPECT_EQ(
      ports(
          R"([{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])"),
      "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
  EXPECT_EQ(
      ports(
          R"([{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":80,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":81,"PublicPort":81,"Type":"tcp"}])"),
      "0.0.0.0:80-81->80-81/tcp");
}

TEST(InspectTest, JsonIsIndentedAndOtherwiseKept) {
  EXPECT_EQ(indented_json(R"({"a":[1, 2.50],"b":{},"c":"x:\"{,"})", "", "  "),
            "{\n  \"a\": [\n    1,\n    2.50\n  ],\n  \"b\": {},\n  \"c\": \"x:\\\"{,\"\n}");
}

TEST(InspectTest, TheRunCommandMakesTheContainerAgain) {
  auto container = oci::JsonDocument::parse(R"({"Id":"0123456789abcdef","Name":"/web",
    "Config":{"Hostname":"0123456789ab","Env":["PATH=/bin","A=b c"],"Cmd":["sh","-c","echo $HOME"],"Image":"bb:1","Labels":{"k":"v"}},
    "HostConfig":{"AutoRemove":true,"NetworkMode":"none","Binds":["/a:/b:ro"],"Memory":1048576,"MemorySwap":2097152,"NanoCpus":1500000000,
      "PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"CapAdd":["NET_ADMIN"],"RestartPolicy":{"Name":"no"},"ShmSize":67108864}})");
  auto image = oci::JsonDocument::parse(R"({"Config":{"Env":["PATH=/bin"]}})");
  EXPECT_EQ(
      *run_command_text("dhow", container->root(), image->root()),
      "dhow run -d --name=web --env='A=b c' --label=k=v --rm --network=none --publish=8080:80/tcp "
      "--volume=/a:/b:ro --memory=1048576 --cpus=1.5 --cap-add=NET_ADMIN bb:1 sh -c 'echo $HOME'");
}

TEST(ProgressTest, BarsFitTheTerminal) {
  EXPECT_EQ(progress_bar(0, 0, 120), "");
  EXPECT_EQ(progress_bar(1500, 0, 120), "1.5kB");
  EXPECT_EQ(progress_bar(1500, 3000, 80), "1.5kB/3kB");
  EXPECT_EQ(progress_bar(1500, 3000, 120),
            "[=========================>                        ]  1.5kB/3kB");
}

TEST(DetachKeysTest, AreFoundInWhatIsTyped) {
  DetachKeys keys(*parse_detach_keys(""));
  std::string output;
  EXPECT_FALSE(keys.filter("ab\x10", output));
  EXPECT_EQ(output, "ab");
  EXPECT_FALSE(keys.filter("c", output));
  EXPECT_EQ(output,
            "ab\x10"
            "c");
  EXPECT_TRUE(keys.filter("\x10\x11", output));
  EXPECT_EQ(*parse_detach_keys("ctrl-a,x,ctrl-@"), std::string("\1x\0", 3));
  EXPECT_FALSE(parse_detach_keys("ctrl-").has_value());
}

TEST(HelpTest, EveryCommandHasItsPageAndItsCompletion) {
  std::string page = program_page();
  for (std::string_view shell : {"bash", "zsh", "fish"})
    EXPECT_FALSE(completion_script(shell).empty()) << shell;
  std::string bash = completion_script("bash");
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      if (command.hidden) continue;
      EXPECT_NE(page.find("\n.B " + std::string(main_name(command)) + "\n"), std::string::npos)
          << command.names;
      EXPECT_NE(bash.find("\"" + std::string(main_name(command)) + "\")"), std::string::npos)
          << command.names;
      std::string help = command_help("dhow", command);
      for (const Flag& flag : command.flags) {
        if (flag.hidden) continue;
        std::string name = "--" + std::string(flag.name);
        EXPECT_NE(help.find(name), std::string::npos) << command.names << " " << name;
        EXPECT_NE(bash.find(name), std::string::npos) << name;
      }
    }
  }
}

}  // namespace
}  // namespace dhow::cli
