// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <utility>

#include "vm/shell.h"

namespace dhow::vm {

// A test with an engine from /dhow/bin, which has its data, its state and its log below a folder.
class EngineTest : public testing::Test {
 protected:
  explicit EngineTest(std::string place) : place_(std::move(place)) {}

  void SetUp() override {
    say("mkdir -p " + place_ + "/data");
    setenv("LD_LIBRARY_PATH", "/dhow/lib", 1);
    setenv("DOCKER_HOST", ("unix://" + place_ + "/state/docker.sock").c_str(), 1);
  }
  void TearDown() override {
    if (pid_ > 0) {
      sh(dhow("ps -aq") + " | xargs -r " + dhow("rm -f"));
      stop();
    }
    if (HasFailure()) printf("%s\n", sh("cat " + place_ + "/log; dmesg | tail -n 20").text.c_str());
  }

  // Returns when it serves, with these lines as its configuration.
  void start(const std::string& lines = {}) {
    say("cat >" + place_ + "/dhowd.toml <<'END'\n" + lines + "\nEND");
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(ends[0]);
      const std::string command = "exec /dhow/bin/dhowd --config " + place_ +
                                  "/dhowd.toml --root " + place_ + "/data/root --state " + place_ +
                                  "/state --ready-fd " + std::to_string(ends[1]) + " >>" + place_ +
                                  "/log 2>&1";
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1) << "dhowd did not start";
    close(ends[0]);
    say(dhow("image inspect busybox >/dev/null 2>&1") + " || " +
        dhow("load -i /dhow/share/dhow/images/busybox.tar"));
  }
  void stop(int signal = SIGTERM) {
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  static std::string dhow(const std::string& command) { return "/dhow/bin/dhow " + command; }

  const std::string place_;
  pid_t pid_ = 0;
};

}  // namespace dhow::vm
