// SPDX-License-Identifier: Apache-2.0
#include "shim/child.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::shim_test {
namespace {

constexpr int kPatience = 60'000;  // milliseconds

[[noreturn]] void become(const std::vector<char*>& words, int in, int out) {
  bool ready = ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  if (in >= 0) ready = ready && ::dup2(in, 0) == 0 && ::dup2(out, 1) == 1 && ::dup2(out, 2) == 2;
  if (ready) ::execvp(words[0], words.data());
  ::_exit(127);
}

}  // namespace

Result<Child> Child::start(std::vector<std::string> arguments, bool terminal) {
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  Child child;
  if (terminal) {
    int master = -1;
    child.pid_ = ::forkpty(&master, nullptr, nullptr, nullptr);
    if (child.pid_ < 0) return fail_errno(errno, "forkpty");
    if (child.pid_ == 0) become(words, -1, -1);
    child.output_ = Fd(master);
    TRY_ASSIGN(child.input_, child.output_.duplicate());
    return child;
  }
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return fail_errno(errno, "pipe2");
  Fd child_in(in[0]);
  child.input_ = Fd(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return fail_errno(errno, "pipe2");
  child.output_ = Fd(out[0]);
  Fd child_out(out[1]);
  child.pid_ = ::fork();
  if (child.pid_ < 0) return fail_errno(errno, "fork");
  if (child.pid_ == 0) become(words, child_in.get(), child_out.get());
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      said_(std::move(other.said_)),
      hung_(other.hung_) {}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Status Child::write(const std::string& text) { return write_all(input_, text); }

Status Child::resize(unsigned short rows, unsigned short columns) {
  struct winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  if (::ioctl(output_.get(), TIOCSWINSZ, &size) != 0) return fail_errno(errno, "TIOCSWINSZ");
  return {};
}

bool Child::read_some() {
  if (!output_ || hung_) return false;
  pollfd waiting{output_.get(), POLLIN, 0};
  int ready = ::poll(&waiting, 1, kPatience);
  hung_ = ready == 0;
  if (ready <= 0) return false;
  char buffer[4096];
  ssize_t count = ::read(output_.get(), buffer, sizeof buffer);
  if (count <= 0) return false;  // a terminal without processes gives EIO
  said_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

bool Child::hears(int milliseconds) const {
  pollfd waiting{output_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, milliseconds) == 1;
}

bool Child::await(const std::string& text) {
  while (said_.find(text) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

int Child::finish() {
  while (read_some()) continue;
  if (hung_) return -1;
  int status = 0;
  pid_t ended = ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return ended > 0 ? exit_code_from_wait_status(status) : -1;
}

}  // namespace dhow::shim_test
