// SPDX-License-Identifier: Apache-2.0
#include "sys/process_lock.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

#include "sys/file_io.h"

namespace dhow {
namespace {

class ProcessLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-lock.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    auto opened = open_at(kCwd, path_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(opened.has_value());
    folder_ = std::move(*opened);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  bool is_free() { return ProcessLock::take(folder_, "lock").has_value(); }
  // As another process sees it.
  bool is_free_elsewhere() {
    pid_t pid = ::fork();
    if (pid == 0) {
      struct flock whole{};
      whole.l_type = F_WRLCK;
      whole.l_whence = SEEK_SET;
      int fd = ::openat(folder_.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      ::_exit(::fcntl(fd, F_SETLK, &whole) == 0 ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status == 0;
  }

  std::string path_;
  Fd folder_;
};

TEST_F(ProcessLockTest, IsHeldAsLongAsTheObject) {
  {
    auto lock = ProcessLock::take(folder_, "lock");
    ASSERT_TRUE(lock.has_value()) << lock.error().message();
    EXPECT_FALSE(is_free_elsewhere());
    ProcessLock moved = std::move(*lock);
    EXPECT_FALSE(is_free_elsewhere());
  }
  EXPECT_TRUE(is_free_elsewhere());
  EXPECT_TRUE(is_free());
}

TEST_F(ProcessLockTest, IsRefusedToTheSameProcessAndStays) {
  auto lock = ProcessLock::take(folder_, "lock");
  ASSERT_TRUE(lock.has_value());
  auto second = ProcessLock::take(folder_, "lock");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_FALSE(is_free_elsewhere());
  EXPECT_TRUE(ProcessLock::take(folder_, "other").has_value());
}

// Whether somebody waits for a lock on the file, by proc_locks(5).
bool is_waited_for(ino_t file) {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.contains("->") && line.contains(":" + std::to_string(file) + " ")) return true;
  }
  return false;
}

TEST_F(ProcessLockTest, AChildWithTheDescriptorsOfOneThatWasKilledIsWaitedFor) {
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    auto lock = ProcessLock::take(folder_, "lock");
    struct stat facts{};
    if (!lock || ::fstatat(folder_.get(), "lock", &facts, 0) != 0) ::_exit(1);
    if (::syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
      constexpr unsigned kLongest = 60;
      ::alarm(kLongest);
      while (!is_waited_for(facts.st_ino)) ::sched_yield();
      ::_exit(0);
    }
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(pid, SIGKILL);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
  auto lock = ProcessLock::take(folder_, "lock");
  EXPECT_TRUE(lock.has_value()) << lock.error().message();
  int status = 1;
  EXPECT_GT(::waitpid(-1, &status, 0), 0);
  EXPECT_EQ(status, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(ProcessLockTest, OfAnotherProcessIsRefused) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    auto lock = ProcessLock::take(folder_, "lock");
    if (lock && ::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  auto lock = ProcessLock::take(folder_, "lock");
  ASSERT_FALSE(lock.has_value());
  EXPECT_EQ(lock.error().code(), Code::kUnavailable);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(is_free());
  ::close(ready[0]);
  ::close(ready[1]);
}

// The child of a process that was killed, before it has come to its own program.
TEST_F(ProcessLockTest, IsNotInherited) {
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  pid_t pid = ::fork();
  if (pid == 0) {
    auto lock = ProcessLock::take(folder_, "lock");
    pid_t child = lock ? ::fork() : -1;
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    if (::write(ready[1], &child, sizeof child) != sizeof child) ::_exit(1);
    ::pause();
  }
  pid_t child = 0;
  ASSERT_EQ(::read(ready[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(is_free());
  if (child > 0) ::kill(child, SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace dhow
