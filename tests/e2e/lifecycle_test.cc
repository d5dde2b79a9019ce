// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

TEST(Lifecycle, RunGivesOutputAndExitCode) {
  Bundle bundle;
  bundle.set_script("echo out; echo err >&2; exit 7");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(outcome.err, "err\n");
}

TEST(Lifecycle, RunOfKilledProcessIs128PlusSignal) {
  Bundle bundle;
  bundle.set_script("kill -9 $$");
  bundle.remove_namespace("pid");  // a namespace's init ignores signals from inside
  bundle.remove_mount("/proc");
  Container container(bundle);
  EXPECT_EQ(container.run().code, 128 + SIGKILL);
}

TEST(Lifecycle, CreateStartKillDelete) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  Outcome created = container.create();
  ASSERT_EQ(created.code, 0) << created.err;
  EXPECT_EQ(container.status(), "created");
  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(container.status(), "running");
  Outcome refused = container.remove(false);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("cannot delete container"));
  Outcome killed = container.call("kill", {}, {"KILL"});
  EXPECT_EQ(killed.code, 0) << killed.err;
  EXPECT_TRUE(container.wait_for_status("stopped"));
  Outcome removed = container.remove(false);
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_EQ(container.state(), nullptr);
}

TEST(Lifecycle, ExecRunsInTheContainer) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Outcome outcome = container.exec({"/bin/sh", "-c", "hostname; exit 3"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_EQ(outcome.out, "dhow\n");
}

// Also by a runtime without CAP_SYS_RESOURCE, which may only set them as long as the process is
// root.
TEST(Lifecycle, OrdinaryUsersHaveTheirLimits) {
  Bundle bundle({"/bin/testbox", "rlimit", "7"});  // RLIMIT_NOFILE
  bundle.process()["user"] = {{"uid", 5}, {"gid", 6}};
  bundle.process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 64}, {"hard", 512}}};
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "64 512\n");

  bundle.set_args({"/bin/testbox", "wait"});
  Container waiting(bundle);
  waiting.start_detached();
  outcome = waiting.exec({"/bin/testbox", "rlimit", "7"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "64 512\n");
}

// Of each container, the runtime sets the limits while its init builds the root filesystem: neither
// may get into the other's way, however they are scheduled.
TEST(Lifecycle, ManyAtOnceAllRun) {
  constexpr int kRounds = 6;
  constexpr int kAtOnce = 8;
  Bundle bundle;
  bundle.write();
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::unique_ptr<Container>> containers;
    std::vector<std::unique_ptr<Background>> runs;
    for (int i = 0; i < kAtOnce; ++i) {
      containers.push_back(std::make_unique<Container>(bundle));
      runs.push_back(std::make_unique<Background>(
          containers.back()->command_line("run", {"--bundle", bundle.path()})));
    }
    for (auto& run : runs) {
      Outcome outcome = run->wait();
      EXPECT_EQ(outcome.code, 0) << outcome.err;
    }
  }
}

// What a create leaves that is killed before it has seen that its cgroup is in use: a record
// without an init that names the cgroup of another container.
TEST(Lifecycle, DeleteOfADeadCreateLeavesForeignCgroupsAlone) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container victim(bundle);
  victim.start_detached();
  std::string ghost = victim.id() + "-ghost";
  std::string folder = Container::root() + "/" + ghost;
  std::filesystem::create_directory(folder);
  json::object record = json::parse(read_text(victim.state_dir() + "/state.json")).as_object();
  record["id"] = ghost;
  record["pid"] = 0;
  record["startTime"] = 0;
  record["ready"] = false;
  write_text(folder + "/state.json", json::serialize(record));
  Outcome removed = runtime({"delete", "--force", ghost});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_FALSE(exists(folder));
  EXPECT_EQ(victim.status(), "running");
}

TEST(Lifecycle, EventsTellOfAnOutOfMemoryKill) {
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.resources()["memory"] = json::object{{"limit", 32 << 20}, {"swap", 32 << 20}};
  Container container(bundle);
  container.start_detached();
  Background events(container.command_line("events", {"--interval", "100ms"}));
  events.wait_for_output("\"stats\"");  // it watches by now
  EXPECT_NE(container.exec({"/bin/testbox", "eat", "256"}).code, 0);
  events.wait_for_output("\"oom\"");
}

}  // namespace
}  // namespace dhow::e2e
