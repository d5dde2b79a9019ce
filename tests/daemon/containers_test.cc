// SPDX-License-Identifier: Apache-2.0
// Containers, by docker's command line: what its users and their scripts rely on.
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/cleanup.h"
#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class DaemonContainersTest : public BusyboxTest {};

TEST_F(DaemonContainersTest, RunGivesOutputAndExitCode) {
  SpawnOutput result = run({"--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error_text, "err\n");
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

TEST_F(DaemonContainersTest, RunTellsByItsExitCodeWhatWentWrong) {
  SpawnOutput missing = run({"--rm", "busybox", "/nothing"});
  EXPECT_EQ(missing.exit_code, 127) << missing.error_text;
  SpawnOutput folder = run({"--rm", "busybox", "/bin"});
  EXPECT_EQ(folder.exit_code, 126) << folder.error_text;
  SpawnOutput image = run({"--rm", "--pull", "never", "nothing", "true"});
  EXPECT_EQ(image.exit_code, 125) << image.error_text;
  EXPECT_THAT(image.error_text, HasSubstr("No such image: nothing:latest"));
  // Not its first process, which can't be killed from inside.
  SpawnOutput killed = run({"--rm", "busybox", "sh", "-c", "sleep 60 & kill -9 $!; wait $!"});
  EXPECT_EQ(killed.exit_code, 137);
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

TEST_F(DaemonContainersTest, RunPassesInputOnToItsEnd) {
  std::string large(1 << 20, 'x');
  SpawnOutput result = run({"--rm", "-i", "busybox", "wc", "-c"}, large);
  EXPECT_EQ(result.exit_code, 0) << result.error_text;
  EXPECT_EQ(trim(result.output), cat(large.size()));
}

TEST_F(DaemonContainersTest, RunLoadsAnImageThatComesWithDhow) {
  docker_output({"rmi", "busybox"});
  SpawnOutput result = run({"--rm", "hello"});
  EXPECT_EQ(result.exit_code, 0) << result.error_text;
  EXPECT_THAT(result.output, testing::Not(IsEmpty()));
}

// A process that is killed and only then frozen would not end.
TEST_F(DaemonContainersTest, EndsWhenItIsKilledWhileItIsBeingPaused) {
  auto ask = [](const Fd& connection, std::string_view what) {
    std::string request =
        cat("POST /containers/", what, " HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(send_message(connection, request).has_value());
  };
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::string id = start_sleeper("sleeper");
    Fd pauser = connect();
    Fd killer = connect();
    ask(pauser, "sleeper/pause");
    std::this_thread::sleep_for(std::chrono::microseconds(round * 150));
    ask(killer, "sleeper/kill");
    EXPECT_TRUE(read_all(pauser).has_value());
    EXPECT_TRUE(read_all(killer).has_value());
    std::string status = "running";
    for (int wait = 0; wait < 100 && status != "exited"; ++wait) {
      status = docker_output({"inspect", "--format", "{{.State.Status}}", id});
    }
    ASSERT_EQ(status, "exited") << "in round " << round;
    docker_output({"rm", "sleeper"});
  }
}

TEST_F(DaemonContainersTest, LivesThroughItsStates) {
  std::string id = start_sleeper("sleeper");
  EXPECT_EQ(docker_output({"ps", "--format", "{{.Names}} {{.Image}} {{.State}}"}),
            "sleeper busybox running");
  docker_output({"pause", "sleeper"});
  EXPECT_THAT(docker_output({"ps", "--format", "{{.Status}}"}), HasSubstr("(Paused)"));
  docker_output({"unpause", "sleeper"});
  docker_output({"rename", "sleeper", "renamed"});
  EXPECT_EQ(
      docker_output({"inspect", "--format", "{{.Id}} {{.Name}} {{.State.Status}}", "renamed"}),
      cat(id, " /renamed running"));
  EXPECT_THAT(docker_output({"top", "renamed"}), HasSubstr("sleep 1000"));
  docker_output({"restart", "-t", "0", "renamed"});
  docker_output({"stop", "-t", "0", "renamed"});
  EXPECT_THAT(docker_output({"ps", "-a", "--format", "{{.Status}}"}), StartsWith("Exited (137)"));
  docker_output({"start", "renamed"});
  docker_output({"kill", "renamed"});
  EXPECT_EQ(docker_output({"wait", "renamed"}), "137");
  EXPECT_EQ(docker_output({"rm", "renamed"}), "renamed");
}

// ps tells of all of a machine's processes.
TEST_F(DaemonContainersTest, TopFindsProcessesBehindManyOthers) {
  constexpr std::size_t kWords = 40'000;
  std::vector<std::string> words(kWords, "0");
  words[0] = "sleep";
  words[1] = "1000";
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_t loud = 0;
  ASSERT_EQ(::posix_spawnp(&loud, "sleep", nullptr, nullptr, pointers.data(), environ), 0);
  Cleanup end([&] {
    ::kill(loud, SIGKILL);
    std::ignore = wait_for(loud);
  });
  start_sleeper("one");
  EXPECT_THAT(docker_output({"top", "one"}), HasSubstr("sleep 1000"));
}

TEST_F(DaemonContainersTest, RefusesInDockersWords) {
  start_sleeper("one");
  SpawnOutput twice = run({"-d", "--name", "one", "busybox", "true"});
  EXPECT_EQ(twice.exit_code, 125);
  EXPECT_THAT(twice.error_text, HasSubstr("is already in use by container"));
  SpawnOutput running = docker({"rm", "one"});
  EXPECT_EQ(running.exit_code, 1);
  EXPECT_THAT(running.error_text, HasSubstr("container is running"));
  SpawnOutput missing = docker({"start", "nothing"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.error_text, HasSubstr("No such container: nothing"));
  EXPECT_THAT(docker({"inspect", "nothing"}).error_text, HasSubstr("No such object: nothing"));
  SpawnOutput used = docker({"rmi", "busybox"});
  EXPECT_EQ(used.exit_code, 1);
  EXPECT_THAT(used.error_text, HasSubstr("conflict: unable to remove repository reference"));
}

TEST_F(DaemonContainersTest, ExecRunsBesideAndTellsItsExitCode) {
  start_sleeper("one");
  EXPECT_EQ(docker_output({"exec", "one", "echo", "hello"}), "hello");
  EXPECT_EQ(docker_output(
                {"exec", "-i", "-e", "A=b", "-w", "/tmp", "one", "sh", "-c", "cat; echo $A; pwd"},
                "input\n"),
            "input\nb\n/tmp");
  EXPECT_EQ(docker({"exec", "one", "sh", "-c", "exit 3"}).exit_code, 3);
  EXPECT_EQ(docker({"exec", "one", "/nothing"}).exit_code, 127);
  docker_output({"exec", "-d", "one", "sh", "-c", "echo > /tmp/there"});
  docker_output({"stop", "-t", "0", "one"});
  EXPECT_EQ(docker({"exec", "one", "true"}).exit_code, 1);
}

TEST_F(DaemonContainersTest, LogsAreKeptAndFollowed) {
  run({"-d", "--name", "one", "busybox", "sh", "-c", "echo a; echo b >&2; echo c"});
  docker_output({"wait", "one"});
  SpawnOutput logs = docker({"logs", "one"});
  EXPECT_EQ(logs.output, "a\nc\n");
  EXPECT_EQ(logs.error_text, "b\n");
  run({"-d", "--name", "two", "busybox", "sh", "-c", "echo x; sleep 0.2; echo y"});
  EXPECT_EQ(docker_output({"logs", "-f", "two"}), "x\ny");
  // Of one stream: the order of two is not known.
  EXPECT_EQ(docker_output({"logs", "--tail", "1", "two"}), "y");
  EXPECT_THAT(docker_output({"logs", "-t", "--tail", "1", "two"}),
              MatchesRegex("....-..-..T..:..:.........*Z y"));
}

TEST_F(DaemonContainersTest, CopiesInAndOut) {
  start_sleeper("one");
  std::ofstream((folder_ / "file").string()) << "content";
  docker_output({"cp", (folder_ / "file").string(), "one:/tmp/file"});
  EXPECT_EQ(docker_output({"exec", "one", "cat", "/tmp/file"}), "content");
  docker_output({"cp", "one:/tmp/file", (folder_ / "back").string()});
  std::ifstream back((folder_ / "back").string());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(back), {}), "content");
  docker_output({"stop", "-t", "0", "one"});
  docker_output({"cp", (folder_ / "file").string(), "one:/stopped"});
  EXPECT_THAT(docker_output({"diff", "one"}), HasSubstr("A /stopped"));
  start_sleeper("idle");
  EXPECT_EQ(docker_output({"diff", "idle"}), "") << "what the engine puts there is no change";
  docker_output({"exec", "idle", "touch", "/etc/new"});
  EXPECT_EQ(docker_output({"diff", "idle"}), "C /etc\nA /etc/new");
  // It is there, and no change.
  EXPECT_THAT(docker_output({"diff", "one"}), ::testing::Not(HasSubstr("dockerenv")));
  EXPECT_EQ(run({"--rm", "busybox", "stat", "-c", "%A %s", "/.dockerenv"}).output,
            "-rwxr-xr-x 0\n");
  SpawnOutput missing = docker({"cp", "one:/nothing", (folder_ / "x").string()});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.error_text, HasSubstr("Could not find the file /nothing in container one"));
}

TEST_F(DaemonContainersTest, CommitsAndExports) {
  // Nothing is written, so there is no layer for it.
  docker_output({"create", "--name", "idle", "busybox", "true"});
  docker_output({"commit", "idle", "same:1"});
  std::string layers = "{{len .RootFS.Layers}}";
  EXPECT_EQ(docker_output({"image", "inspect", "--format", layers, "same:1"}),
            docker_output({"image", "inspect", "--format", layers, "busybox"}));
  run({"--name", "one", "busybox", "sh", "-c", "echo made > /made"});
  std::string id =
      docker_output({"commit", "-m", "why", "-c", "CMD [\"cat\",\"/made\"]", "one", "made:1"});
  EXPECT_THAT(id, StartsWith("sha256:"));
  EXPECT_EQ(run({"--rm", "made:1"}).output, "made\n");
  EXPECT_THAT(docker_output({"history", "made:1"}), HasSubstr("why"));
  std::string archive = (folder_ / "root.tar").string();
  docker_output({"export", "-o", archive, "one"});
  EXPECT_THAT(docker_output({"import", archive, "flat:1"}), StartsWith("sha256:"));
  EXPECT_EQ(run({"--rm", "flat:1", "cat", "/made"}).output, "made\n");
}

TEST_F(DaemonContainersTest, ShowsStatsAndUsage) {
  start_sleeper("one");
  EXPECT_THAT(docker_output({"stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "one"}),
              "one 1");
  EXPECT_THAT(docker_output({"system", "df"}),
              AllOf(HasSubstr("Images"), HasSubstr("Containers"), HasSubstr("Local Volumes")));
  EXPECT_THAT(docker_output({"system", "df", "-v"}), HasSubstr("one"));
  EXPECT_THAT(docker_output({"update", "--pids-limit", "50", "one"}), "one");
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.HostConfig.PidsLimit}}", "one"}), "50");
}

TEST_F(DaemonContainersTest, TellsOfWhatHappens) {
  run({"--rm", "--name", "one", "busybox", "true"});
  std::string events = docker_output({"events", "--since", "0", "--until", "-1s", "--filter",
                                      "container=one", "--format", "{{.Action}}"});
  std::vector<std::string> found;
  for (std::string_view line : split(events, '\n')) found.emplace_back(line);
  for (const char* action : {"create", "attach", "start", "die", "destroy"}) {
    EXPECT_THAT(found, testing::Contains(action));
  }
}

TEST_F(DaemonContainersTest, Prunes) {
  run({"--name", "one", "busybox", "true"});
  start_sleeper("two");
  EXPECT_THAT(docker_output({"container", "prune", "-f"}), HasSubstr("Deleted Containers:"));
  EXPECT_EQ(docker_output({"ps", "-a", "--format", "{{.Names}}"}), "two");
  EXPECT_THAT(docker_output({"system", "prune", "-f"}), HasSubstr("Total reclaimed space"));
  docker_output({"volume", "prune", "-f"});
  docker_output({"network", "prune", "-f"});
}

TEST_F(DaemonContainersTest, ContainersOutliveTheDaemon) {
  std::string id = start_sleeper("one");
  run({"-d", "--name", "short", "busybox", "sh", "-c", "sleep 0.3; echo late; exit 5"});
  EXPECT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(docker_output({"ps", "--no-trunc", "-q", "--filter", "name=one"}), id);
  EXPECT_EQ(docker_output({"exec", "one", "echo", "again"}), "again");
  EXPECT_EQ(docker_output({"wait", "short"}), "5");
  EXPECT_EQ(docker_output({"logs", "short"}), "late");
}

}  // namespace
}  // namespace dhow::daemon_test
