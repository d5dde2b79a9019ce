// SPDX-License-Identifier: Apache-2.0
// userns-remap: containers whose root is an ordinary id outside.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include "daemon/daemon_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RemapTest : public BusyboxTest {
 protected:
  RemapTest() { subordinate_ids_ = "nobody:200000:65536\n"; }
  void SetUp() override {
    BusyboxTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) configure("userns-remap = \"nobody:nogroup\"\n");
  }
  std::string output_of_run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--network", "none"});
    return docker_output(std::move(arguments));
  }
};

TEST_F(RemapTest, RootInsideIsNobodyOutside) {
  EXPECT_THAT(docker_output({"info", "-f", "{{.SecurityOptions}}"}), HasSubstr("name=userns"));
  EXPECT_EQ(output_of_run({"--rm", "busybox", "awk", "{print $1, $2, $3}", "/proc/self/uid_map",
                           "/proc/self/gid_map"}),
            "0 200000 65536\n0 200000 65536");
  start_sleeper("one");
  std::string pid = docker_output({"inspect", "-f", "{{.State.Pid}}", "one"});
  struct stat info{};
  ASSERT_EQ(::stat(("/proc/" + pid).c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 200000U);
  EXPECT_EQ(docker_output({"exec", "one", "id", "-u"}), "0");
  EXPECT_EQ(docker_output({"exec", "--user", "7", "one", "id", "-u"}), "7");
}

TEST_F(RemapTest, OwnersOfFilesAreThoseInside) {
  EXPECT_EQ(output_of_run({"--name", "one", "busybox", "sh", "-c",
                           "stat -c %u:%g /bin /etc/hosts /etc/hostname && echo x >>/etc/hosts && "
                           "touch /mine && chown 5:6 /mine && stat -c %u:%g /mine"}),
            "0:0\n0:0\n0:0\n5:6");
  // What goes out of a container, and comes in, has the owners inside too.
  EXPECT_THAT(docker({"cp", "one:/mine", "-"}).output, HasSubstr("0000005"));
  docker_output({"commit", "one", "made"});
  EXPECT_EQ(output_of_run({"--rm", "made", "stat", "-c", "%u:%g", "/mine"}), "5:6");
  start_sleeper("two");
  write("file", "data");
  docker_output({"cp", (folder_ / "file").string(), "two:/file"});
  EXPECT_EQ(docker_output({"exec", "two", "stat", "-c", "%u:%g", "/file"}), "0:0");
  docker_output({"exec", "two", "chown", "5:6", "/file"});
  EXPECT_THAT(docker({"cp", "two:/file", "-"}).output, HasSubstr("0000005"));
}

TEST_F(RemapTest, VolumesBelongToTheContainer) {
  EXPECT_EQ(output_of_run({"--rm", "-v", "/bin", "-v", "/data", "busybox", "sh", "-c",
                           "stat -c %u:%g /bin /bin/sh /data && touch /data/f && stat -c %u:%g "
                           "/data/f"}),
            "0:0\n0:0\n0:0\n0:0");
}

TEST_F(RemapTest, OneContainerMayDoWithout) {
  EXPECT_EQ(output_of_run({"--rm", "--userns", "host", "busybox", "awk", "{print $1, $2}",
                           "/proc/self/uid_map"}),
            "0 0");
}

TEST_F(RemapTest, NetworksOfOthersCanBeJoined) {
  start_sleeper("one");
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "container:one", "busybox", "cat",
                           "/sys/class/net/lo/address"}),
            "00:00:00:00:00:00");
}

TEST_F(RemapTest, WhatNeedsTheHostsNamespacesIsRefused) {
  struct Case {
    std::vector<std::string> flags;
    const char* text;
  };
  const Case cases[] = {
      {{"--network", "none", "--privileged"}, "privileged mode is incompatible"},
      {{"--network", "host"}, "cannot share the host's network namespace"},
      {{"--network", "none", "--pid", "host"}, "cannot share the host PID namespace"},
  };
  for (const Case& one : cases) {
    std::vector<std::string> arguments = {"run", "--rm"};
    arguments.insert(arguments.end(), one.flags.begin(), one.flags.end());
    arguments.insert(arguments.end(), {"busybox", "true"});
    SpawnOutput refused = docker(arguments);
    EXPECT_EQ(refused.exit_code, 125);
    EXPECT_THAT(refused.error_text, HasSubstr(one.text));
  }
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

TEST_F(RemapTest, ContainersOutliveTheDaemon) {
  start_sleeper("one");
  stop_daemon(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(docker_output({"exec", "one", "id", "-u"}), "0");
  docker_output({"restart", "-t", "0", "one"});
  EXPECT_THAT(docker_output({"exec", "one", "cat", "/proc/self/uid_map"}), HasSubstr("200000"));
}

}  // namespace
}  // namespace dhow::daemon_test
