// SPDX-License-Identifier: Apache-2.0
#include "bench/launcher_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tuple>
#include <utility>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::bench {
namespace {

constexpr int kCommandTimeoutMs = 30'000;

Status enter_namespace(const LauncherOptions& options) {
  if (options.join != 0) {
    TRY_ASSIGN(const Fd target, open_at(kCwd, cat("/proc/", options.join, "/ns/mnt"), O_RDONLY));
    if (setns(target.get(), CLONE_NEWNS) != 0) return fail_errno(errno, "join mount namespace");
    return {};
  }
  if (unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "unshare mount namespace");
  if (options.hide_unified && umount2("/sys/fs/cgroup/unified", MNT_DETACH) != 0 &&
      errno != EINVAL && errno != ENOENT) {
    return fail_errno(errno, "unmount \"/sys/fs/cgroup/unified\"");
  }
  for (int i = 0; i < options.extra_mounts; ++i) {
    const std::string target = cat(options.extra_mount_target, "/", i);
    if (mount(options.extra_mount_source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return fail_errno(errno, cat("bind mount ", quoted(target)));
    }
  }
  return {};
}

// The child's part: never returns. What goes wrong is told over the socket, as text.
[[noreturn]] void become_launcher(const LauncherOptions& options, FdRef socket) {
  unblock_signals();
  setpgid(0, 0);  // an interrupt from the terminal is the benchmark's to handle
  auto prepare = [&]() -> Status {
    TRY(enter_namespace(options));
    TRY_ASSIGN(const Fd input, open_at(kCwd, "/dev/null", O_RDONLY));
    TRY_ASSIGN(const Fd output,
               open_at(kCwd, options.log_file, O_WRONLY | O_CREAT | O_APPEND, 0600));
    // Copied out of the way first: any of these may have a number that is written to. The launcher
    // itself makes its socket close-on-exec.
    TRY_ASSIGN(const Fd high_input, input.duplicate(10));
    TRY_ASSIGN(const Fd high_output, output.duplicate(10));
    const Fd high_socket(fcntl(socket.get(), F_DUPFD_CLOEXEC, 10));
    if (dup2(high_input.get(), 0) < 0 || dup2(high_output.get(), 1) < 0 ||
        dup2(high_output.get(), 2) < 0 || dup2(high_socket.get(), kLauncherSocket) < 0) {
      return fail_errno(errno, "set up descriptors");
    }
    const char* arguments[] = {options.program.c_str(), nullptr};
    const char* environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", nullptr};
    execve(arguments[0], const_cast<char**>(arguments), const_cast<char**>(environment));
    return fail_errno(errno, cat("run ", quoted(options.program)));
  };
  const Status status = prepare();
  // Nobody is left to hear of a failure to tell: the benchmark sees the end of the socket.
  std::ignore = send_message(socket, status.error().message());
  _exit(1);
}

}  // namespace

Result<Launcher> Launcher::start(const LauncherOptions& options, const Interrupt& interrupt) {
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_SEQPACKET));
  const pid_t pid = fork();
  if (pid < 0) return fail_errno(errno, "fork a launcher");
  if (pid == 0) become_launcher(options, pair.second);
  pair.second.reset();
  Launcher launcher(std::move(pair.first), pid, interrupt);
  TRY_ASSIGN(const bool ready, interrupt.wait_readable(launcher.socket_, kCommandTimeoutMs));
  if (!ready) return fail(Code::kDeadlineExceeded, "launcher did not start");
  TRY_ASSIGN(const Message greeting, receive_message(launcher.socket_, kMaxRequestBytes));
  if (greeting.payload.size() != sizeof(LaunchReply)) {
    return fail(Code::kInternal, cat("start launcher: ", greeting.payload));
  }
  return launcher;
}

Launcher::Launcher(Launcher&& other) noexcept
    : socket_(std::move(other.socket_)),
      pid_(std::exchange(other.pid_, 0)),
      interrupt_(other.interrupt_) {}

Launcher& Launcher::operator=(Launcher&& other) noexcept {
  if (this != &other) {
    stop();
    socket_ = std::move(other.socket_);
    pid_ = std::exchange(other.pid_, 0);
    interrupt_ = other.interrupt_;
  }
  return *this;
}

Launcher::~Launcher() { stop(); }

void Launcher::stop() {
  if (pid_ == 0) return;
  kill_command();
  socket_.reset();               // end of file is the launcher's order to leave
  std::ignore = wait_for(pid_);  // nothing can be done about a child that is gone already
  pid_ = 0;
}

void Launcher::kill_command() {
  for (const pid_t child : children_of(pid_)) kill(child, SIGKILL);
}

Status Launcher::send(const Command& command) {
  std::string request;
  for (const std::string& argument : command) request.append(argument).push_back('\0');
  return send_message(socket_, request);
}

Result<LaunchReply> Launcher::receive() {
  TRY_ASSIGN(const Message message, receive_message(socket_, sizeof(LaunchReply)));
  if (message.payload.size() != sizeof(LaunchReply)) {
    return fail(Code::kInternal, "launcher ended unexpectedly");
  }
  LaunchReply reply;
  memcpy(&reply, message.payload.data(), sizeof reply);
  if (reply.error != 0) return fail_errno(reply.error, "launch a command");
  return reply;
}

Result<LaunchReply> Launcher::run(const Command& command) {
  TRY(send(command));
  const Result<bool> ready = interrupt_->wait_readable(socket_, kCommandTimeoutMs);
  if (ready && *ready) return receive();
  kill_command();
  // Without this the next command would get this one's answer.
  std::ignore = receive();
  if (!ready) return fail(ready.error());
  return fail(Code::kDeadlineExceeded, cat(join(command, " "), ": killed after 30 s"));
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  const auto text = read_file(cat("/proc/", pid, "/task/", pid, "/children"));
  if (!text) return children;
  for (const std::string_view part : split(trim(*text), ' ')) {
    if (const auto child = parse_number<pid_t>(part)) children.push_back(*child);
  }
  return children;
}

}  // namespace dhow::bench
