// SPDX-License-Identifier: Apache-2.0
// What every client of containerd does with a shim.
#include <fcntl.h>
#include <signal.h>

#include "base/strings.h"
#include "shim/containerd_fixture.h"
#include "sys/file_io.h"

namespace dhow::shim_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ShimBasicTest : public ContainerdTest {
 protected:
  // Runs in the foreground until it ends.
  static void check_output_and_code(const std::string& runtime, const Words& flags) {
    Words rm = {"--rm"};
    rm.insert(rm.end(), flags.begin(), flags.end());
    SpawnOutput ran =
        ctr(run_words(rm, "basic", {"sh", "-c", "echo out; echo err >&2; exit 7"}, runtime));
    EXPECT_EQ(ran.output, "out\n");
    EXPECT_THAT(ran.error_text, HasSubstr("err\n"));
    EXPECT_EQ(ran.exit_code, 7);
    EXPECT_THAT(traces_of("basic"), IsEmpty());
  }

  static void check_foreign(const std::string& program) {
    check_output_and_code(kAsRunc, {"--runc-binary", program});
    run_detached("other", {"sleep", "1000"}, {"--runc-binary", program}, kAsRunc);
    SpawnOutput inside = ctr({"task", "exec", "--exec-id", "x", "other", "sh", "-c", "exit 3"});
    EXPECT_EQ(inside.exit_code, 3) << inside.error_text;
    ctr_output({"task", "pause", "other"});
    EXPECT_EQ(status_of("other"), "PAUSED");
    ctr_output({"task", "resume", "other"});
    ctr_output({"task", "kill", "-s", "SIGKILL", "other"});
    EXPECT_EQ(await_task("other"), 128 + SIGKILL);
    remove("other");
    EXPECT_THAT(traces_of("other"), IsEmpty());
  }
};

TEST_F(ShimBasicTest, OutputAndExitCodeReachTheClient) { check_output_and_code(kRuntime, {}); }

TEST_F(ShimBasicTest, DrivesRunc) { check_foreign("runc"); }

TEST_F(ShimBasicTest, DrivesCrun) {
  SpawnOutput probe = ctr(run_words({"--rm", "--runc-binary", "crun"}, "probe", {"true"}, kAsRunc));
  // Its own words, which reach the client as they are.
  if (probe.error_text.find("hybrid mode not supported") != std::string::npos) {
    GTEST_SKIP() << "crun does not take the cgroups of this machine";
  }
  check_foreign("crun");
}

// The test's containerd has one, as from systemd.
TEST_F(ShimBasicTest, TheNotifySocketOfTheDaemonIsNotPassedOn) {
  SpawnOutput ran = ctr(run_words({"--rm"}, "env", {"env"}));
  EXPECT_EQ(ran.exit_code, 0) << ran.error_text;
  EXPECT_THAT(ran.output, HasSubstr("PATH="));
  EXPECT_THAT(ran.output, ::testing::Not(HasSubstr("NOTIFY_SOCKET")));
}

TEST_F(ShimBasicTest, ARuntimeThatIsMissingIsNamed) {
  SpawnOutput ran =
      ctr(run_words({"--rm", "--runc-binary", "no-such-runtime"}, "none", {"true"}, kAsRunc));
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_THAT(ran.error_text, HasSubstr("\"no-such-runtime\": not found"));
  EXPECT_THAT(traces_of("none"), IsEmpty());
}

TEST_F(ShimBasicTest, AProgramThatIsMissingIsNamed) {
  SpawnOutput ran = ctr(run_words({"--rm"}, "none", {"no-such-program"}));
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_THAT(ran.error_text, HasSubstr("\"no-such-program\": executable file not found in $PATH"));
  EXPECT_THAT(traces_of("none"), IsEmpty());
  EXPECT_THAT(sockets(), IsEmpty());
}

// ctr calls CloseIO at the end of its input, but only of a task that it has: so the end must not
// come before (with any shim, it waits for ever then).
TEST_F(ShimBasicTest, InputReachesTheProcessAndEnds) {
  auto run = ctr_child(
      run_words({"--rm"}, "in", {"sh", "-c", "read a; echo got $a; cat; echo end; exit 6"}));
  ASSERT_TRUE(run.has_value());
  ASSERT_TRUE(run->write("one\n").has_value());
  ASSERT_TRUE(run->await("got one")) << run->said();
  ASSERT_TRUE(run->write("two\n").has_value());
  run->close_input();
  EXPECT_EQ(run->finish(), 6);
  EXPECT_EQ(run->said(), "got one\ntwo\nend\n");
}

TEST_F(ShimBasicTest, InputOfAnExecEnds) {
  run_detached("host", {"sleep", "1000"});
  auto run = ctr_child(
      {"task", "exec", "--exec-id", "x", "host", "sh", "-c", "read a; echo got $a; cat; exit 5"});
  ASSERT_TRUE(run.has_value());
  ASSERT_TRUE(run->write("one\n").has_value());
  ASSERT_TRUE(run->await("got one")) << run->said();
  ASSERT_TRUE(run->write("two\n").has_value());
  run->close_input();
  EXPECT_EQ(run->finish(), 5);
  EXPECT_EQ(run->said(), "got one\ntwo\n");
  EXPECT_EQ(status_of("host"), "RUNNING");
}

TEST_F(ShimBasicTest, HasATerminal) {
  auto run =
      ctr_child(run_words({"--rm", "-t"}, "tty",
                          {"sh", "-c",
                           "tty; while [ \"$(stty size 2>/dev/null)\" != '41 103' ]; do sleep 0.1; "
                           "done; echo sized; read a; echo \"<$a>\"; exit 9"}),
                true);
  ASSERT_TRUE(run.has_value());
  ASSERT_TRUE(run->await("/dev/pts/0")) << run->said();
  // ctr may not be listening yet; it hears of each.
  for (int i = 0; i < 100 && run->said().find("sized") == std::string::npos; ++i) {
    ASSERT_TRUE(run->resize(41, static_cast<unsigned short>(102 + i % 2)).has_value());
    ASSERT_TRUE(run->resize(41, 103).has_value());
    if (run->hears(500)) run->await("sized");
  }
  ASSERT_TRUE(run->await("sized")) << run->said();
  ASSERT_TRUE(run->write("typed\n").has_value());
  EXPECT_EQ(run->finish(), 9);
  EXPECT_THAT(run->said(), HasSubstr("<typed>\r"));
}

TEST_F(ShimBasicTest, SignalsReachTheTask) {
  run_detached("sig", {"sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.1; done"},
               {"--log-uri", cat("file://", folder_, "/sig.log")});
  // The trap is set once it is ready.
  while (read_file(folder_ + "/sig.log").value_or("").empty() && status_of("sig") == "RUNNING") {
  }
  ctr_output({"task", "kill", "-s", "SIGUSR1", "sig"});
  EXPECT_EQ(await_logged_task("sig"), 5);
  EXPECT_EQ(status_of("sig"), "");
}

TEST_F(ShimBasicTest, ADetachedTaskIsWaitedFor) {
  run_detached("wait", {"sh", "-c", "exit 44"}, {"--null-io"});
  EXPECT_EQ(await_task("wait"), 44);
  remove("wait");
  EXPECT_THAT(traces_of("wait"), IsEmpty());
}

TEST_F(ShimBasicTest, PausesAndTellsOfItself) {
  run_detached("busy", {"sh", "-c", "while :; do :; done"});
  ctr_output({"task", "pause", "busy"});
  EXPECT_EQ(status_of("busy"), "PAUSED");
  // Frozen: it uses no more.
  auto used = [] {
    std::string text = ctr_output({"task", "metrics", "--format", "json", "busy"});
    std::size_t at = text.find("\"total\":");
    return text.substr(at, text.find(',', at) - at);
  };
  std::string before = used();
  EXPECT_EQ(used(), before);
  ctr_output({"task", "resume", "busy"});
  EXPECT_EQ(status_of("busy"), "RUNNING");
  std::string now = used();
  for (int i = 0; i < 1000 && now == before; ++i) now = used();
  EXPECT_NE(now, before);
  EXPECT_THAT(ctr_output({"task", "ps", "busy"}), HasSubstr(cat(pid_of("busy"))));
}

TEST_F(ShimBasicTest, DeletesARunningTaskByForce) {
  run_detached("force", {"sleep", "1000"});
  pid_t pid = pid_of("force");
  pid_t shim = parent_of(pid);
  ASSERT_TRUE(lives(pid));
  EXPECT_EQ(trim(read_file(cat("/proc/", shim, "/comm")).value_or("")), "containerd-shim");
  EXPECT_EQ(sockets().size(), 1U);
  EXPECT_NE(ctr({"task", "delete", "force"}).exit_code, 0);
  EXPECT_EQ(status_of("force"), "RUNNING");
  ctr({"task", "delete", "--force", "force"});
  EXPECT_EQ(status_of("force"), "");
  EXPECT_FALSE(lives(pid));
  EXPECT_THAT(traces_of("force"), IsEmpty());
}

TEST_F(ShimBasicTest, WritesALogFile) {
  std::string log = folder_ + "/some.log";
  run_detached("log", {"sh", "-c", "echo out; echo err >&2"}, {"--log-uri", "file://" + log});
  EXPECT_EQ(await_logged_task("log"), 0);
  EXPECT_EQ(read_file(log).value_or(""), "out\nerr\n");
}

TEST_F(ShimBasicTest, WritesToALogger) {
  std::string log = folder_ + "/logged";
  std::string logger = folder_ + "/logger.sh";
  auto dir = open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(dir.has_value());
  std::string text = cat("#!/bin/sh\nexec >", log,
                         ".part\nexec 5>&-\necho \"$CONTAINER_NAMESPACE $CONTAINER_ID $*\"\n"
                         "cat <&3\ncat <&4\nmv ",
                         log, ".part ", log, "\necho >", log, ".end\n");
  ASSERT_TRUE(replace_file(*dir, "logger.sh", text, 0700).has_value());
  ASSERT_EQ(run_program({"mkfifo", log + ".end"})->exit_code, 0);
  run_detached("logger", {"sh", "-c", "echo out; echo err >&2"},
               {"--log-uri", cat("binary://", logger, "?key=value")});
  EXPECT_EQ(await_logged_task("logger"), 0);
  // The logger ends after the task does.
  auto ended = run_program({"timeout", "60", "cat", log + ".end"});
  ASSERT_TRUE(ended && ended->exit_code == 0);
  EXPECT_EQ(read_file(log).value_or(""), "default logger key value\nout\nerr\n");
}

}  // namespace
}  // namespace dhow::shim_test
