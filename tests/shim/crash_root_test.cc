// SPDX-License-Identifier: Apache-2.0
// What is left of containers when containerd, the shim or the memory goes.
#include <signal.h>

#include "base/strings.h"
#include "shim/containerd_fixture.h"
#include "sys/file_io.h"

namespace dhow::shim_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShimCrashTest : public ContainerdTest {};

TEST_F(ShimCrashTest, ATaskOutlivesContainerd) {
  std::string log = folder_ + "/outlive.log";
  run_detached(
      "outlive",
      {"sh", "-c", "trap 'echo stopped; exit 21' USR1; echo up; while :; do sleep 0.1; done"},
      {"--log-uri", "file://" + log});
  pid_t pid = pid_of("outlive");
  pid_t shim = parent_of(pid);
  containerd_->kill();
  EXPECT_TRUE(lives(pid));
  auto started = start_containerd();
  ASSERT_TRUE(started.has_value()) << started.error().message();
  EXPECT_EQ(status_of("outlive"), "RUNNING");
  EXPECT_EQ(pid_of("outlive"), pid);
  EXPECT_EQ(parent_of(pid), shim);
  while (read_file(log).value_or("").empty() && lives(pid)) {
  }
  ctr_output({"task", "kill", "-s", "SIGUSR1", "outlive"});
  EXPECT_EQ(await_logged_task("outlive"), 21);
  EXPECT_EQ(read_file(log).value_or(""), "up\nstopped\n");
  remove("outlive");
  EXPECT_THAT(traces_of("outlive"), IsEmpty());
}

TEST_F(ShimCrashTest, AnEndWhileContainerdIsAwayIsKept) {
  run_detached("away",
               {"sh", "-c", "trap 'exit 22' USR1; echo up >/tmp/up; while :; do sleep 0.1; done"});
  pid_t pid = pid_of("away");
  while (ctr({"task", "exec", "--exec-id", "x", "away", "cat", "/tmp/up"}).exit_code != 0 &&
         lives(pid)) {
  }
  containerd_->kill();
  ASSERT_EQ(::kill(pid, SIGUSR1), 0);
  while (lives(pid)) {
  }
  auto started = start_containerd();
  ASSERT_TRUE(started.has_value()) << started.error().message();
  EXPECT_EQ(await_task("away"), 22);
}

TEST_F(ShimCrashTest, NothingIsLeftOfAShimThatIsKilled) {
  run_detached("dead", {"sh", "-c", "sleep 1000 & sleep 1000"});
  pid_t pid = pid_of("dead");
  pid_t shim = parent_of(pid);
  ASSERT_GT(shim, 1);
  ASSERT_EQ(sockets().size(), 1U);
  std::unique_ptr<Child> events;
  ASSERT_NO_FATAL_FAILURE(watch_events(events));
  ASSERT_EQ(::kill(shim, SIGKILL), 0);
  // Told by containerd after our `delete` action has answered.
  EXPECT_TRUE(events->await("/tasks/delete")) << events->said();
  EXPECT_THAT(events->said(), HasSubstr("\"exit_status\":137"));
  EXPECT_FALSE(lives(pid));
  EXPECT_THAT(traces_of("dead"), IsEmpty());
  EXPECT_THAT(sockets(), IsEmpty());
  EXPECT_EQ(status_of("dead"), "");
  EXPECT_EQ(read_file("/proc/self/mountinfo").value_or("").find(folder_), std::string::npos);
}

TEST_F(ShimCrashTest, TellsOfMemoryThatRanOut) {
  std::unique_ptr<Child> events;
  ASSERT_NO_FATAL_FAILURE(watch_events(events));
  constexpr const char* kLimit = "8388608";
  run_detached("oom", {"sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"},
               {"--memory-limit", kLimit});
  EXPECT_TRUE(events->await("/tasks/exit")) << events->said();
  EXPECT_THAT(events->said(), HasSubstr("/tasks/oom {\"container_id\":\"oom\"}"));
  EXPECT_EQ(await_task("oom"), 128 + SIGKILL);
}

}  // namespace
}  // namespace dhow::shim_test
