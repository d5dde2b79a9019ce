// SPDX-License-Identifier: Apache-2.0
// The stock runtimes of others below our shim, by docker's command line: --runtime runc and crun.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

class DaemonRuntimesTest : public BusyboxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static std::string name() { return GetParam(); }

  // Debian's runc sets capabilities that this machine's root may not have, and crun 1.8 takes no
  // cgroups of version 1 that are not all there: what they say to a container of no special wishes.
  void SetUp() override {
    BusyboxTest::SetUp();
    if (IsSkipped()) return;
    bool is_there = false;
    for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"}) {
      is_there |= ::access(cat(folder, name()).c_str(), X_OK) == 0;
    }
    if (!is_there) GTEST_SKIP() << "there is no " << name();
    SpawnOutput probe = start_one("probe", {"true"});
    for (const char* lack : {"unable to apply caps", "cgroup"}) {
      if (probe.exit_code != 0 && probe.error_text.find(lack) != std::string::npos) {
        GTEST_SKIP() << name() << " can't do on this machine: " << probe.error_text;
      }
    }
    ASSERT_EQ(probe.exit_code, 0) << probe.error_text;
    docker_output({"rm", "-f", "probe"});
  }

  SpawnOutput start_one(const std::string& container, std::vector<std::string> command,
                        std::vector<std::string> flags = {"-d"}) {
    flags.insert(flags.end(), {"--runtime", name(), "--name", container, "busybox"});
    flags.insert(flags.end(), command.begin(), command.end());
    return run(std::move(flags));
  }
};

TEST_P(DaemonRuntimesTest, RunGivesOutputInputAndExitCode) {
  SpawnOutput said = start_one("one", {"sh", "-c", "cat; echo err >&2; exit 7"}, {"--rm", "-i"});
  EXPECT_EQ(said.exit_code, 7) << said.error_text;
  SpawnOutput fed = run({"--rm", "-i", "--runtime", name(), "busybox", "cat"}, "through\n");
  EXPECT_EQ(fed.output, "through\n") << fed.error_text;
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

TEST_P(DaemonRuntimesTest, ExecsKillsAndDeletes) {
  SpawnOutput started =
      start_one("one", {"sh", "-c", "trap 'exit 31' USR1; touch /up; while :; do sleep 0.1; done"});
  ASSERT_EQ(started.exit_code, 0) << started.error_text;
  EXPECT_EQ(docker_output({"inspect", "-f", "{{.HostConfig.Runtime}} {{.State.Status}}", "one"}),
            name() + " running");
  // The runtime has it, in a folder that is dhow's.
  EXPECT_TRUE(std::filesystem::exists(folder_ / "state" / ("runtime-" + name())));
  EXPECT_EQ(docker_output({"exec", "one", "sh", "-c", "while ! test -e /up; do :; done; echo in"}),
            "in");
  EXPECT_EQ(docker({"exec", "one", "sh", "-c", "exit 5"}).exit_code, 5);
  EXPECT_EQ(docker({"exec", "one", "/nothing"}).exit_code, 127);
  EXPECT_EQ(docker_output({"exec", "-i", "one", "cat"}, "typed"), "typed");
  docker_output({"kill", "-s", "USR1", "one"});
  EXPECT_EQ(docker_output({"wait", "one"}), "31");
  docker_output({"start", "one"});
  docker_output({"kill", "one"});
  EXPECT_EQ(docker_output({"wait", "one"}), "137");
  docker_output({"rm", "one"});
  EXPECT_EQ(docker({"inspect", "one"}).exit_code, 1);
}

TEST_P(DaemonRuntimesTest, ContainersOutliveTheEngine) {
  ASSERT_EQ(start_one("one", {"sh", "-c", "echo before; exec sleep 1000"}).exit_code, 0);
  std::string pid = docker_output({"inspect", "-f", "{{.State.Pid}}", "one"});
  stop_daemon(SIGKILL);
  start_daemon();
  EXPECT_EQ(docker_output({"inspect", "-f", "{{.State.Pid}} {{.State.Running}}", "one"}),
            pid + " true");
  EXPECT_EQ(docker_output({"exec", "one", "echo", "after"}), "after");
  EXPECT_EQ(docker_output({"logs", "one"}), "before");
  docker_output({"rm", "-f", "one"});
  EXPECT_NE(::access(cat("/proc/", pid).c_str(), F_OK), 0);
}

TEST_P(DaemonRuntimesTest, AProgramThatIsNotThereIsDockersExitCode) {
  EXPECT_EQ(start_one("one", {"/nothing"}, {"--rm"}).exit_code, 127);
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

class DaemonForeignShimTest : public BusyboxTest {};

TEST_F(DaemonForeignShimTest, ExecsGiveOutputAndExitCode) {
  if (::access("/usr/bin/containerd-shim-runc-v2", X_OK) != 0) GTEST_SKIP() << "no other shim";
  SpawnOutput started = run(
      {"-d", "--name", "one", "--runtime", "io.containerd.runc.v2", "busybox", "sleep", "1000"});
  ASSERT_EQ(started.exit_code, 0) << started.error_text;
  for (int round = 0; round < 5; ++round) {
    SpawnOutput said = docker({"exec", "one", "sh", "-c", "echo out; echo err >&2; exit 7"});
    EXPECT_EQ(said.output, "out\n");
    EXPECT_EQ(said.error_text, "err\n");
    EXPECT_EQ(said.exit_code, 7);
  }
  // More than a pipe holds.
  EXPECT_EQ(docker_output({"exec", "one", "sh", "-c", "seq 100000 >&2; echo end"}), "end");
  EXPECT_EQ(docker_output({"exec", "-d", "one", "true"}), "");
  SpawnOutput refused = docker({"exec", "-i", "one", "cat"});
  EXPECT_EQ(refused.exit_code, 126);
  EXPECT_THAT(refused.output,
              HasSubstr("AttachStdin: without a terminal no input comes through the shim "
                        "io.containerd.runc.v2"));
  EXPECT_EQ(docker({"exec", "-u", "nobody-of-that-name", "one", "true"}).exit_code, 126);
  EXPECT_EQ(docker({"exec", "one", "/nothing"}).exit_code, 127);
  docker_output({"rm", "-f", "one"});
}

TEST_F(DaemonForeignShimTest, TerminalsTakeInput) {
  if (::access("/usr/bin/containerd-shim-runc-v2", X_OK) != 0) GTEST_SKIP() << "no other shim";
  SpawnOutput started = run({"-dit", "--name", "one", "--runtime", "io.containerd.runc.v2", "--env",
                             "PS1=", "busybox", "sh"});
  ASSERT_EQ(started.exit_code, 0) << started.error_text;
  constexpr std::string_view kTyped = "echo $((40+2)); exit 3\n";
  auto raw = [kTyped](std::string_view target, std::string_view body) {
    return cat("POST ", target, " HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
               body.empty() ? "" : "Content-Type: application/json\r\n",
               "Content-Length: ", body.size(), "\r\n\r\n", body, kTyped);
  };
  std::string id = docker_output({"inspect", "-f", "{{.Id}}", "one"});
  std::string made = http(
      cat("POST /containers/", id, "/exec HTTP/1.1\r\nHost: d\r\n",
          "Connection: close\r\nContent-Type: application/json\r\n", "Content-Length: 79\r\n\r\n",
          R"({"AttachStdin":true,"AttachStdout":true,"Tty":true,"Env":["PS1="],"Cmd":["sh"]})"));
  std::string exec = made.substr(made.find("\"Id\":\"") + 6, 64);
  EXPECT_THAT(http(raw(cat("/exec/", exec, "/start"), R"({"Detach":false,"Tty":true})")),
              HasSubstr("\n42\r\n"));
  EXPECT_THAT(http(raw("/containers/one/attach?stream=1&stdin=1&stdout=1", "")),
              HasSubstr("\n42\r\n"));
  EXPECT_EQ(docker_output({"wait", "one"}), "3");
}

INSTANTIATE_TEST_SUITE_P(Stock, DaemonRuntimesTest, ::testing::Values("runc", "crun"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dhow::daemon_test
