// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow {

Result<PidFd> PidFd::open(pid_t pid) {
  long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return fail_errno(errno, cat("open process ", pid));
  return PidFd(Fd(static_cast<int>(fd)));
}

Status PidFd::send_signal(int signal) const {
  if (::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0) != 0) {
    return fail_errno(errno, cat("send signal ", signal));
  }
  return {};
}

Result<bool> PidFd::wait_exit(int timeout_ms) const {
  using Clock = std::chrono::steady_clock;
  struct pollfd entry{fd_.get(), POLLIN, 0};
  const auto end = Clock::now() + std::chrono::milliseconds(timeout_ms);
  int left = timeout_ms;
  while (true) {
    int ready = ::poll(&entry, 1, left);
    if (ready > 0 && (entry.revents & POLLNVAL) != 0) return fail_errno(EBADF, "wait for process");
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return fail_errno(errno, "wait for process");
    if (timeout_ms < 0) continue;
    auto rest = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    left = static_cast<int>(std::max<std::int64_t>(rest.count(), 0));
  }
}

Result<Fd> PidFd::take_fd(int number) const {
  long fd = ::syscall(SYS_pidfd_getfd, fd_.get(), number, 0);
  if (fd < 0) return fail_errno(errno, cat("take descriptor ", number));
  return Fd(static_cast<int>(fd));
}

namespace {

// clone(2) takes the exit signal in the low byte of its flags, where CLONE_NEWTIME is too, and
// knows nothing of cgroups: ENOSYS for those. Returns twice.
long old_clone(const struct clone_args& arguments, int* pidfd) {
  if (arguments.flags > 0xffffffff || (arguments.flags & (CSIGNAL | CLONE_INTO_CGROUP)) != 0) {
    errno = ENOSYS;
    return -1;
  }
  auto flags = static_cast<unsigned long>(arguments.flags | arguments.exit_signal);
  return ::syscall(SYS_clone, flags, nullptr, pidfd, nullptr, 0UL);
}

}  // namespace

Result<CloneResult> clone_process(const CloneOptions& options) {
  int pidfd = -1;
  struct clone_args arguments{};
  arguments.flags = options.flags | (options.want_pidfd ? CLONE_PIDFD : 0);
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  // CLONE_PARENT takes the signal from the parent's own clone, and forbids one here.
  arguments.exit_signal = (options.flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (options.cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<__u64>(*options.cgroup);
  }
  long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  // Seccomp profiles from before clone3 make it look missing (ENOSYS); the older call can't do all.
  if (pid < 0 && errno == ENOSYS) pid = old_clone(arguments, &pidfd);
  if (pid < 0) return fail_errno(errno, "clone process");
  CloneResult result;
  result.pid = static_cast<pid_t>(pid);
  if (pid > 0 && options.want_pidfd) result.pidfd = PidFd(Fd(pidfd));
  return result;
}

int exit_code_from_wait_status(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<int> wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno(errno, cat("wait for process ", pid));
  }
  return status;
}

Status set_cloexec_from(unsigned first) {
  if (::syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return {};
  TRY_ASSIGN(Fd folder, open_at(kCwd, "/proc/self/fd", O_RDONLY | O_DIRECTORY));
  // Inside a container anything may be at /proc: a made up list would leave descriptors open.
  struct statfs info{};
  if (::fstatfs(folder.get(), &info) != 0) return fail_errno(errno, "stat \"/proc/self/fd\"");
  if (info.f_type != PROC_SUPER_MAGIC) {
    return fail(Code::kFailedPrecondition, "\"/proc/self/fd\" is not procfs: refused");
  }
  TRY_ASSIGN(auto names, list_dir(folder));
  for (const std::string& name : names) {
    auto number = parse_number<int>(name);
    if (number && *number >= 0 && static_cast<unsigned>(*number) >= first) {
      ::fcntl(*number, F_SETFD, FD_CLOEXEC);  // the folder's own descriptor may be gone: harmless
    }
  }
  return {};
}

Result<ProcessStat> read_process_stat(pid_t pid) {
  auto content = read_file(cat("/proc/", pid, "/stat"));
  if (!content) {
    int error = content.error().sys_errno();
    if (error == ENOENT || error == ESRCH) {
      return fail(Code::kNotFound, cat("process ", pid, " does not exist"));
    }
    return fail(std::move(content).error());
  }
  // The name in parentheses may hold anything, so the fields are counted from the last ')'.
  std::size_t close = content->rfind(')');
  if (close == std::string::npos) return fail(Code::kInternal, cat("process ", pid, ": bad stat"));
  auto fields = split(trim(std::string_view(*content).substr(close + 1)), ' ');
  if (fields.size() < 20) return fail(Code::kInternal, cat("process ", pid, ": short stat"));
  auto start = parse_number<std::uint64_t>(fields[19]);
  if (!start) return fail(Code::kInternal, cat("process ", pid, ": bad start time"));
  return ProcessStat{fields[0][0], *start};
}

Result<bool> in_user_namespace() {
  TRY_ASSIGN(std::string map, read_file("/proc/self/uid_map"));
  std::vector<std::string_view> fields;
  for (std::string_view field : split(trim(map), ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  return fields != std::vector<std::string_view>{"0", "0", "4294967295"};
}

}  // namespace dhow
