// SPDX-License-Identifier: Apache-2.0
// The containers of a pod share one shim, as containerd's CRI service asks for by annotations.
#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "base/strings.h"
#include "shim/containerd_fixture.h"
#include "sys/file_io.h"
#include "sys/testing/sanitized.h"

namespace dhow::shim_test {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class ShimPodTest : public ContainerdTest {
 protected:
  static Words member_flags(const std::string& type, const std::string& pod) {
    return {"--annotation", "io.kubernetes.cri.container-type=" + type, "--annotation",
            "io.kubernetes.cri.sandbox-id=" + pod};
  }
  static void make_pod() {
    run_detached("pod", {"sleep", "1000"}, member_flags("sandbox", "pod"));
    run_detached("one",
                 {"sh", "-c", "trap 'exit 31' USR1; touch /tmp/up; while :; do sleep 0.1; done"},
                 member_flags("container", "pod"));
    while (ctr({"task", "exec", "--exec-id", "x", "one", "cat", "/tmp/up"}).exit_code != 0 &&
           status_of("one") == "RUNNING") {
    }
  }
};

TEST_F(ShimPodTest, OneShimHasAllAndTheEndOfOneLeavesTheOther) {
  make_pod();
  pid_t pod = pid_of("pod");
  pid_t shim = parent_of(pod);
  EXPECT_EQ(parent_of(pid_of("one")), shim);
  EXPECT_THAT(sockets(), SizeIs(1));
  run_detached("alone", {"sleep", "1000"}, member_flags("sandbox", "alone"));
  EXPECT_NE(parent_of(pid_of("alone")), shim);
  EXPECT_THAT(sockets(), SizeIs(2));
  ctr_output({"task", "kill", "-s", "SIGUSR1", "one"});
  EXPECT_EQ(await_task("one"), 31);
  remove("one");
  EXPECT_THAT(traces_of("one"), IsEmpty());
  EXPECT_EQ(status_of("pod"), "RUNNING");
  EXPECT_EQ(parent_of(pod), shim);
  // And it takes in the next one.
  run_detached("two", {"sleep", "1000"}, member_flags("container", "pod"));
  EXPECT_EQ(parent_of(pid_of("two")), shim);
  EXPECT_EQ(ctr({"task", "exec", "--exec-id", "x", "pod", "sh", "-c", "exit 4"}).exit_code, 4);
}

TEST_F(ShimPodTest, NothingIsLeftOfAPodWhoseShimIsKilled) {
  make_pod();
  pid_t pod = pid_of("pod");
  pid_t one = pid_of("one");
  std::unique_ptr<Child> events;
  ASSERT_NO_FATAL_FAILURE(watch_events(events));
  ASSERT_EQ(::kill(parent_of(pod), SIGKILL), 0);
  auto deleted = [](const std::string& id) {
    return cat("/tasks/delete {\"container_id\":\"", id, "\"");
  };
  EXPECT_TRUE(events->await(deleted("pod"))) << events->said();
  EXPECT_TRUE(events->await(deleted("one"))) << events->said();
  for (pid_t pid : {pod, one}) EXPECT_FALSE(lives(pid));
  for (const char* id : {"pod", "one"}) EXPECT_THAT(traces_of(id), IsEmpty());
  EXPECT_THAT(sockets(), IsEmpty());
}

// Kilobytes of memory that are a process's own, with its share of what it has with others.
long pss_of(pid_t pid) {
  std::string text = read_file(cat("/proc/", pid, "/smaps_rollup")).value_or("");
  std::size_t at = text.find("\nPss:");
  return at == std::string::npos ? -1 : std::strtol(text.c_str() + at + 5, nullptr, 10);
}

TEST_F(ShimPodTest, TenContainersTakeLittleMoreThanOne) {
  if (testing_support::kSanitized) GTEST_SKIP() << "the sanitizer's memory is not the shim's";
  run_detached("pod", {"sleep", "1000"}, member_flags("sandbox", "pod"));
  pid_t shim = parent_of(pid_of("pod"));
  long one = pss_of(shim);
  for (int i = 1; i < 10; ++i) {
    run_detached(cat("member", i), {"sleep", "1000"}, member_flags("container", "pod"));
    EXPECT_EQ(parent_of(pid_of(cat("member", i))), shim);
  }
  long ten = pss_of(shim);
  std::printf("PSS of the shim: %ld KiB with one container, %ld KiB with ten\n", one, ten);
  EXPECT_GT(one, 0);
  EXPECT_LE(one, 1536);
  EXPECT_LE(ten, 2048);
}

}  // namespace
}  // namespace dhow::shim_test
