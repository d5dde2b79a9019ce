// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/app.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/cli/testing/cli_fixture.h"

namespace dhow::runtime::cli {
namespace {

using ::testing::ElementsAre;
using testing::fake;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using testing::run_cli;
using ::testing::StartsWith;

class AppTest : public testing::CliTest {};

// One call and what must come of it.
struct Case {
  std::vector<std::string_view> line;
  int code;
  std::string_view err;  // the whole standard error
};

void expect_cases(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    fake().calls.clear();
    Outcome outcome = run_cli(each.line);
    std::string words;
    for (std::string_view word : each.line) words += cat(word, " ");
    EXPECT_EQ(outcome.code, each.code) << words;
    EXPECT_EQ(outcome.err, each.err) << words;
    EXPECT_THAT(fake().calls, IsEmpty()) << words;
  }
}

TEST_F(AppTest, UsageErrorsAsRunc) {
  expect_cases({
      {{"runc", "--bogus"},
       1,
       "time=\"T\" level=error msg=\"flag provided but not defined: -bogus\"\n"},
      {{"runc", "-no-subreaper"},
       1,
       "time=\"T\" level=error msg=\"flag provided but not defined: -no-subreaper\"\n"},
      {{"runc", "bogus"}, 3, "time=\"T\" level=error msg=\"No help topic for 'bogus'\"\n"},
      {{"runc", "help", "bogus"}, 3, "time=\"T\" level=error msg=\"No help topic for 'bogus'\"\n"},
      {{"runc", "--root"}, 1, "time=\"T\" level=error msg=\"flag needs an argument: -root\"\n"},
      {{"runc", "create", "--bundle"},
       1,
       "time=\"T\" level=error msg=\"flag needs an argument: -bundle\"\n"},
      {{"runc", "restore", "--lsm-mount-context"},
       1,
       "time=\"T\" level=error msg=\"flag needs an argument: -lsm-mount-context\"\n"},
      {{"runc", "exec", "--preserve-fds", "x", "c1", "true"},
       1,
       "time=\"T\" level=error msg=\"invalid value \\\"x\\\" for flag -preserve-fds: parse "
       "error\"\n"},
      {{"/usr/sbin/runc", "ps"},
       1,
       "time=\"T\" level=error msg=\"/usr/sbin/runc: \\\"ps\\\" requires a minimum of 1 "
       "argument(s)\"\n"},
      {{"runc", "kill", "a", "b", "c"},
       1,
       "time=\"T\" level=error msg=\"runc: \\\"kill\\\" requires a maximum of 2 argument(s)\"\n"},
      {{"runc", "spec", "x"},
       1,
       "time=\"T\" level=error msg=\"runc: \\\"spec\\\" requires exactly 0 argument(s)\"\n"},
      {{"runc", "--log-format", "xml", "list"},
       1,
       "time=\"T\" level=error msg=\"invalid log-format: xml\"\n"},
      {{"runc", "--root", "/", "list"},
       1,
       "time=\"T\" level=error msg=\"root folder \\\"/\\\" is not allowed\"\n"},
      {{"runc", "--root=", "list"},
       1,
       "time=\"T\" level=error msg=\"root folder \\\"\\\" is not allowed\"\n"},
      {{"runc", "--rootless", "maybe", "list"},
       1,
       "time=\"T\" level=error msg=\"invalid value \\\"maybe\\\" for flag -rootless: parse "
       "error\"\n"},
      {{"runc", "--log", "/nonexistent/dir/log", "list"},
       1,
       "time=\"T\" level=error msg=\"open \\\"/nonexistent/dir/log\\\": no such file or "
       "directory\"\n"},
  });
}

TEST_F(AppTest, UsageErrorsAsCrun) {
  expect_cases({
      {{"crun"}, 1, "please specify a command\n"},
      {{"crun", "bogus"}, 1, "unknown command bogus\n"},
      {{"crun", "help"}, 1, "unknown command help\n"},
      {{"/usr/bin/crun", "--bogus"},
       64,
       "/usr/bin/crun: unrecognized option '--bogus'\n"
       "Try `crun --help' or `crun --usage' for more information.\n"},
      {{"crun", "run", "-x", "y"},
       64,
       "run: invalid option -- 'x'\nTry `run --help' or `run --usage' for more information.\n"},
      {{"crun", "exec", "--user"},
       64,
       "exec: option '--user' requires an argument\n"
       "Try `exec --help' or `exec --usage' for more information.\n"},
      {{"crun", "restore", "--lsm-mount-context"},
       64,
       "restore: option '--lsm-mount-context' requires an argument\n"
       "Try `restore --help' or `restore --usage' for more information.\n"},
      {{"crun", "state"}, 1, "please specify a ID for the container\n"},
      {{"/usr/bin/crun", "state", "a", "b"},
       1,
       "/usr/bin/crun: `state` requires a maximum of 1 arguments\n"},
      {{"crun", "ps", "a", "aux"}, 1, "crun: `ps` requires a maximum of 1 arguments\n"},
      {{"crun", "exec", "c1"}, 1, "`exec` requires a minimum of 2 arguments\n"},
      {{"crun", "list", "-f", "xml"}, 1, "invalid format `xml`\n"},
      {{"crun", "--log-format", "xml", "list"}, 1, "unknown log format type xml\n"},
      {{"crun", "--cgroup-manager", "x", "list"}, 1, "unknown cgroup manager specified\n"},
      {{"crun", "--log-level", "x", "list"}, 1, "unknown log level \"x\"\n"},
  });
}

TEST_F(AppTest, UsageErrorsShowTheHelpOfTheCommand) {
  EXPECT_THAT(run_cli({"runc", "list", "-f"}).out,
              StartsWith("Incorrect Usage: flag needs an argument: -f\n\nNAME:\n   runc list - "));
  EXPECT_THAT(run_cli({"runc", "pause"}).out,
              StartsWith("Incorrect Usage.\n\nNAME:\n   runc pause - "));
  EXPECT_THAT(
      run_cli({"runc", "--x"}).out,
      StartsWith("Incorrect Usage. flag provided but not defined: -x\n\nNAME:\n   runc - "));
}

TEST_F(AppTest, HelpListsEveryFlagOfEveryTable) {
  for (std::string_view name : {"runc", "crun", "dhow-runtime"}) {
    std::string program = run_cli({name, "--help"}).out;
    for (const Flag& flag : global_flags()) {
      EXPECT_EQ(program.find(cat("--", flag.name, " ")) != std::string::npos ||
                    program.find(cat("--", flag.name, ",")) != std::string::npos,
                !flag.hidden)
          << flag.name;
    }
    for (const Command& command : commands()) {
      EXPECT_THAT(program, HasSubstr(cat("   ", command.name, " ")));
      Outcome outcome = run_cli({name, command.name, "--help"});
      EXPECT_EQ(outcome.code, 0);
      EXPECT_THAT(outcome.err, IsEmpty());
      EXPECT_EQ(run_cli({name, command.name, "-h"}).out, outcome.out);
      EXPECT_THAT(outcome.out, HasSubstr(cat(command.name, " [options]")));
      for (std::span<const Flag> flags : {command.flags, command.shared_flags}) {
        for (const Flag& flag : flags) {
          EXPECT_FALSE(flag.help.empty()) << flag.name;
          EXPECT_EQ(flag.value_name.empty(), flag.kind == FlagKind::kBool) << flag.name;
          EXPECT_EQ(outcome.out.find(cat("   --", flag.name)) != std::string::npos, !flag.hidden)
              << command.name << " " << flag.name;
        }
      }
    }
  }
}

TEST_F(AppTest, NoFlagIsTwiceInForce) {
  for (const Command& command : commands()) {
    std::vector<const Flag*> seen;
    for (std::span<const Flag> flags : {command.flags, command.shared_flags, help_flags()}) {
      for (const Flag& flag : flags) {
        for (const Flag* other : seen) {
          EXPECT_NE(flag.name, other->name) << command.name;
          EXPECT_TRUE(flag.short_name == 0 || flag.short_name != other->short_name)
              << command.name << " " << flag.name;
        }
        seen.push_back(&flag);
      }
    }
  }
}

TEST_F(AppTest, OtherWaysToAskForHelp) {
  EXPECT_EQ(run_cli({"runc"}).out, run_cli({"runc", "--help"}).out);
  EXPECT_EQ(run_cli({"runc", "help"}).out, run_cli({"runc", "-h"}).out);
  EXPECT_EQ(run_cli({"runc", "help", "exec"}).out, run_cli({"runc", "exec", "--help"}).out);
  EXPECT_EQ(run_cli({"crun", "-?"}).out, run_cli({"crun", "--help"}).out);
  EXPECT_THAT(run_cli({"crun", "run", "--usage"}).out,
              StartsWith("Usage: crun run [--bundle=DIR]"));
}

TEST_F(AppTest, VersionLines) {
  constexpr std::string_view kVersion = DHOW_VERSION;
  EXPECT_THAT(run_cli({"dhow-runtime", "--version"}).out,
              StartsWith(cat("dhow-runtime version ", kVersion, "\ncommit: ")));
  std::string runc = run_cli({"/usr/sbin/runc", "-v"}).out;
  EXPECT_THAT(runc, StartsWith(cat("runc version 1.4.0+dhow-", kVersion, "\ncommit: ")));
  EXPECT_THAT(runc, HasSubstr("\nspec: 1.3.0\n"));
  std::string crun = run_cli({"crun", "--root", "/run/x", "-V"}).out;
  EXPECT_THAT(crun, StartsWith(cat("crun version 1.29+dhow-", kVersion, "\ncommit: ")));
  EXPECT_THAT(crun, HasSubstr("\nrundir: /run/x\nspec: 1.3.0\n+SYSTEMD"));
  EXPECT_THAT(crun, Not(HasSubstr("+YAJL")));
}

TEST_F(AppTest, TheNameOfTheProgramDecidesWhoAnswers) {
  struct {
    std::string_view argv0, name;
  } kNames[] = {{"/usr/bin/runc", "runc"},
                {"runc-dhow", "runc"},
                {"crun", "crun"},
                {"/x/crun-wasm", "crun"},
                {"krun", "crun"},
                {"dhow", "dhow-runtime"},
                {"/runc/x", "dhow-runtime"},
                {"dhow-runtime", "dhow-runtime"}};
  for (const auto& each : kNames) {
    EXPECT_EQ(run_cli({each.argv0, "start", "c1"}).code, 0);
    EXPECT_EQ(fake().context.program_name, each.name) << each.argv0;
    if (geteuid() == 0) {
      EXPECT_EQ(fake().context.root, cat("/run/", each.name)) << each.argv0;
    }
  }
}

TEST_F(AppTest, UsersHaveTheirStateInTheirRuntimeFolder) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", folder_path("").c_str(), 1), 0);
  ASSERT_EQ(chown(folder_path("").c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(seteuid(kNobody), 0);
  Outcome outcome = run_cli({"runc", "start", "c1"});
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(fake().context.root, folder_path("/runc"));
  struct stat info{};
  ASSERT_EQ(stat("runc", &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01700u);
}

TEST_F(AppTest, GlobalOptionsReachTheContext) {
  run_cli({"runc", "start", "c1"});
  EXPECT_FALSE(fake().context.debug);
  EXPECT_EQ(fake().context.rootless, std::nullopt);
  EXPECT_EQ(fake().context.cgroup_manager, cgroup::ManagerKind::kCgroupfs);
  run_cli({"runc", "--debug", "--systemd-cgroup", "--rootless=true", "--root", "x/", "--criu", "c",
           "start", "c1"});
  EXPECT_TRUE(fake().context.debug);
  EXPECT_EQ(fake().context.rootless, true);
  EXPECT_EQ(fake().context.cgroup_manager, cgroup::ManagerKind::kSystemd);
  EXPECT_EQ(fake().context.root, folder_path("x"));
  run_cli({"crun", "--cgroup-manager=disabled", "--rootless", "whatever", "start", "c1"});
  EXPECT_EQ(fake().context.cgroup_manager, cgroup::ManagerKind::kDisabled);
  EXPECT_EQ(fake().context.rootless, std::nullopt);
  run_cli({"runc", "--rootless", "false", "start", "c1"});
  EXPECT_EQ(fake().context.rootless, false);
}

TEST_F(AppTest, FailuresOfTheRuntimeAsRunc) {
  fake().failure = Error(Code::kNotFound, "container does not exist");
  Outcome outcome = run_cli({"runc", "start", "c1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "time=\"T\" level=error msg=\"container does not exist\"\n");
  outcome = run_cli({"runc", "exec", "c1", "true"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_EQ(outcome.err, "time=\"T\" level=error msg=\"exec failed: container does not exist\"\n");
  outcome = run_cli({"dhow-runtime", "run", "c1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err,
            "time=\"T\" level=error msg=\"dhow-runtime run failed: container does not exist\"\n");
  EXPECT_EQ(run_cli({"runc", "create", "c1"}).err,
            "time=\"T\" level=error msg=\"runc create failed: container does not exist\"\n");
  EXPECT_EQ(run_cli({"runc", "state", "../x"}).err,
            "time=\"T\" level=error msg=\"invalid container ID format\"\n");
}

TEST_F(AppTest, FailuresOfTheRuntimeAsCrun) {
  fake().failure = Error(Code::kNotFound, "container does not exist");
  Outcome outcome = run_cli({"crun", "create", "c1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "container does not exist\n");
  EXPECT_EQ(run_cli({"crun", "exec", "c1", "true"}).code, 1);
  fake().containers = {testing::container("c1", ContainerStatus::kRunning, 7)};
  EXPECT_EQ(run_cli({"crun", "exec", "c1", "true"}).code, 255);
}

TEST_F(AppTest, ForegroundProcessesGiveTheirExitCode) {
  fake().exit_code = 137;
  EXPECT_EQ(run_cli({"runc", "run", "c1"}).code, 137);
  EXPECT_EQ(run_cli({"runc", "exec", "c1", "x"}).code, 137);
  EXPECT_EQ(run_cli({"runc", "restore", "c1"}).code, 137);
}

}  // namespace
}  // namespace dhow::runtime::cli
