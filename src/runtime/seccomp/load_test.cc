// SPDX-License-Identifier: Apache-2.0
// Filters in force: each in a child that loads one and makes real system calls.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <gmock/gmock.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/seccomp/machine.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::seccomp {
namespace {

using oci::SeccompAction;
using ::testing::HasSubstr;

constexpr long kNoSuchCallYet = 511;  // above all x86-64 and arm64 calls, below x32's own

oci::Seccomp profile_of(SeccompAction default_action, std::string name, SeccompAction action,
                        std::optional<std::uint32_t> errno_ret = std::nullopt) {
  oci::Seccomp profile;
  profile.default_action = default_action;
  oci::SeccompSyscall entry;
  entry.names = {std::move(name)};
  entry.action = action;
  entry.errno_ret = errno_ret;
  profile.syscalls.push_back(std::move(entry));
  return profile;
}

// Loads the filter with no_new_privs set; ends the process with 99 when that fails.
std::optional<Fd> load_or_exit(const Program& program) {
  const struct rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(99);
  auto loaded = load(program);
  if (!loaded) {
    const std::string text = loaded.error().message() + "\n";
    std::ignore = ::write(STDERR_FILENO, text.data(), text.size());
    _exit(99);
  }
  return *std::move(loaded);
}

// The wait status of a child that runs `body` and then exits with what it returned.
template <typename Body>
int status_of_child(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) _exit(body());
  return wait_for(pid).value_or(-1);
}

// As above, with the filter of `profile` in force.
template <typename Body>
int status_under(const oci::Seccomp& profile, Body body) {
  const Result<Program> program = compile(profile);
  EXPECT_TRUE(program.has_value());
  if (!program) return -1;
  return status_of_child([&] {
    load_or_exit(*program);
    return body();
  });
}

bool exited_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

bool killed_by_filter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

TEST(Load, ErrnoReachesTheCaller) {
  const int status =
      status_under(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kErrno, 77), [] {
        errno = 0;
        return ::syscall(SYS_getppid) == -1 ? errno : 0;
      });
  EXPECT_TRUE(exited_with(status, 77)) << status;
}

TEST(Load, NewerCallsFailWithEnosys) {
  oci::Seccomp profile = profile_of(SeccompAction::kErrno, "read", SeccompAction::kAllow);
  for (const SyscallRow& row : native_machine().rows) {
    if (row.name != "getppid") profile.syscalls[0].names.emplace_back(row.name);
  }
  const int status = status_under(profile, [] {
    errno = 0;
    ::syscall(SYS_getppid);
    if (errno != EPERM) return 1;
    ::syscall(kNoSuchCallYet);
    return errno == ENOSYS ? 0 : 2;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Load, KillActionsKill) {
  for (SeccompAction action : {SeccompAction::kKillProcess, SeccompAction::kKillThread}) {
    const int status = status_under(profile_of(SeccompAction::kAllow, "getppid", action), [] {
      ::syscall(SYS_getppid);
      return 0;
    });
    EXPECT_TRUE(killed_by_filter(status)) << status;
  }
}

TEST(Load, TrapRaisesSigsys) {
  const int status =
      status_under(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kTrap), [] {
        struct sigaction handler{};
        handler.sa_flags = SA_SIGINFO;
        handler.sa_sigaction = [](int, siginfo_t* info, void*) {
          _exit(info->si_code == 1 /* SYS_SECCOMP */ && info->si_syscall == SYS_getppid ? 42 : 1);
        };
        ::sigaction(SIGSYS, &handler, nullptr);
        ::syscall(SYS_getppid);
        return 2;
      });
  EXPECT_TRUE(exited_with(status, 42)) << status;
}

TEST(Load, LogLetsTheCallThrough) {
  const pid_t self = ::getpid();
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kLog);
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG"};
  const int status =
      status_under(profile, [self] { return ::syscall(SYS_getppid) == self ? 0 : 1; });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Load, TraceWithoutATracerFailsTheCall) {
  const int status =
      status_under(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kTrace), [] {
        errno = 0;
        return ::syscall(SYS_getppid) == -1 && errno == ENOSYS ? 0 : 1;
      });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Load, DefaultFlagsThatTheKernelLacksAreLeftOut) {
  Result<Program> program =
      compile(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kErrno, 77));
  ASSERT_TRUE(program.has_value());
  program->flags |= 1U << 30;
  const int status = status_of_child([&] {
    load_or_exit(*program);
    errno = 0;
    ::syscall(SYS_getppid);
    return errno;
  });
  EXPECT_TRUE(exited_with(status, 77)) << status;
}

TEST(Load, FlagsOfTheProfileThatTheKernelLacksAreAFailure) {
  Result<Program> program =
      compile(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kErrno, 77));
  ASSERT_TRUE(program.has_value());
  program->flags |= 1U << 30;
  program->flags_required = true;
  const int status = status_of_child([&] {
    auto loaded = load(*program);
    bool named = !loaded && loaded.error().message().find("does not support") != std::string::npos;
    return named ? 0 : 1;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Load, WithoutPrivilegeTheErrorSaysWhatIsNeeded) {
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) {
    GTEST_SKIP() << "this process has no_new_privs, which is all that loading needs";
  }
  const Result<Program> program =
      compile(profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kErrno));
  ASSERT_TRUE(program.has_value());
  const int status = status_of_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) return 1;
    const auto loaded = load(*program);
    if (loaded || loaded.error().sys_errno() != EACCES) return 2;
    return loaded.error().message().find("CAP_SYS_ADMIN or no_new_privs") != std::string::npos ? 0
                                                                                               : 3;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Load, AnUnsoundProgramIsRefused) {
  const int status = status_of_child([] {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    Program program;
    program.instructions = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}};  // unaligned, and no return
    const auto loaded = load(program);
    return !loaded && loaded.error().sys_errno() == EINVAL ? 0 : 1;
  });
  EXPECT_TRUE(exited_with(status, 0)) << status;
}

#if defined(__x86_64__)
long call_as_i386(long number) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(0), "c"(0), "d"(0)
               : "memory", "r8", "r9", "r10", "r11");
  return result;
}

TEST(Load, I386CallsFollowTheirOwnTable) {
  constexpr long kGetppid = 64;
  if (!exited_with(status_of_child([] { return call_as_i386(kGetppid) > 0 ? 0 : 1; }), 0)) {
    GTEST_SKIP() << "this kernel runs no i386 programs";
  }
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kErrno, 77);
  const auto call = [] { return static_cast<int>(-call_as_i386(kGetppid)); };
  EXPECT_TRUE(killed_by_filter(status_under(profile, call)));
  profile.architectures = {"SCMP_ARCH_X86"};
  EXPECT_TRUE(exited_with(status_under(profile, call), 77));
}
#endif

// A folder for sockets, gone with its owner.
class SocketFolder {
 public:
  SocketFolder() : path_("/tmp/dhow-seccomp-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) abort();
  }
  ~SocketFolder() {
    ::unlink(socket_path().c_str());
    ::rmdir(path_.c_str());
  }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string socket_path() const { return path_ + "/agent"; }

 private:
  std::string path_;
};

// False when the child ended first.
bool wait_readable(FdRef fd, const PidFd& child) {
  struct pollfd fds[] = {{fd.get(), POLLIN, 0}, {child.fd().get(), POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return (fds[0].revents & POLLIN) != 0;
}

// Answers the next call with `value`.
bool answer_one_call(FdRef listener, std::int64_t value, int& number) {
  seccomp_notif call{};
  if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return false;
  number = call.data.nr;
  seccomp_notif_resp answer{};
  answer.id = call.id;
  answer.val = value;
  return ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

TEST(Notify, TheAgentGetsTheListenerAndAnswers) {
  SocketFolder folder;
  auto dir = open_at(kCwd, folder.path(), O_PATH | O_DIRECTORY);
  ASSERT_TRUE(dir.has_value());
  auto agent = listen_unix(*dir, "agent", SOCK_STREAM, 0600);
  ASSERT_TRUE(agent.has_value()) << agent.error().message();
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, "getppid", SeccompAction::kNotify);
  profile.flags = supported_flags();
  const Result<Program> program = compile(profile);
  ASSERT_TRUE(program.has_value() && program->notify);

  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const std::optional<Fd> listener = load_or_exit(*program);
    if (!listener || (::fcntl(listener->get(), F_GETFD) & FD_CLOEXEC) == 0) _exit(1);
    if (!send_to_agent(folder.socket_path(), *listener, R"({"pid":1})")) _exit(2);
    _exit(::syscall(SYS_getppid) == 4242 ? 0 : 3);
  }
  Cleanup reap([pid] {
    ::kill(pid, SIGKILL);
    std::ignore = wait_for(pid);
  });
  const auto child = PidFd::open(pid);
  ASSERT_TRUE(child.has_value());
  ASSERT_TRUE(wait_readable(*agent, *child));
  const Fd connection(::accept4(agent->get(), nullptr, nullptr, SOCK_CLOEXEC));
  const auto message = receive_message(connection, 4096);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->payload, R"({"pid":1})");
  ASSERT_EQ(message->fds.size(), 1U);
  const auto rest = receive_message(connection, 4096);
  EXPECT_TRUE(rest.has_value() && rest->end) << "one message, then the end";

  ASSERT_TRUE(wait_readable(message->fds[0], *child));
  int number = 0;
  ASSERT_TRUE(answer_one_call(message->fds[0], 4242, number));
  EXPECT_EQ(number, SYS_getppid);
  reap.dismiss();
  EXPECT_TRUE(exited_with(wait_for(pid).value_or(-1), 0));
}

TEST(Notify, AMissingAgentIsNamed) {
  SocketFolder folder;
  auto some_fd = open_at(kCwd, "/dev/null", O_RDONLY);
  ASSERT_TRUE(some_fd.has_value());
  const Status missing = send_to_agent(folder.socket_path(), *some_fd, "{}");
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message(), HasSubstr("failed to connect with seccomp agent"));
  EXPECT_THAT(missing.error().message(), HasSubstr(folder.socket_path()));
  const Status unset = send_to_agent("", *some_fd, "{}");
  ASSERT_FALSE(unset.has_value());
  EXPECT_EQ(unset.error().message(), "seccomp listenerPath is not set");
}

TEST(Flags, SupportedOnesAreKnown) {
  const std::vector<std::string> known = known_flags();
  const std::vector<std::string> supported = supported_flags();
  EXPECT_THAT(known, ::testing::IsSupersetOf(supported));
  EXPECT_THAT(supported, ::testing::Contains("SECCOMP_FILTER_FLAG_TSYNC"));
  // Probing must not have put a filter in force.
  EXPECT_EQ(::prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}

}  // namespace
}  // namespace dhow::seccomp
