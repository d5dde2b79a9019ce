// SPDX-License-Identifier: Apache-2.0
#include "sys/process_lock.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <gtest/gtest.h>

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
