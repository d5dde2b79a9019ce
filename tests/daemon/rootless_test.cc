// SPDX-License-Identifier: Apache-2.0
// An engine of an ordinary user: dhowd as nobody, with subordinate ids.
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/daemon_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

class RootlessDaemonTest : public BusyboxTest {
 protected:
  RootlessDaemonTest() {
    is_rootless_ = true;
    subordinate_ids_ = "nobody:100000:65536\n";
  }
  void SetUp() override {
    if (::access("/usr/bin/newuidmap", X_OK) != 0) GTEST_SKIP() << "newuidmap is not installed";
    BusyboxTest::SetUp();
  }
  std::string output_of_run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--network", "none"});
    return docker_output(std::move(arguments));
  }
};

TEST_F(RootlessDaemonTest, RunsWithTheIdsOfTheUser) {
  EXPECT_THAT(docker_output({"info", "-f", "{{.SecurityOptions}}"}), HasSubstr("name=rootless"));
  EXPECT_EQ(output_of_run({"--rm", "busybox", "awk", "{print $1, $2, $3}", "/proc/self/uid_map"}),
            "0 65534 1\n1 100000 65536");
  EXPECT_EQ(output_of_run(
                {"--rm", "busybox", "sh", "-c", "touch /f && chown 5:6 /f && stat -c %u:%g /f"}),
            "5:6");
  EXPECT_EQ(output_of_run({"--rm", "--user", "7:8", "busybox", "sh", "-c", "id -u; id -g"}),
            "7\n8");
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "host", "busybox", "cat",
                           "/sys/class/net/lo/operstate"}),
            "unknown");
}

TEST_F(RootlessDaemonTest, LimitsWithoutPermissionAreRefused) {
  SpawnOutput limited =
      docker({"run", "--rm", "--network", "none", "-m", "50m", "busybox", "true"});
  EXPECT_EQ(limited.exit_code, 125);
  EXPECT_THAT(limited.error_text, HasSubstr("cannot set memory limit"));
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

// The next engine goes to the user namespace of the containers: beside it, it could do nothing to
// them.
TEST_F(RootlessDaemonTest, ContainersOutliveTheDaemon) {
  output_of_run(
      {"-d", "--name", "one", "busybox", "sh", "-c", "trap 'exit 7' TERM; sleep 1000 & wait"});
  std::string before = docker_output({"top", "one"});
  EXPECT_THAT(before, HasSubstr("sleep 1000"));
  EXPECT_EQ(std::ranges::count(before, '\n'), 2) << before;
  stop_daemon(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(docker_output({"exec", "one", "id", "-u"}), "0");
  write("file", "data");
  docker_output({"cp", (folder_ / "file").string(), "one:/file"});
  EXPECT_EQ(docker_output({"exec", "one", "cat", "/file"}), "data");
  docker_output({"commit", "one", "made"});
  EXPECT_EQ(output_of_run({"--rm", "made", "cat", "/file"}), "data");
  docker_output({"stop", "one"});
  EXPECT_EQ(docker_output({"inspect", "-f", "{{.State.ExitCode}}", "one"}), "7");
}

TEST_F(RootlessDaemonTest, HasVolumes) {
  output_of_run({"--name", "maker", "busybox", "sh", "-c",
                 "mkdir /d && echo image > /d/file && "
                 "chown 5:6 /d/file"});
  docker_output({"commit", "maker", "made"});
  EXPECT_EQ(output_of_run({"--rm", "-v", "data:/d", "made", "sh", "-c",
                           "cat /d/file; stat -c %u:%g /d/file; echo more > /d/more"}),
            "image\n5:6");
  EXPECT_EQ(output_of_run({"--rm", "-v", "data:/x", "--mount",
                           "type=volume,source=data,target=/p,volume-subpath=.", "busybox", "sh",
                           "-c", "cat /x/more /p/more"}),
            "more\nmore");
  docker_output({"volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory"});
  EXPECT_EQ(output_of_run({"--rm", "-v", "memory:/m", "busybox", "sh", "-c",
                           "echo x > /m/file && cat /m/file"}),
            "x");
  EXPECT_EQ(docker_output({"volume", "rm", "data", "memory"}), "data\nmemory");
}

}  // namespace
}  // namespace dhow::daemon_test
