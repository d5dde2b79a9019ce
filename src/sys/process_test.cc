// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/spawn.h"
#include "sys/testing/deny_syscall.h"
#include "sys/testing/forked.h"
#include "sys/testing/temp_dir.h"

namespace dhow {
namespace {

using dhow::testing::deny_syscall;
using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::HasSubstr;

// A child that waits until it is killed, and is reaped with its owner.
class Sleeper {
 public:
  Sleeper() {
    auto child = clone_process({});
    if (!child) return;
    if (child->pid == 0) {
      while (true) ::pause();
    }
    pid = child->pid;
    pidfd = std::move(child->pidfd);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  pid_t pid = -1;
  PidFd pidfd;
};

TEST(CloneTest, ChildRunsAndIsWaitedFor) {
  auto child = clone_process({});
  ASSERT_TRUE(child) << child.error().message();
  if (child->pid == 0) ::_exit(child->pidfd ? 1 : 7);
  EXPECT_TRUE(child->pidfd);
  EXPECT_EQ(fcntl(child->pidfd.fd().get(), F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(*child->pidfd.wait_exit(-1));
  auto status = wait_for(child->pid);
  ASSERT_TRUE(status);
  EXPECT_EQ(exit_code_from_wait_status(*status), 7);
}

TEST(CloneTest, WorksWithoutPidFd) {
  auto child = clone_process({.flags = 0, .cgroup = {}, .want_pidfd = false});
  ASSERT_TRUE(child);
  if (child->pid == 0) ::_exit(3);
  EXPECT_FALSE(child->pidfd);
  EXPECT_EQ(exit_code_from_wait_status(*wait_for(child->pid)), 3);
}

TEST(CloneTest, OlderCallStandsInForClone3) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (!deny_syscall(SYS_clone3, ENOSYS)) return "seccomp failed";
              auto child = clone_process({});
              if (!child) return child.error().message();
              if (child->pid == 0) ::_exit(9);
              if (!child->pidfd || !*child->pidfd.wait_exit(-1)) return "no pidfd";
              std::string text = cat(exit_code_from_wait_status(*wait_for(child->pid)));
              // What it can't do is still an error, not something else.
              auto timed = clone_process({.flags = CLONE_NEWTIME, .cgroup = {}});
              auto grouped = clone_process({.flags = 0, .cgroup = 0});
              return cat(text, "|", message_of(timed), "|", message_of(grouped));
            }),
            "9|clone process: function not implemented|clone process: function not implemented");
}

TEST(CloneTest, FailureIsAnError) {
  auto child = clone_process({.flags = CLONE_NEWNS | CLONE_FS, .cgroup = {}});
  if (child && child->pid == 0) ::_exit(0);
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message(), "clone process: invalid argument");
}

TEST(SpawnTest, ProgramDiesWithItsCaller) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  pid_t caller = fork();
  if (caller == 0) {
    SpawnOptions options;
    options.path = "/bin/sh";
    options.arguments = {"sh", "-c", "echo >&" + std::to_string(ends[1]) + "; exec sleep 60"};
    options.inherit = {ends[1]};
    options.dies_with_caller = true;
    _exit(spawn_and_wait(options) ? 0 : 1);
  }
  write_end.reset();
  char byte = 0;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 1);
  kill(caller, SIGKILL);
  EXPECT_TRUE(wait_for(caller).has_value());
  // The pipe ends with the last who has it.
  struct pollfd end{read_end.get(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 30'000), 1);
  EXPECT_EQ(read(read_end.get(), &byte, 1), 0);
}

TEST(SpawnTest, AProgramNeedNotReadItsInput) {
  std::string input(1 << 20, 'x');  // more than a pipe holds
  SpawnOptions options;
  options.arguments = {"true"};
  options.input = input;
  auto output = spawn_and_wait(options);
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(output->exit_code, 0);
  // It is a fault for everybody else as before.
  EXPECT_EQ(signal(SIGPIPE, SIG_DFL), SIG_DFL);
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(SpawnTest, KeepsAsMuchAsIsAskedFor) {
  SpawnOptions options;
  options.arguments = {"head", "-c", "100000", "/dev/zero"};
  auto output = spawn_and_wait(options);
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(output->output.size(), 65536U);
  EXPECT_TRUE(output->cut);
  options.max_caught = 100'000;
  output = spawn_and_wait(options);
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(output->output.size(), 100'000U);
  EXPECT_FALSE(output->cut);
}

TEST(ExitCodeTest, CountsAsAShellDoes) {
  EXPECT_EQ(exit_code_from_wait_status(W_EXITCODE(0, 0)), 0);
  EXPECT_EQ(exit_code_from_wait_status(W_EXITCODE(255, 0)), 255);
  EXPECT_EQ(exit_code_from_wait_status(W_EXITCODE(0, SIGKILL)), 137);
  EXPECT_EQ(exit_code_from_wait_status(W_EXITCODE(0, SIGSEGV) | 0x80), 139);  // with a core
}

TEST(PidFdTest, WaitsWithALimitAndSignals) {
  Sleeper sleeper;
  ASSERT_GT(sleeper.pid, 0);
  auto opened = PidFd::open(sleeper.pid);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_FALSE(*opened->wait_exit(0));
  EXPECT_TRUE(opened->send_signal(SIGTERM));
  EXPECT_TRUE(*opened->wait_exit(-1));
  EXPECT_TRUE(*opened->wait_exit(0));
  EXPECT_EQ(exit_code_from_wait_status(*wait_for(sleeper.pid)), 128 + SIGTERM);
  auto gone = opened->send_signal(SIGTERM);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().sys_errno(), ESRCH);
  sleeper.pid = -1;
}

TEST(PidFdTest, NoDescriptorIsNoEndedProcess) {
  auto waited = PidFd().wait_exit(0);
  // poll(2) leaves descriptors below 0 out, so nothing is ever ready.
  EXPECT_TRUE(waited && !*waited);
  auto closed = PidFd(Fd(987654)).wait_exit(0);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().sys_errno(), EBADF);
}

TEST(PidFdTest, TakesDescriptors) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  Sleeper sleeper;
  ASSERT_GT(sleeper.pid, 0);
  auto taken = sleeper.pidfd.take_fd(writer.get());
  if (!taken && taken.error().sys_errno() == EPERM) GTEST_SKIP() << "ptrace is restricted here";
  ASSERT_TRUE(taken) << taken.error().message();
  EXPECT_EQ(fcntl(taken->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(write(taken->get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(sleeper.pidfd.take_fd(987654).error().sys_errno(), EBADF);
}

TEST(PidFdTest, NobodyIsNotFound) {
  auto missing = PidFd::open(0x3fffffff);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "open process 1073741823: no such process");
}

TEST(WaitTest, NoChildIsAnError) {
  EXPECT_EQ(message_of(wait_for(getpid())),
            cat("wait for process ", getpid(), ": no child processes"));
}

std::string cloexec_flags(int low, int high) {
  return cat((fcntl(low, F_GETFD) & FD_CLOEXEC) != 0 ? "set" : "clear", " ",
             (fcntl(high, F_GETFD) & FD_CLOEXEC) != 0 ? "set" : "clear");
}

TEST(CloexecTest, MarksFromANumberOn) {
  for (bool older_kernel : {false, true}) {
    EXPECT_EQ(in_child([&]() -> std::string {
                int low = fcntl(0, F_DUPFD, 200);
                int high = fcntl(0, F_DUPFD, 210);
                if (older_kernel && !deny_syscall(SYS_close_range, EINVAL)) return "seccomp failed";
                if (auto s = set_cloexec_from(210); !s) return s.error().message();
                return cloexec_flags(low, high);
              }),
              "clear set");
  }
}

class FakeFdListTest : public dhow::testing::TempDirTest {};

TEST_F(FakeFdListTest, IsNotBelieved) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  ASSERT_TRUE(make_dirs(at("self/fd"), 0755));
  EXPECT_EQ(in_child([&]() -> std::string {
              if (unshare(CLONE_NEWNS) != 0) return "no mount namespace";
              if (mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0) return "private failed";
              if (mount(path_.c_str(), "/proc", "", MS_BIND, nullptr) != 0) return "bind failed";
              if (!deny_syscall(SYS_close_range, EINVAL)) return "seccomp failed";
              return message_of(set_cloexec_from(3));
            }),
            "\"/proc/self/fd\" is not procfs: refused");
}

TEST(ProcessStatTest, NamesAProcessForGood) {
  auto own = read_process_stat(getpid());
  ASSERT_TRUE(own) << own.error().message();
  EXPECT_EQ(own->state, 'R');
  EXPECT_GT(own->start_time, 0U);
  EXPECT_EQ(read_process_stat(getpid())->start_time, own->start_time);
  auto missing = read_process_stat(0x3fffffff);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
}

TEST(ProcessStatTest, SurvivesStrangeNames) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  auto child = clone_process({});
  ASSERT_TRUE(child);
  if (child->pid == 0) {
    prctl(PR_SET_NAME, ") Z 1 (\n");
    std::ignore = write(ends[1], "x", 1);
    while (true) ::pause();
  }
  char byte;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  auto stat = read_process_stat(child->pid);
  ::kill(child->pid, SIGKILL);
  ASSERT_TRUE(child->pidfd.wait_exit(-1).has_value());
  auto dead = read_process_stat(child->pid);
  EXPECT_TRUE(wait_for(child->pid));
  close(ends[0]);
  close(ends[1]);
  ASSERT_TRUE(stat) << stat.error().message();
  EXPECT_NE(stat->state, 'Z');
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->state, 'Z');
  EXPECT_EQ(dead->start_time, stat->start_time);
}

}  // namespace
}  // namespace dhow
