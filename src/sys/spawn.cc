// SPDX-License-Identifier: Apache-2.0
#include "sys/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/strings.h"
#include "sys/process.h"

namespace dhow {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// What execve takes. Made before the clone: the child of a program with threads must not allocate,
// since another thread may have held the heap's lock.
struct ExecArguments {
  explicit ExecArguments(const SpawnOptions& options) : arguments(pointers(options.arguments)) {
    if (options.environment) environment = pointers(*options.environment);
  }
  std::vector<char*> arguments;
  std::vector<char*> environment;  // empty: the caller's
  pid_t caller = ::getpid();
};

// The child's part, after the clone: never returns. A failure is told by its errno on `report`.
[[noreturn]] void exec_child(const SpawnOptions& options, const ExecArguments& exec,
                             const Pipe& input, int output, int error, const Fd& report) {
  int failed = [&] {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (::dup2(input.read.get(), 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(error, 2) < 0) {
      return errno;
    }
    if (options.own_group && ::setpgid(0, 0) != 0) return errno;
    if (options.dies_with_caller) {
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
      // It may have ended before that.
      if (::getppid() != exec.caller) return ESRCH;
    }
    std::ignore = set_cloexec_from(3);  // everything of ours is close-on-exec already
    for (int fd : options.inherit) ::fcntl(fd, F_SETFD, 0);
    if (!options.working_dir.empty() && ::chdir(options.working_dir.c_str()) != 0) return errno;
    const char* path = options.path.empty() ? exec.arguments[0] : options.path.c_str();
    char* const* environment = exec.environment.empty() ? ::environ : exec.environment.data();
    if (options.path.empty()) {
      ::execvpe(path, exec.arguments.data(), environment);
    } else {
      ::execve(path, exec.arguments.data(), environment);
    }
    return errno;
  }();
  std::ignore = ::write(report.get(), &failed, sizeof failed);
  ::_exit(127);
}

std::int64_t now_ms() {
  struct timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Moves what can be moved without blocking; closes what has ended. False: some of it was dropped.
bool drain(Fd& from, std::string& into, std::size_t limit) {
  char buffer[4096];
  ssize_t got = ::read(from.get(), buffer, sizeof buffer);
  if (got > 0) {
    std::size_t kept = std::min(static_cast<std::size_t>(got), limit - into.size());
    into.append(buffer, kept);
    return kept == static_cast<std::size_t>(got);
  }
  if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
    from.reset();
  }
  return true;
}

// SIGPIPE is kept from the calling thread: a program need not read its input. To ignore it would
// be for all threads.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    struct timespec at_once{};
    while (::sigtimedwait(&pipe_, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
};

void feed(Fd& to, std::string_view& data) {
  ssize_t put = ::write(to.get(), data.data(), data.size());
  if (put > 0) data.remove_prefix(static_cast<std::size_t>(put));
  if (data.empty() || (put < 0 && errno != EINTR && errno != EAGAIN)) to.reset();
}

// Feeds and drains the program until it has ended. True when the time ran out.
bool attend(const SpawnOptions& options, const PidFd& process, Fd input, Fd output, Fd error,
            SpawnOutput& result) {
  std::string_view data = options.input;
  if (data.empty()) input.reset();
  std::int64_t deadline = options.timeout_ms ? now_ms() + *options.timeout_ms : 0;
  while (true) {
    struct pollfd entries[4] = {{process.fd().get(), POLLIN, 0},
                                {input.get(), POLLOUT, 0},
                                {output.get(), POLLIN, 0},
                                {error.get(), POLLIN, 0}};
    int wait = -1;
    if (options.timeout_ms) {
      wait = static_cast<int>(std::max<std::int64_t>(0, deadline - now_ms()));
    }
    int ready = ::poll(entries, 4, wait);
    if (ready == 0) return true;
    if (ready < 0) continue;
    if ((entries[1].revents) != 0) feed(input, data);
    if ((entries[2].revents) != 0 && !drain(output, result.output, options.max_caught)) {
      result.cut = true;
    }
    if ((entries[3].revents) != 0) drain(error, result.error_text, options.max_caught);
    // A grandchild may hold the pipes for longer: what the program itself wrote is there by now.
    if (entries[0].revents != 0 && entries[2].revents == 0 && entries[3].revents == 0) return false;
  }
}

Result<Fd> output_target(const std::string& file, Fd& pipe_end) {
  if (file.empty()) return std::move(pipe_end);
  return open_at(kCwd, file, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644);
}

}  // namespace

Result<SpawnOutput> spawn_and_wait(const SpawnOptions& options) {
  TRY_ASSIGN(Pipe input, make_pipe());
  TRY_ASSIGN(Pipe output, make_pipe());
  TRY_ASSIGN(Pipe error, make_pipe());
  TRY_ASSIGN(Pipe report, make_pipe());
  TRY_ASSIGN(Fd output_end, output_target(options.output_file, output.write));
  TRY_ASSIGN(Fd error_end, output_target(options.error_file, error.write));
  ExecArguments exec(options);
  TRY_ASSIGN(CloneResult child, clone_process({}));
  if (child.pid == 0) {
    exec_child(options, exec, input, output_end.get(), error_end.get(), report.write);
  }
  input.read.reset();
  output.write.reset();
  error.write.reset();
  output_end.reset();
  error_end.reset();
  report.write.reset();
  int failure = 0;
  ssize_t got;
  do {
    got = ::read(report.read.get(), &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  const std::string& name = options.path.empty() ? options.arguments[0] : options.path;
  if (got == sizeof failure) {
    TRY(wait_for(child.pid));
    return fail_errno(failure, cat("fork/exec ", name));
  }
  ::fcntl(input.write.get(), F_SETFL, O_NONBLOCK);
  SpawnOutput result;
  {
    NoSigpipe quiet;
    result.timed_out = attend(options, child.pidfd, std::move(input.write), std::move(output.read),
                              std::move(error.read), result);
  }
  if (result.timed_out) {
    // It has not been waited for, so the number is its own; it may just have ended.
    if (options.own_group) ::kill(-child.pid, SIGKILL);
    std::ignore = child.pidfd.send_signal(SIGKILL);
  }
  TRY_ASSIGN(int status, wait_for(child.pid));
  result.exit_code = exit_code_from_wait_status(status);
  return result;
}

Result<SpawnOutput> run_program(const std::vector<std::string>& arguments) {
  SpawnOptions options;
  options.arguments = arguments;
  return spawn_and_wait(options);
}

}  // namespace dhow
