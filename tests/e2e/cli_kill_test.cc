// SPDX-License-Identifier: Apache-2.0
// kill, delete, pause and resume, and what they answer when they can't.
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

bool prints(const Bundle& bundle, std::string_view text) {
  return eventually(
      [&] { return read_text(bundle.path() + "/out").find(text) != std::string::npos; });
}

class Signals : public testing::TestWithParam<std::pair<const char*, int>> {};

TEST_P(Signals, AreNumbersOrNamesOfAnyCase) {
  Bundle bundle({"/bin/testbox", "signal"});
  Container container(bundle);
  container.start_detached();
  ASSERT_TRUE(prints(bundle, "ready"));
  auto [name, number] = GetParam();
  Outcome outcome = container.call("kill", {}, {name});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(prints(bundle, "signal " + std::to_string(number) + "\n"))
      << read_text(bundle.path() + "/out");
}

INSTANTIATE_TEST_SUITE_P(Cli, Signals,
                         testing::Values(std::pair("10", 10), std::pair("USR2", 12),
                                         std::pair("SIGHUP", 1), std::pair("sigint", 2),
                                         std::pair("quit", 3), std::pair("RTMIN+1", 35)));

TEST(CliKill, DefaultIsTerm) {
  Bundle bundle({"/bin/testbox", "signal"});
  Container container(bundle);
  container.start_detached();
  ASSERT_TRUE(prints(bundle, "ready"));
  EXPECT_EQ(container.call("kill", {}, {"NOSUCH"}).code, 1);
  ASSERT_EQ(container.call("kill").code, 0);
  EXPECT_TRUE(prints(bundle, "signal 15\n"));
  ASSERT_TRUE(container.wait_for_status("stopped"));
  Outcome again = container.call("kill");
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("container not running"));
  EXPECT_EQ(container.call("kill", {"--all"}, {"KILL"}).code, 0);
}

// Without a pid namespace of their own, processes don't end with the first one.
TEST(CliKill, AllReachesEachProcessWithoutAPidNamespace) {
  Bundle bundle;
  bundle.remove_namespace("pid");
  bundle.remove_mount("/proc");
  bundle.set_script("sleep 1000 & sleep 1000 & echo up; wait");
  for (std::vector<std::string> flags : {std::vector<std::string>{"--all"}, {"-a"}, {}}) {
    Container container(bundle);
    container.start_detached();
    ASSERT_TRUE(eventually([&] {
      Outcome pids = container.call("ps", {"--format", "json"});
      return pids.code == 0 && json::parse(pids.out).as_array().size() == 3;
    }));
    ASSERT_EQ(container.call("kill", flags, {"KILL"}).code, 0);
    EXPECT_TRUE(
        eventually([&] { return container.call("ps", {"--format", "json"}).out == "null\n"; }));
  }
}

TEST(CliKill, RegexNamesSeveral) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container first(bundle), second(bundle), other(bundle);
  first.start_detached();
  second.start_detached();
  other.start_detached();
  std::string pattern = "^(" + first.id() + "|" + second.id() + ")$";
  ASSERT_EQ(runtime({"kill", "--regex", pattern, "KILL"}).code, 0);
  EXPECT_TRUE(first.wait_for_status("stopped"));
  EXPECT_TRUE(second.wait_for_status("stopped"));
  EXPECT_EQ(other.status(), "running");
  ASSERT_EQ(runtime({"delete", "--regex", pattern}).code, 0);
  EXPECT_EQ(first.status(), "");
  EXPECT_EQ(second.status(), "");
  EXPECT_EQ(runtime({"delete", "--regex", "("}).code, 1);
}

TEST(CliKill, PausedContainerDiesAtOnce) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  ASSERT_EQ(container.call("pause").code, 0);
  ASSERT_EQ(container.call("kill", {}, {"KILL"}).code, 0);
  EXPECT_TRUE(container.wait_for_status("stopped"));
}

TEST(CliKill, PauseAndResumeTellTheState) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Outcome outcome = container.call("resume");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("container not paused"));
  ASSERT_EQ(container.call("pause").code, 0);
  outcome = container.call("pause");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("container not running"));
  outcome = container.exec({"/bin/true"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_THAT(outcome.err, HasSubstr("cannot exec in a paused container"));
  ASSERT_EQ(container.call("resume").code, 0);
  EXPECT_EQ(container.exec({"/bin/true"}).code, 0);
}

TEST(CliKill, DeleteOfWhatIsNotThere) {
  Outcome outcome = runtime({"delete", "no-such"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("container does not exist"));
  EXPECT_EQ(runtime({"delete", "--force", "no-such"}).code, 0);
  EXPECT_EQ(runtime({"delete", "-f", "no-such"}).code, 0);
}

TEST(CliKill, DeleteOfACreatedContainerEndsIt) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  ASSERT_EQ(container.create().code, 0);
  int pid = container.pid();
  EXPECT_EQ(container.remove(false).code, 0);
  EXPECT_FALSE(exists(container.state_dir()));
  // Its parent, this program, has yet to reap it.
  EXPECT_THAT(read_text("/proc/" + std::to_string(pid) + "/stat"), HasSubstr(") Z "));
}

TEST(CliKill, ForcedDeleteEndsEachProcessWithoutAPidNamespace) {
  Bundle bundle;
  bundle.remove_namespace("pid");
  bundle.remove_mount("/proc");
  bundle.set_script("sleep 1000 & echo up; exec sleep 1000");
  Container container(bundle);
  container.start_detached();
  ASSERT_TRUE(eventually([&] {
    Outcome pids = container.call("ps", {"--format", "json"});
    return pids.code == 0 && json::parse(pids.out).as_array().size() == 2;
  }));
  Outcome removed = container.remove(true);
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
}

// Word by word what containerd, Docker and podman look for.
TEST(CliKill, ErrorsAreAsCallersMatchThem) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Outcome twice = container.create();
  EXPECT_EQ(twice.code, 1);
  EXPECT_THAT(twice.err, HasSubstr("container with given ID already exists"));
  EXPECT_THAT(container.start().err, HasSubstr("cannot start an already running container"));
  EXPECT_THAT(container.remove(false).err,
              HasSubstr("cannot delete container " + container.id() + " that is not stopped"));
  for (const char* command : {"start", "state", "kill", "pause", "resume", "ps", "update"}) {
    Outcome outcome = runtime({command, "no-such"});
    EXPECT_EQ(outcome.code, 1) << command;
    EXPECT_THAT(outcome.err, HasSubstr("container does not exist")) << command;
  }
  EXPECT_EQ(runtime({"exec", "no-such", "/bin/true"}).code, 255);
  ASSERT_EQ(container.call("kill", {}, {"KILL"}).code, 0);
  ASSERT_TRUE(container.wait_for_status("stopped"));
  EXPECT_THAT(container.call("pause").err, HasSubstr("container not running"));
  EXPECT_THAT(container.exec({"/bin/true"}).err, HasSubstr("cannot exec in a stopped container"));
  EXPECT_THAT(container.start().err, HasSubstr("cannot start a container that has stopped"));
}

TEST(CliKill, ProgramThatCannotRunIsToldByCreate) {
  struct Case {
    const char* program;
    const char* text;
  };
  for (const Case& wrong :
       {Case{"no-such", "executable file not found in $PATH"},
        Case{"/no-such", "stat /no-such: no such file or directory"},
        Case{"/etc", "is a directory"}, Case{"/etc/passwd", "permission denied"},
        Case{"/etc/passwd/x", "not a directory"}}) {
    Bundle bundle({wrong.program});
    Container container(bundle);
    Outcome outcome = container.create();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("unable to start container process: "
                                       "error during container init: exec: \\\"" +
                                       std::string(wrong.program)));
    EXPECT_THAT(outcome.err, HasSubstr(wrong.text));
    EXPECT_FALSE(exists(container.state_dir()));
  }
}

TEST(CliKill, BundleWithoutAConfigurationIsNamed) {
  TempDir empty;
  Outcome outcome = runtime({"create", "--bundle", empty.path(), "no-such"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("JSON specification file"));
  EXPECT_THAT(outcome.err, HasSubstr("config.json not found"));
  EXPECT_EQ(runtime({"create", "--bundle", empty.path() + "/none", "no-such"}).code, 1);
}

// The configuration under another name, as crun takes it.
TEST(CliKill, ConfigurationOfAnotherName) {
  Bundle bundle;
  bundle.write();
  std::string file = bundle.path() + "/config.json";
  write_text(bundle.path() + "/other.json", read_text(file));
  write_text(file, "{}");
  CommandOptions here;
  here.working_dir = bundle.path();
  Outcome outcome = runtime({"run", "--config", "other.json", "e2e-config-name"}, here);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

}  // namespace
}  // namespace dhow::e2e
