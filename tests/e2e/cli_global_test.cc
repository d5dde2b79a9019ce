// SPDX-License-Identifier: Apache-2.0
// The command line before the command: global options, names, ids, the log.
#include <sys/stat.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

// The program under another name, which decides as whom it answers.
class Named {
 public:
  explicit Named(const std::string& name) : path_(folder_.path() + "/" + name) {
    std::filesystem::create_symlink(runtime_path(), path_);
  }
  Outcome operator()(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), path_);
    return run_command(arguments);
  }

 private:
  TempDir folder_;
  std::string path_;
};

unsigned mode_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(CliGlobal, VersionTellsTheNameFirst) {
  for (const char* name : {"runc", "crun", "dhow-runtime"}) {
    Named program(name);
    for (const char* flag : {"--version", "-v"}) {
      Outcome outcome = program({flag});
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, StartsWith(std::string(name) + " version "));
      EXPECT_THAT(outcome.out, HasSubstr("\ncommit: "));
      EXPECT_THAT(outcome.out, HasSubstr("\nspec: 1."));
    }
  }
  EXPECT_THAT(Named("crun")({"-V"}).out, StartsWith("crun version "));
  EXPECT_EQ(Named("crun")({"--usage"}).code, 0);
}

TEST(CliGlobal, HelpSucceedsForEachCommand) {
  EXPECT_EQ(runtime({"--help"}).code, 0);
  EXPECT_EQ(runtime({"-h"}).code, 0);
  for (const char* command :
       {"create", "start", "run", "exec", "kill", "delete", "state", "list", "ps", "events",
        "pause", "resume", "update", "checkpoint", "restore", "mounts", "spec", "features"}) {
    Outcome outcome = runtime({command, "--help"});
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_THAT(outcome.out, HasSubstr(command));
  }
}

// How podman and cri-o find out whether a pod can be restored.
TEST(CliGlobal, FlagWithoutItsValueIsToldAsCallersLookForIt) {
  Outcome outcome = runtime({"restore", "--lsm-mount-context"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("flag needs an argument"));
  outcome = Named("crun")({"restore", "--lsm-mount-context"});
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("requires an argument"));
}

TEST(CliGlobal, UnknownCommandsAndFlagsFail) {
  EXPECT_EQ(runtime({"fly"}).code, 3);
  Outcome outcome = runtime({"--no-such-flag", "list"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("flag provided but not defined: -no-such-flag"));
  EXPECT_EQ(runtime({"list", "--no-such-flag"}).code, 1);
}

TEST(CliGlobal, LongFlagsMayHaveOneDashAndTheirValueApartOrNot) {
  TempDir folder;
  for (std::vector<std::string> root : {std::vector<std::string>{"--root", folder.path()},
                                        {"--root=" + folder.path()},
                                        {"-root", folder.path()},
                                        {"-root=" + folder.path()}}) {
    root.insert(root.begin(), runtime_path());
    root.insert(root.end(), {"list", "-format", "json"});
    Outcome outcome = run_command(root);
    EXPECT_EQ(outcome.out, "null\n") << root[1] << outcome.err;
  }
}

TEST(CliGlobal, RootFolderIsPrivateAndNeverTheHosts) {
  Outcome refused = run_command({runtime_path(), "--root", "/", "list"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("is not allowed"));

  TempDir folder;
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.set_global({"--root", folder.path() + "/deep/state"});  // the last one counts
  ASSERT_EQ(container.create().code, 0);
  EXPECT_EQ(mode_of(folder.path() + "/deep/state"), 0700U);
  EXPECT_EQ(mode_of(folder.path() + "/deep/state/" + container.id()), 0711U);
  EXPECT_EQ(container.remove().code, 0);
}

TEST(CliGlobal, LogAsJsonHasTheKeysThatCallersRead) {
  TempDir folder;
  for (std::string target : {folder.path() + "/a.json", "file:" + folder.path() + "/b.json"}) {
    Outcome outcome = runtime({"--log", target, "--log-format", "json", "state", "no-such"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("container does not exist"));  // and on the standard error
    std::string file = target.starts_with("file:") ? target.substr(5) : target;
    EXPECT_EQ(mode_of(file), 0644U);
    std::istringstream lines(read_text(file));
    json::object last;
    for (std::string line; std::getline(lines, line);) last = json::parse(line).as_object();
    ASSERT_EQ(last.size(), 3U);
    EXPECT_EQ(last["level"], "error");
    EXPECT_EQ(last["msg"], "container does not exist");
    EXPECT_THAT(std::string(last["time"].as_string()),
                MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"));
  }
}

TEST(CliGlobal, LogIsAppendedToAndItsLevelHolds) {
  TempDir folder;
  std::string file = folder.path() + "/log";
  write_text(file, "before\n");
  Bundle bundle;
  Container container(bundle);
  container.set_global({"--log", file, "--debug"});
  EXPECT_EQ(container.run().code, 0);
  EXPECT_THAT(read_text(file), StartsWith("before\n"));

  write_text(file, "");
  Bundle warned;
  warned.process()["capabilities"].as_object()["bounding"].as_array().emplace_back("CAP_NONE");
  Container quiet(warned);
  quiet.set_global({"--log", file, "--log-level", "error"});
  EXPECT_EQ(quiet.run().code, 0);
  EXPECT_EQ(read_text(file), "");
  Container loud(warned);
  loud.set_global({"--log", file, "--log-level", "warning"});
  EXPECT_EQ(loud.run().code, 0);
  EXPECT_THAT(read_text(file), HasSubstr("level=warning"));
  EXPECT_THAT(read_text(file), HasSubstr("CAP_NONE"));
}

TEST(CliGlobal, WrongValuesOfGlobalFlagsFail) {
  EXPECT_THAT(runtime({"--log-format", "xml", "list"}).err, HasSubstr("invalid log-format: xml"));
  EXPECT_THAT(runtime({"--log-level", "loud", "list"}).err, HasSubstr("unknown log level"));
  EXPECT_THAT(runtime({"--cgroup-manager", "none", "list"}).err, HasSubstr("cgroup manager"));
  EXPECT_THAT(runtime({"--rootless", "maybe", "list"}).err, HasSubstr("rootless"));
  for (const char* value : {"true", "false", "auto"}) {
    EXPECT_EQ(runtime({"--rootless", value, "list"}).code, 0) << value;
  }
}

TEST(CliGlobal, DefaultConfigurationRunsWithoutAWord) {
  Bundle bundle;
  json::object& sets = bundle.process()["capabilities"].as_object();
  sets["ambient"] = sets["bounding"];  // as the older default had it, without inheritable ones
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST(CliGlobal, SystemdManagerWithoutSystemdFailsAndLeavesNothing) {
  DHOW_NEEDS(!has_systemd(), "systemd runs here");
  Bundle bundle;
  Container container(bundle);
  container.set_global({"--systemd-cgroup"});
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("systemd"));
  EXPECT_FALSE(exists(container.state_dir()));
}

TEST(CliGlobal, DisabledManagerMakesNoCgroup) {
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.linux().erase("resources");
  Container container(bundle);
  container.set_global({"--cgroup-manager", "disabled"});
  container.start_detached();
  EXPECT_THAT(cgroup_folders_with(container.id()), testing::IsEmpty());
  EXPECT_EQ(read_text("/proc/" + std::to_string(container.pid()) + "/cgroup"),
            read_text("/proc/self/cgroup"));
  EXPECT_EQ(container.exec({"/bin/true"}).code, 0);
}

TEST(CliGlobal, IdsAreChecked) {
  Bundle bundle;
  bundle.write();
  for (const char* id : {".", "..", "a/b", "a b", "a\nb", "ü"}) {
    Outcome outcome = runtime({"create", "--bundle", bundle.path(), id});
    EXPECT_EQ(outcome.code, 1) << id;
    EXPECT_THAT(outcome.err, HasSubstr("invalid container ID format")) << id;
  }
  std::string odd = "aZ0_+.-" + std::to_string(::getpid());
  EXPECT_EQ(runtime({"run", "--bundle", bundle.path(), odd}).code, 0);
}

TEST(CliGlobal, NumberOfArgumentsIsChecked) {
  for (std::vector<std::string> line : {std::vector<std::string>{"create"},
                                        {"start"},
                                        {"state"},
                                        {"state", "a", "b"},
                                        {"kill"},
                                        {"kill", "a", "b", "c"},
                                        {"delete"},
                                        {"pause"},
                                        {"update"},
                                        {"ps"},
                                        {"mounts", "add"}}) {
    Outcome outcome = runtime(line);
    EXPECT_EQ(outcome.code, 1) << line[0];
    EXPECT_THAT(outcome.err, HasSubstr("requires")) << line[0];
  }
}

}  // namespace
}  // namespace dhow::e2e
