// SPDX-License-Identifier: Apache-2.0
// What containers share with the machine and one another: volumes, memory, namespaces.
#include <signal.h>

#include <fstream>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonMountsTest : public BusyboxTest {
 protected:
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  std::string text(const std::string& name) { return read_file(path(name)).value_or("none"); }
  // Files named so in volumes.
  int kept(const std::string& name) {
    int count = 0;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder_ / "root/volumes", none)) {
      count += fs::exists(entry.path() / "_data" / name) ? 1 : 0;
    }
    return count;
  }
};

TEST_F(DaemonMountsTest, CopiesFromAndToVolumesOfAStoppedContainer) {
  write("bound/file", "bound");
  write("new", "new");
  run({"--name", "one", "-v", "/data", "-v", path("bound") + ":/bound", "-v",
       path("bound") + ":/fixed:ro", "busybox", "sh", "-c", "echo volume > /data/file"});
  docker_output({"cp", "one:/data/file", path("out")});
  EXPECT_EQ(text("out"), "volume\n");
  docker_output({"cp", "one:/bound/file", path("out")});
  EXPECT_EQ(text("out"), "bound");
  docker_output({"cp", path("new"), "one:/data/new"});
  docker_output({"cp", path("new"), "one:/bound/new"});
  EXPECT_EQ(text("bound/new"), "new");
  SpawnOutput fixed = docker({"cp", path("new"), "one:/fixed/other"});
  EXPECT_EQ(fixed.exit_code, 1);
  EXPECT_THAT(fixed.error_text, HasSubstr("mounted volume is marked read-only"));
  EXPECT_FALSE(fs::exists(folder_ / "bound/other"));
  docker_output({"commit", "one", "image:1"});
  docker_output({"start", "one"});
  docker_output({"wait", "one"});
  docker_output({"cp", "one:/data/new", path("out")});
  EXPECT_EQ(text("out"), "new");
  // Of one that never ran.
  docker_output({"create", "--name", "two", "--network", "none", "-v", path("bound") + ":/deep/er",
                 "busybox"});
  docker_output({"cp", "two:/deep/er/file", path("out")});
  EXPECT_EQ(text("out"), "bound");
}

TEST_F(DaemonMountsTest, CopiesAsAsked) {
  write("there/file", "x");
  write("file", "y");
  docker_output({"create", "--name", "one", "--network", "none", "--user", "1000:1001", "busybox",
                 "stat", "-c", "%u:%g", "/owned"});
  docker_output({"cp", path("there"), "one:/there"});
  SpawnOutput over = docker({"cp", path("there"), "one:/etc/passwd"});
  EXPECT_EQ(over.exit_code, 1);
  docker_output({"cp", "-a", path("file"), "one:/owned"});
  EXPECT_EQ(docker_output({"start", "-a", "one"}), "1000:1001");
}

TEST_F(DaemonMountsTest, AnonymousVolumesStayUnlessAskedFor) {
  for (const char* name : {"one", "two", "three"}) {
    run({"--name", name, "-v", "/data", "busybox", "sh", "-c", cat("echo x > /data/", name)});
  }
  run({"--rm", "-v", "/data", "busybox", "sh", "-c", "echo x > /data/four"});
  docker_output({"rm", "one"});
  docker_output({"rm", "-v", "two"});
  docker_output({"container", "prune", "-f"});
  EXPECT_EQ(kept("one"), 1);
  EXPECT_EQ(kept("two"), 0);
  EXPECT_EQ(kept("three"), 1);
  EXPECT_EQ(kept("four"), 0);
  ASSERT_EQ(stop_daemon(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(kept("one"), 1);
}

TEST_F(DaemonMountsTest, ContainersShareMemory) {
  std::string id = start_sleeper("one", {"--ipc", "shareable", "--shm-size", "2m"});
  docker_output({"exec", "one", "sh", "-c", "echo shared > /dev/shm/file"});
  std::string space = docker_output({"exec", "one", "readlink", "/proc/self/ns/ipc"});
  SpawnOutput other = run({"--rm", "--ipc", "container:one", "busybox", "sh", "-c",
                           "cat /dev/shm/file; readlink /proc/self/ns/ipc; stat -c %a /dev/shm; "
                           "df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"});
  EXPECT_EQ(other.output, cat("shared\n", space, "\n1777\n2048\n")) << other.error_text;
  start_sleeper("private");
  SpawnOutput refused = run({"--rm", "--ipc", "container:private", "busybox", "true"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.error_text, HasSubstr("non-shareable IPC (hint: use IpcMode:shareable"));
  // Over the daemon's death, and gone with the container.
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(run({"--rm", "--ipc", "container:one", "busybox", "cat", "/dev/shm/file"}).output,
            "shared\n");
  docker_output({"stop", "-t", "0", "one"});
  EXPECT_FALSE(fs::exists(folder_ / "state/shm" / id));
  SpawnOutput stopped = run({"--rm", "--ipc", "container:one", "busybox", "true"});
  EXPECT_THAT(stopped.error_text, HasSubstr("is not running"));
  // It begins with nothing again.
  docker_output({"start", "one"});
  EXPECT_EQ(docker_output({"exec", "one", "ls", "/dev/shm"}), "");
}

TEST_F(DaemonMountsTest, FilesOfARunGoWithIt) {
  std::string id =
      docker_output({"create", "--name", "one", "--network", "none", "busybox", "sleep", "1000"});
  fs::path place = folder_ / "state/containers" / id;
  EXPECT_FALSE(fs::exists(place));
  docker_output({"start", "one"});
  EXPECT_EQ(docker_output({"inspect", "--format",
                           "{{.HostsPath}} {{.HostnamePath}} {{.ResolvConfPath}}", "one"}),
            cat((place / "hosts").string(), " ", (place / "hostname").string(), " ",
                (place / "resolv.conf").string()));
  docker_output({"exec", "one", "sh", "-c", "echo 10.1.2.3 three >> /etc/hosts"});
  EXPECT_THAT(read_file((place / "hosts").string()).value_or(""), HasSubstr("10.1.2.3 three\n"));
  EXPECT_EQ(read_file((place / "hostname").string()).value_or(""), cat(id.substr(0, 12), "\n"));
  // Over the daemon's death, but not over that of the container while nobody is there.
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(docker_output({"exec", "one", "cat", "/etc/hosts"}), HasSubstr("10.1.2.3 three"));
  int pid = parse_number<int>(docker_output({"inspect", "--format", "{{.State.Pid}}", "one"}))
                .value_or(0);
  ASSERT_GT(pid, 0);
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  docker_output({"wait", "one"});
  EXPECT_FALSE(fs::exists(place));
  docker_output({"start", "one"});
  EXPECT_THAT(docker_output({"exec", "one", "cat", "/etc/hosts"}), Not(HasSubstr("three")));
  docker_output({"rm", "-f", "one"});
  EXPECT_FALSE(fs::exists(place));
}

TEST_F(DaemonMountsTest, ContainersShareProcesses) {
  start_sleeper("one");
  SpawnOutput other = run({"--rm", "--pid", "container:one", "busybox", "ps"});
  EXPECT_THAT(other.output, HasSubstr("sleep 1000")) << other.error_text;
  EXPECT_THAT(run({"--rm", "busybox", "ps"}).output, ::testing::Not(HasSubstr("sleep 1000")));
  docker_output({"kill", "one"});
  docker_output({"wait", "one"});
  SpawnOutput stopped = run({"--rm", "--pid", "container:one", "busybox", "true"});
  EXPECT_EQ(stopped.exit_code, 125);
  EXPECT_THAT(stopped.error_text, HasSubstr("is not running"));
}

}  // namespace
}  // namespace dhow::daemon_test
