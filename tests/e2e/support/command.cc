// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/command.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <gtest/gtest.h>
#include <stdexcept>

#include "e2e/support/host.h"

namespace dhow::e2e {
namespace {

std::int64_t now_ms() {
  struct timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

[[noreturn]] void exec_child(const std::vector<std::string>& arguments,
                             const CommandOptions& options, int in, int out, int err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  // Above the numbers asked for first, so that none overwrites another.
  std::vector<int> high;
  for (auto [ours, number] : options.descriptors)
    high.push_back(::fcntl(ours, F_DUPFD_CLOEXEC, 200));
  for (std::size_t i = 0; i < high.size(); ++i) ::dup2(high[i], options.descriptors[i].second);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (!options.working_dir.empty() && ::chdir(options.working_dir.c_str()) != 0) ::_exit(126);
  if (options.uid && (::setgroups(0, nullptr) != 0 || ::setgid(*options.uid) != 0 ||
                      ::setuid(*options.uid) != 0)) {
    ::_exit(126);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvp(arguments[0].c_str(), pointers(arguments).data());
  ::_exit(127);
}

struct Pipe {
  int ends[2];
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
};

std::string required(const char* name) {
  const char* value = ::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void drain(int& fd, std::string& into) {
  char buffer[8192];
  ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got > 0) into.append(buffer, static_cast<std::size_t>(got));
  if (got == 0 || (got < 0 && errno != EINTR)) close_fd(fd);
}

}  // namespace

Background::Background(const std::vector<std::string>& arguments, const CommandOptions& options)
    : timeout_seconds_(options.timeout_seconds) {
  Pipe in, out, err;
  pid_ = ::fork();
  if (pid_ == 0) exec_child(arguments, options, in.ends[0], out.ends[1], err.ends[1]);
  ::close(in.ends[0]);
  ::close(out.ends[1]);
  ::close(err.ends[1]);
  in_ = in.ends[1];
  out_ = out.ends[0];
  err_ = err.ends[0];
  if (!options.input.empty()) write_input(options.input);
}

Background::~Background() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_fd(in_);
  close_fd(out_);
  close_fd(err_);
}

void Background::signal(int number) const { ::kill(pid_, number); }

void Background::write_input(std::string_view text) {
  void (*old)(int) = ::signal(SIGPIPE, SIG_IGN);
  while (!text.empty()) {
    ssize_t put = ::write(in_, text.data(), text.size());
    if (put <= 0) break;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  ::signal(SIGPIPE, old);
}

bool Background::pump(int timeout_ms) {
  struct pollfd entries[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  int ready = ::poll(entries, 2, timeout_ms);
  if (ready <= 0) return ready == 0 ? false : true;
  if (entries[0].revents != 0) drain(out_, outcome_.out);
  if (entries[1].revents != 0) drain(err_, outcome_.err);
  return true;
}

Outcome Background::wait() {
  close_fd(in_);
  std::int64_t deadline = now_ms() + patience_ms(timeout_seconds_ * 1000);
  int status = 0;
  while (!ended_) {
    // Pipes may be held by what the program left behind: its own end counts.
    pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) {
      ended_ = true;
      break;
    }
    if (now_ms() > deadline) {
      ADD_FAILURE() << "the program did not end in time; its output:\n"
                    << outcome_.out << outcome_.err;
      ::kill(pid_, SIGKILL);
    }
    if (out_ < 0 && err_ < 0) {
      ::waitpid(pid_, &status, 0);
      ended_ = true;
    } else {
      pump(20);
    }
  }
  while ((out_ >= 0 || err_ >= 0) && pump(0)) {
  }
  outcome_.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return outcome_;
}

void Background::wait_for_output(std::string_view text) {
  std::int64_t deadline = now_ms() + patience_ms(20'000);
  while (outcome_.out.find(text) == std::string::npos) {
    if (out_ < 0 || now_ms() > deadline) {
      ADD_FAILURE() << "no \"" << text << "\" in the output:\n" << outcome_.out << outcome_.err;
      return;
    }
    pump(1000);
  }
}

Outcome run_command(const std::vector<std::string>& arguments, const CommandOptions& options) {
  Background program(arguments, options);
  return program.wait();
}

std::string runtime_path() { return required("DHOW_RUNTIME"); }
std::string testbox_path() { return required("DHOW_TESTBOX"); }

std::string busybox_path() {
  const char* value = ::getenv("DHOW_BUSYBOX");
  return value == nullptr ? "/bin/busybox" : value;
}

bool eventually(const std::function<bool()>& condition) {
  std::int64_t deadline = now_ms() + patience_ms(20'000);
  while (!condition()) {
    if (now_ms() > deadline) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace dhow::e2e
