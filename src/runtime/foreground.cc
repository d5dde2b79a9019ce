// SPDX-License-Identifier: Apache-2.0
#include "runtime/foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

struct termios g_saved_terminal;

// One direction of the terminal. False: that side has ended.
bool copy_once(int from, int to) {
  char buffer[8192];
  ssize_t got = ::read(from, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  return write_all(FdRef(to), std::string_view(buffer, static_cast<std::size_t>(got))).has_value();
}

}  // namespace

Result<Foreground> Foreground::make(bool terminal, bool subreaper) {
  Foreground foreground;
  if (subreaper && ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return fail_errno(errno, "prctl PR_SET_CHILD_SUBREAPER");
  }
  sigset_t all;
  sigfillset(&all);
  // Faults of our own must still end us.
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP}) sigdelset(&all, signal);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  foreground.signals_ = Fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!foreground.signals_) return fail_errno(errno, "signalfd");
  if (terminal) {
    TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_STREAM));
    foreground.console_parent_ = std::move(pair.first);
    foreground.console_child_ = std::move(pair.second);
  }
  return foreground;
}

Foreground::~Foreground() {
  if (raw_) ::tcsetattr(0, TCSANOW, &g_saved_terminal);
}

Status Foreground::accept_console() {
  if (!console_parent_) return {};
  console_child_.reset();
  TRY_ASSIGN(Message message, receive_message(console_parent_, 4096));
  if (message.fds.size() != 1) return fail(Code::kInternal, "console: no pty master was sent");
  master_ = std::move(message.fds[0]);
  console_parent_.reset();
  // Output passes two line disciplines, so the inner one must not turn \n into \r\n as well.
  struct termios inner{};
  if (::tcgetattr(master_.get(), &inner) == 0) {
    inner.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
    ::tcsetattr(master_.get(), TCSANOW, &inner);
  }
  if (::tcgetattr(0, &g_saved_terminal) == 0) {
    struct termios raw = g_saved_terminal;
    ::cfmakeraw(&raw);
    raw.c_oflag |= OPOST;
    raw_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
  }
  resize();
  return {};
}

void Foreground::resize() const {
  struct winsize size{};
  if (master_ && ::ioctl(0, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

void Foreground::handle_signal(const PidFd& pidfd, pid_t pid) {
  struct signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    auto signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) {
      // As subreaper: whoever is orphaned below us is ours to reap.
      int status = 0;
      for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended == pid) {
          ended_ = true;
          status_ = status;
        }
      }
    } else if (signal == SIGWINCH) {
      resize();
    } else if (signal != SIGURG && signal != SIGPIPE) {
      auto sent = pidfd.send_signal(signal);
      if (!sent) log::debug(cat("forward signal ", signal, ": ", sent.error().message()));
    }
  }
}

Result<int> Foreground::serve(pid_t pid, const PidFd& pidfd) {
  int input = master_ ? 0 : -1;
  while (!ended_) {
    struct pollfd entries[4] = {{signals_.get(), POLLIN, 0},
                                {pidfd.fd().get(), POLLIN, 0},
                                {master_.get(), POLLIN, 0},
                                {input, POLLIN, 0}};
    if (::poll(entries, 4, -1) < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (entries[0].revents != 0) handle_signal(pidfd, pid);
    if (entries[2].revents != 0 && !copy_once(master_.get(), 1)) master_.reset();
    if (entries[3].revents != 0 && (!master_ || !copy_once(0, master_.get()))) input = -1;
    if (!ended_ && entries[1].revents != 0) {
      TRY_ASSIGN(status_, wait_for(pid));
      ended_ = true;
    }
  }
  // What the process wrote before its end is still in the pty; then the last slave is closed (EIO).
  if (master_) {
    ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
    struct pollfd entry{master_.get(), POLLIN, 0};
    while (::poll(&entry, 1, 0) > 0 && (entry.revents & POLLIN) != 0) {
      if (!copy_once(master_.get(), 1)) break;
    }
  }
  return exit_code_from_wait_status(status_);
}

}  // namespace dhow::runtime
