// SPDX-License-Identifier: Apache-2.0
// Terminals: sizes, detach keys, and what a client shows on one. Each test goes through docker's
// command line and ours.
#include <chrono>
#include <gmock/gmock.h>
#include <thread>
#include <tuple>

#include "base/strings.h"
#include "cli/client_fixture.h"

namespace dhow::cli_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TerminalTest : public ClientTest {
 protected:
  // A shell that tells its terminal's size at first and whenever that changes.
  static Words teller() {
    return {"sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"};
  }
  static Words joined(Words first, const Words& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  }
  // Gives a terminal another size until what runs on it has told that: a client takes no notice of
  // changes until it is ready to, and there is nothing to see that by.
  static bool takes_size(Child& child, unsigned short rows, unsigned short columns) {
    std::jthread changes([&](const std::stop_token& stop) {
      for (unsigned i = 0; !stop.stop_requested(); ++i) {
        std::ignore = child.resize(rows, static_cast<unsigned short>(columns + i % 2));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    });
    return child.await(cat(rows, " ", columns));
  }
  bool is_running(const std::string& name) {
    return docker_output({"inspect", "-f", "{{.State.Running}}", name}) == "true";
  }
};

TEST_P(TerminalTest, RunHasTheSizeAndItsChanges) {
  Child run = on_terminal(
      joined({"run", "-it", "--rm", "--name", "tt", "--network", "none", "busybox"}, teller()), 31,
      97);
  EXPECT_TRUE(run.await("31 97")) << run.said();
  EXPECT_TRUE(takes_size(run, 40, 101)) << run.said();
  docker_output({"kill", "tt"});
  EXPECT_EQ(run.finish(), 137);
}

TEST_P(TerminalTest, ExecHasTheSizeAndItsChanges) {
  start_sleeper("tt");
  Child exec = on_terminal(joined({"exec", "-it", "tt"}, teller()), 33, 99);
  EXPECT_TRUE(exec.await("33 99")) << exec.said();
  EXPECT_TRUE(takes_size(exec, 41, 102)) << exec.said();
}

TEST_P(TerminalTest, AttachSetsTheSize) {
  docker_output({"run", "-dit", "--name", "tt", "--network", "none", "busybox", "sh", "-c",
                 "trap 'stty size' WINCH; while :; do sleep 0.05; done"});
  Child attached = on_terminal({"attach", "tt"}, 35, 90);
  EXPECT_TRUE(attached.await("35 90")) << attached.said();
  EXPECT_TRUE(takes_size(attached, 42, 103)) << attached.said();
}

TEST_P(TerminalTest, WhatIsTypedComesBackOnce) {
  Child run = on_terminal({"run", "-it", "--rm", "--network", "none", "busybox", "sh", "-c",
                           "read x; echo \"got <$x>\"; exit 9"});
  ASSERT_TRUE(run.write("word\r").has_value());
  EXPECT_EQ(run.finish(), 9);
  EXPECT_THAT(run.said(), HasSubstr("word\r\ngot <word>\r\n"));
}

TEST_P(TerminalTest, TheDetachKeysLeaveAContainerRunning) {
  Child run = on_terminal({"run", "-it", "--name", "tt", "--network", "none", "busybox", "sh"});
  ASSERT_TRUE(run.await("#")) << run.said();
  ASSERT_TRUE(run.write("\x10\x11").has_value());
  EXPECT_EQ(run.finish(), 0) << run.said();
  EXPECT_TRUE(is_running("tt"));
  Child attached = on_terminal({"attach", "--detach-keys", "ctrl-x,x", "tt"});
  ASSERT_TRUE(attached.write("echo $((40+2))\r").has_value());
  ASSERT_TRUE(attached.await("42")) << attached.said();
  // The other keys are typed, and half of the sequence too when it doesn't go on.
  ASSERT_TRUE(attached
                  .write("\x10\x11\x18y\x15"
                         "echo $((50+3))\r")
                  .has_value());
  ASSERT_TRUE(attached.await("53")) << attached.said();
  ASSERT_TRUE(attached.write("\x18x").has_value());
  EXPECT_EQ(attached.finish(), 1);
  EXPECT_THAT(attached.said(), HasSubstr("read escape sequence"));
  EXPECT_TRUE(is_running("tt"));
  Child started = on_terminal({"start", "-ai", "--detach-keys", "a,b", "tt"});
  ASSERT_TRUE(started.write("echo $((60+4))\r").has_value());
  ASSERT_TRUE(started.await("64")) << started.said();
  ASSERT_TRUE(started.write("ab").has_value());
  EXPECT_EQ(started.finish(), 0) << started.said();
  EXPECT_TRUE(is_running("tt"));
}

TEST_P(TerminalTest, TheDetachKeysEndAnExecForItsClientAlone) {
  start_sleeper("tt");
  Child exec = on_terminal(
      {"exec", "-it", "--detach-keys", "ctrl-a", "tt", "sh", "-c", "echo up; sleep 1000"});
  ASSERT_TRUE(exec.await("up")) << exec.said();
  ASSERT_TRUE(exec.write("\x01").has_value());
  EXPECT_EQ(exec.finish(), 1);
  EXPECT_THAT(exec.said(), HasSubstr("read escape sequence"));
  EXPECT_THAT(docker_output({"top", "tt"}), HasSubstr("sleep 1000"));
}

TEST_P(TerminalTest, DetachKeysOfTheConfigurationAndWrongOnes) {
  write("client/config.json", R"({"detachKeys": "ctrl-b"})");
  Child run = on_terminal({"run", "-it", "--name", "tt", "--network", "none", "busybox", "sh"});
  ASSERT_TRUE(run.await("#")) << run.said();
  ASSERT_TRUE(run.write("\x02").has_value());
  EXPECT_EQ(run.finish(), 0) << run.said();
  EXPECT_TRUE(is_running("tt"));
  Child wrong = on_terminal({"attach", "--detach-keys", "ctrl-a,nonsense", "tt"});
  EXPECT_EQ(wrong.finish(), 1);
  // docker leaves it to the engine, and shows nothing of its answer.
  EXPECT_THAT(wrong.said(), HasSubstr(is_docker() ? "400" : "nonsense"));
}

TEST_P(TerminalTest, ATerminalIsNotMadeOfAPipe) {
  SpawnOutput result = call({"run", "-it", "--rm", "busybox", "true"}, "x");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error_text, HasSubstr("the input device is not a TTY"));
  // Without input there may be one, and lines end as on one.
  EXPECT_EQ(call({"run", "-t", "--rm", "--network", "none", "busybox", "echo", "x"}).output,
            "x\r\n");
}

INSTANTIATE_TEST_SUITE_P(Clients, TerminalTest, ::testing::Values("docker", "dhow"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dhow::cli_test
