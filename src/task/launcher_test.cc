// SPDX-License-Identifier: Apache-2.0
#include "task/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::task {
namespace {

using ::testing::HasSubstr;

class LauncherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-launcher.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    auto folder = open_at(kCwd, path_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(folder.has_value());
    folder_ = std::move(*folder);
    auto pair = make_socket_pair(SOCK_STREAM);
    ASSERT_TRUE(pair.has_value());
    pair_ = std::move(*pair);
    shell_ = launcher("/bin/sh");
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::unique_ptr<Launcher> launcher(const std::string& program) {
    auto file = open_at(kCwd, program, O_RDONLY);
    EXPECT_TRUE(file.has_value());
    auto made = Launcher::make(*file);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return std::move(*made);
  }
  // What a shell's script wrote to its log, and how it ended.
  std::string run(const std::string& script) {
    auto pid = shell_->start({folder_, pair_.second, "log"}, {"sh", "-c", script});
    EXPECT_TRUE(pid.has_value()) << pid.error().message();
    if (!pid) return {};
    pair_.second.reset();
    auto status = wait_for(*pid);
    EXPECT_EQ(status.value_or(-1), 0);
    return read_file(cat(path_, "/log")).value_or("");
  }

  std::string path_;
  Fd folder_;
  SocketPair pair_;
  std::unique_ptr<Launcher> shell_;
};

TEST_F(LauncherTest, GivesWhatItSaysAndNothingElse) {
  std::ignore = set_cloexec_from(3);  // as everything of ours is
  std::vector<Fd> others;
  // Not close-on-exec, and above all that the program gets.
  for (int i = 0; i < 200; ++i) others.emplace_back(::fcntl(folder_.get(), F_DUPFD, 100));
  std::string said =
      run("pwd; cat; echo to the socket >&3; echo to the log >&2; ls /proc/$$/fd | tr '\\n' ' '");
  EXPECT_EQ(said, cat(std::filesystem::canonical(path_).string(), "\nto the log\n0 1 2 3 "));
  EXPECT_EQ(read_all(pair_.first).value_or("?"), "to the socket\n");
  for (const Fd& fd : others) EXPECT_GE(::fcntl(fd.get(), F_GETFD), 0) << "the caller's stay";
}

TEST_F(LauncherTest, TheProgramHasUsualSignalsAndASessionOfItsOwn) {
  ASSERT_NE(::signal(SIGUSR1, SIG_IGN), SIG_ERR);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  std::string said =
      run("grep -E '^Sig(Blk|Ign)' /proc/self/status; "
          "set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo leads its session");
  ::signal(SIGUSR1, SIG_DFL);
  sigset_t now;
  ::sigprocmask(SIG_SETMASK, &before, &now);
  EXPECT_TRUE(sigismember(&now, SIGUSR2)) << "the caller's stay";
  EXPECT_FALSE(sigismember(&now, SIGUSR1));
  EXPECT_THAT(said, HasSubstr("SigBlk:\t0000000000000000\n"));
  EXPECT_THAT(said, HasSubstr("SigIgn:\t0000000000000000\n"));
  EXPECT_THAT(said, HasSubstr("leads its session"));
}

TEST_F(LauncherTest, WhatIsHandedOverIsClosedAfterwards) {
  auto pid = shell_->start({folder_, pair_.second, "log"}, {"sh", "-c", "true"});
  ASSERT_TRUE(pid.has_value());
  std::ignore = wait_for(*pid);
  pair_.second.reset();
  // Nobody else has the other end.
  EXPECT_EQ(read_all(pair_.first).value_or("?"), "");
}

TEST_F(LauncherTest, SaysWhyAProgramDoesNotRun) {
  ASSERT_TRUE(replace_file(folder_, "text", "no program", 0600).has_value());
  auto text = launcher(cat(path_, "/text"));
  auto pid = text->start({folder_, pair_.second, "log"}, {"thing"});
  ASSERT_FALSE(pid.has_value());
  EXPECT_EQ(pid.error().sys_errno(), EACCES);
  EXPECT_THAT(pid.error().message(), HasSubstr("start thing"));
  // No zombie is left.
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  auto away = launcher("/bin/true")->start({folder_, pair_.second, "no/log"}, {"true"});
  ASSERT_FALSE(away.has_value());
  EXPECT_EQ(away.error().sys_errno(), ENOENT);
}

}  // namespace
}  // namespace dhow::task
