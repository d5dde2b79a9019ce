// SPDX-License-Identifier: Apache-2.0
//
// dhow-units-check: the units of packaging/systemd in the systemd guest of tests/vm, under a real
// systemd. As root first, which installs the programs; then as the ordinary user, whose own manager
// runs the units of packaging/systemd/user. Tests of one user share its engine, so one shard only.

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "vm/shell.h"

namespace {

using dhow::vm::Outcome;
using dhow::vm::say;
using dhow::vm::sh;

bool is_root() { return geteuid() == 0; }

// True once `is` is; the limit is only there for what never comes.
bool wait_for(const std::function<bool()>& is) {
  for (int i = 0; i < 600; ++i) {
    if (is()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return false;
}

std::string systemctl() { return is_root() ? "systemctl " : "systemctl --user "; }

std::string state_of(const std::string& unit) { return sh(systemctl() + "is-active " + unit).text; }

std::string main_pid() { return say(systemctl() + "show -p MainPID --value dhowd.service"); }

// Why the engine did what it did, for a failure's message.
std::string journal() {
  return sh(std::string("journalctl --no-pager -n 60 ") +
            (is_root() ? "-u dhowd.service" : "--user-unit dhowd.service"))
      .text;
}

// Puts the programs, the libraries of dhowd and the images where a package would.
std::string install_programs() {
  return "set -e; cd /dhow/bin;"
         "install dhow dhowd containerd-shim-dhow-v1 dhow-runtime /usr/bin/;"
         "for other in dhow-init crun runc; do"
         "  test ! -e $other || install $other /usr/bin/; done;"
         "cp -n /dhow/lib/* /usr/local/lib/ && ldconfig;"
         "mkdir -p /usr/share/dhow && cp -R /dhow/share/dhow/images /usr/share/dhow/;"
         "cp /dhow/packaging/systemd/dhowd.* /etc/systemd/system/;"
         "mkdir -p /etc/systemd/user && cp /dhow/packaging/systemd/user/dhowd.* /etc/systemd/user/;"
         "systemd-sysusers /dhow/packaging/sysusers.d/dhow.conf;"
         "systemctl daemon-reload";
}

class Units : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (is_root()) {
      say(install_programs());
    } else {
      say(systemctl() + "daemon-reload");
    }
    say(systemctl() + "start dhowd.socket");
  }

  static void TearDownTestSuite() {
    sh("dhow ps -aq | xargs -r dhow rm -f");
    sh(systemctl() + "stop dhowd.socket dhowd.service");
  }

  void TearDown() override {
    if (HasFailure()) std::printf("%s\n", journal().c_str());
  }

  // Starts a container that runs until it is removed; its process.
  static std::string start_container(const std::string& name) {
    say("dhow run -d --name " + name + network() +
        " busybox sh -c 'while :; do echo beat; sleep 1; done'");
    return pid_of(name);
  }
  static std::string pid_of(const std::string& name) {
    return say("dhow inspect -f '{{.State.Pid}}' " + name);
  }
  static const char* network() { return is_root() ? "" : " --network none"; }
};

TEST_F(Units, TheSocketStartsTheEngineForTheFirstRequest) {
  say(systemctl() + "stop dhowd.service");
  say(systemctl() + "start dhowd.socket");
  EXPECT_EQ(state_of("dhowd.socket"), "active");
  EXPECT_EQ(state_of("dhowd.service"), "inactive");
  EXPECT_EQ(say("dhow run --rm" + std::string(network()) + " busybox echo hello"), "hello");
  EXPECT_EQ(state_of("dhowd.service"), "active");
}

TEST_F(Units, TheSocketBelongsToWhomItShould) {
  if (is_root()) {
    EXPECT_EQ(say("stat -c '%a %U %G' /run/dhow/docker.sock"), "660 root docker");
    return;
  }
  EXPECT_EQ(say("stat -c '%a %U' $XDG_RUNTIME_DIR/dhow/docker.sock"), "600 dhow");
}

TEST_F(Units, ContainersOutliveARestart) {
  std::string pid = start_container("restarted");
  std::string engine = main_pid();
  say(systemctl() + "restart dhowd.service");
  EXPECT_NE(main_pid(), engine);
  EXPECT_EQ(pid_of("restarted"), pid);
  EXPECT_EQ(say("dhow exec restarted echo inside"), "inside");
  say("dhow rm -f restarted");
}

TEST_F(Units, ContainersRunWhileTheEngineIsStopped) {
  std::string pid = start_container("alone");
  say(systemctl() + "stop dhowd.socket dhowd.service");
  EXPECT_EQ(sh("test -d /proc/" + pid).code, 0);
  say(systemctl() + "start dhowd.socket");
  EXPECT_EQ(pid_of("alone"), pid);
  say("dhow rm -f alone");
  EXPECT_NE(sh("test -d /proc/" + pid).code, 0);
}

TEST_F(Units, AnEngineThatIsKilledIsStartedAgain) {
  std::string pid = start_container("killed");
  std::string engine = main_pid();
  say("kill -KILL " + engine);
  ASSERT_TRUE(wait_for([&] {
    std::string now = sh(systemctl() + "show -p MainPID --value dhowd.service").text;
    return now != engine && now != "0" && state_of("dhowd.service") == "active";
  }));
  EXPECT_EQ(pid_of("killed"), pid);
  EXPECT_EQ(say("dhow inspect -f '{{.State.Running}} {{.RestartCount}}' killed"), "true 0");
  EXPECT_NE(say("dhow logs killed").find("beat"), std::string::npos);
  say("dhow rm -f killed");
}

TEST_F(Units, AnIdleEngineEndsAndTheNextRequestStartsIt) {
  std::string folder = is_root() ? "/run/systemd/system/dhowd.service.d"
                                 : "$XDG_RUNTIME_DIR/systemd/user/dhowd.service.d";
  say("mkdir -p " + folder +
      " && printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/dhowd "
      "--idle-exit 2\\n' >" +
      folder + "/idle.conf && " + systemctl() + "daemon-reload && " + systemctl() +
      "restart dhowd.service");
  std::string pid = start_container("idle");
  EXPECT_TRUE(wait_for([] { return state_of("dhowd.service") == "inactive"; }));
  EXPECT_EQ(state_of("dhowd.socket"), "active");
  EXPECT_EQ(say(systemctl() + "show -p Result --value dhowd.service"), "success");
  EXPECT_EQ(pid_of("idle"), pid);
  EXPECT_EQ(state_of("dhowd.service"), "active");
  say("dhow rm -f idle");
  say("rm -r " + folder + " && " + systemctl() + "daemon-reload && " + systemctl() +
      "restart dhowd.service");
}

TEST_F(Units, ReloadTakesTheLogLevelOfTheFile) {
  std::string folder = is_root() ? "/etc/dhow" : "$HOME/.config/dhow";
  say("dhow version >/dev/null");
  std::string engine = main_pid();
  say("mkdir -p " + folder + " && echo 'log-level = \"debug\"' >" + folder + "/dhowd.toml");
  std::string before = say("date +%s");
  say(systemctl() + "reload dhowd.service");
  EXPECT_TRUE(wait_for([&] {
    return !sh("dhow events --since " + before + " --until $(date +%s) | grep 'daemon reload'")
                .text.empty();
  }));
  EXPECT_EQ(main_pid(), engine);
  // A file that is wrong changes nothing, and ends nothing.
  say("echo 'log-level = \"loud\"' >" + folder + "/dhowd.toml");
  say(systemctl() + "reload dhowd.service");
  say("dhow version >/dev/null");
  EXPECT_EQ(main_pid(), engine);
  say("rm " + folder + "/dhowd.toml");
}

// Here crun has the cgroups that it wants, which a host with version 1 hasn't.
TEST_F(Units, RuntimesOfOthersRunBelowTheShim) {
  if (!is_root()) GTEST_SKIP() << "once is enough";
  for (const char* runtime : {"crun", "runc"}) {
    if (sh(std::string("test -x /usr/bin/") + runtime).code != 0) continue;
    std::string run = std::string("dhow run --runtime ") + runtime;
    EXPECT_EQ(say(run + " --rm -i busybox sh -c 'cat; exit 0' </etc/hostname"),
              say("cat /etc/hostname"));
    EXPECT_EQ(sh(run + " --rm busybox sh -c 'exit 7'").code, 7);
    say(run +
        " -d --name other --memory 64m busybox sh -c \"trap 'exit 31' USR1; "
        "while :; do sleep 0.1; done\"");
    EXPECT_EQ(say("dhow exec other cat /sys/fs/cgroup/memory.max"), "67108864");
    EXPECT_EQ(sh("dhow exec other sh -c 'exit 5'").code, 5);
    say("dhow kill -s USR1 other");
    EXPECT_EQ(say("dhow wait other"), "31");
    say("dhow start other");
    std::string pid = pid_of("other");
    say(systemctl() + "restart dhowd.service");
    EXPECT_EQ(pid_of("other"), pid);
    say("dhow kill other");
    EXPECT_EQ(say("dhow wait other"), "137");
    say("dhow rm other");
    std::printf("%s: %s\n", runtime,
                sh(std::string(runtime) + " --version | head -n 1").text.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* guest = std::getenv("DHOW_VM_GUEST");
  if (guest == nullptr || std::string(guest) != "systemd") {
    std::fputs("dhow-units-check runs in the systemd guest of tests/vm only\n", stderr);
    return 2;
  }
  return RUN_ALL_TESTS();
}
