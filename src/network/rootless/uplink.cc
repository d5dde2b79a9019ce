// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/uplink.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <tuple>
#include <vector>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::network::rootless {
namespace {

constexpr int kLimit = 10'000;  // milliseconds; either takes some fifty
constexpr int kReadyFd = 3;

struct Child {
  pid_t pid = 0;
  Fd errors;
};

// With `ready` under a number of its own; its standard error is the caller's to read.
Result<Child> spawn(std::vector<std::string> arguments, const Fd* ready) {
  TRY_ASSIGN(Pipe errors, make_pipe());
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  Cleanup destroy([&] {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  });
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, errors.write.get(), STDERR_FILENO);
  if (ready != nullptr) ::posix_spawn_file_actions_adddup2(&actions, ready->get(), kReadyFd);
  // What this process keeps from being delivered, the program wants to be ended by.
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  // And pasta of 2023 takes it for a failure when SIGPIPE is ignored already.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  Child child;
  int failed =
      ::posix_spawnp(&child.pid, pointers.front(), &actions, &attributes, pointers.data(), environ);
  if (failed == ENOENT) return fail(Code::kNotFound, "not installed");
  if (failed != 0) return fail_errno(failed, cat("start ", arguments.front()));
  child.errors = std::move(errors.read);
  return child;
}

// What it has written so far, in one line: of several the last, which says what it died of.
std::string words_of(const Fd& errors) {
  ::fcntl(errors.get(), F_SETFL, O_NONBLOCK);
  std::string text(4096, '\0');
  ssize_t size = ::read(errors.get(), text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  std::string last;
  for (std::string_view line : split(text, '\n')) {
    bool is_noise = line.starts_with("Failed to send ") || line.starts_with("sent tapfd");
    if (!is_noise && !trim(line).empty()) last = trim(line);
  }
  return last;
}

// Also that of what it has started: a process of its own group is not enough for pasta.
std::unexpected<Error> end(const Child& child, std::string_view why) {
  ::kill(child.pid, SIGKILL);
  std::ignore = wait_for(child.pid);
  return fail(Code::kFailedPrecondition, std::string(why));
}

}  // namespace

// It goes into the background when all is set up.
Status Uplink::start_pasta() {
  TRY_ASSIGN(Child child,
             spawn({"pasta", "--quiet", "--config-net", "--ns-ifname", "tap0",
                    // Not the host's own address, so that this can be reached from inside.
                    "--address", "10.0.2.100", "--netmask", "24", "--gateway", "10.0.2.2",
                    // Ports are carried by us; what is on the host's loopback stays there.
                    "--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns",
                    "none", "--no-map-gw",
                    // It is in our user namespace already.
                    "--netns-only", "--no-netns-quit", "--netns", space_},
                   nullptr));
  TRY_ASSIGN(PidFd process, PidFd::open(child.pid));
  TRY_ASSIGN(bool has_ended, process.wait_exit(kLimit));
  if (!has_ended) return end(child, "it does not get ready");
  TRY_ASSIGN(int status, wait_for(child.pid));
  if (status == 0) return {};
  std::string words = words_of(child.errors);
  return fail(Code::kFailedPrecondition,
              words.empty() ? cat("it ended with ", exit_code_from_wait_status(status)) : words);
}

// It says by a descriptor when all is set up, and stays in the foreground.
Status Uplink::start_slirp() {
  TRY_ASSIGN(Pipe ready, make_pipe());
  TRY_ASSIGN(Child child,
             spawn({"slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback",
                    cat("--ready-fd=", kReadyFd), "--netns-type=path", space_, "tap0"},
                   &ready.write));
  ready.write.reset();
  // It is told of by one byte, and by the end if it dies before.
  struct pollfd wait{ready.read.get(), POLLIN, 0};
  if (::poll(&wait, 1, kLimit) <= 0) return end(child, "it does not get ready");
  char byte = 0;
  if (::read(ready.read.get(), &byte, 1) == 1) {
    pid_ = child.pid;
    errors_ = std::move(child.errors);
    ::fcntl(errors_.get(), F_SETFL, O_NONBLOCK);
    return {};
  }
  std::string words = words_of(child.errors);
  return end(child, words.empty() ? "it ended at once" : words);
}

Status Uplink::start(const std::string& program) {
  TRY(program == "pasta" ? start_pasta() : start_slirp());
  program_ = program;
  is_up_ = true;
  return {};
}

Status Uplink::ensure() {
  if (is_up_) return {};
  std::vector<std::string> programs = {"pasta", "slirp4netns"};
  if (!wanted_.empty()) programs = {wanted_};
  std::vector<std::string> reasons;
  for (const std::string& program : programs) {
    Status started = start(program);
    if (started) {
      report_ = reasons.empty() ? program : cat(program, " (", reasons.front(), ")");
      return {};
    }
    reasons.push_back(cat(program, ": ", started.error().message()));
  }
  return fail(Code::kFailedPrecondition,
              cat("no way out for the containers of a rootless engine: ", join(reasons, "; "),
                  " (pasta is in the package \"passt\", the other in \"slirp4netns\"; both need "
                  "/dev/net/tun to be open to all)"));
}

bool Uplink::has_died(pid_t child) {
  if (!is_up_ || (program_ == "slirp4netns" && child != pid_)) return false;
  is_up_ = false;
  program_.clear();
  report_.clear();
  pid_ = 0;
  errors_.reset();
  return true;
}

void Uplink::read_errors() {
  char bytes[4096];
  ssize_t size = ::read(errors_.get(), bytes, sizeof bytes);
  if (size == 0) errors_.reset();
}

}  // namespace dhow::network::rootless
