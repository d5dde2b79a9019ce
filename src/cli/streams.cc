// SPDX-License-Identifier: Apache-2.0
#include "cli/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/strings.h"
#include "client/frames.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

// Not those of faults, of job control by ourselves, of our children and of pipes.
constexpr int kForwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
                              SIGALRM, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU};

sigset_t wanted_signals(const StreamOptions& options) {
  sigset_t set;
  ::sigemptyset(&set);
  if (options.resize) ::sigaddset(&set, SIGWINCH);
  if (options.signal) {
    for (int number : kForwarded) ::sigaddset(&set, number);
  }
  return set;
}

Status write_stream(int fd, std::string_view data) { return write_all(FdRef(fd), data); }

class Pump {
 public:
  Pump(client::Exchange& exchange, const StreamOptions& options)
      : exchange_(exchange),
        options_(options),
        keys_(options.detach_keys),
        input_open_(options.input) {}

  Result<StreamEnd> run() {
    if (options_.terminal && options_.input) TRY(raw_.enter());
    sigset_t set = wanted_signals(options_);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    TRY(take_output(exchange_.connection().take_buffered()));
    while (true) {
      TRY(wait());
      if (events_[kSignals].revents != 0) take_signals();
      if ((events_[kInput].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        TRY_ASSIGN(bool detached, take_input());
        if (detached) return StreamEnd::kDetached;
      }
      TRY(send_pending());
      if ((events_[kSocket].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        TRY_ASSIGN(bool more, read_socket());
        if (!more) return StreamEnd::kFinished;
      }
      bool silent = !options_.output && !options_.errors;
      if (silent && !input_open_ && pending_.empty()) return StreamEnd::kFinished;
    }
  }

 private:
  enum Slot { kInput, kSocket, kSignals };

  int socket() const { return exchange_.connection().socket().get(); }

  Status wait() {
    // No more is read than can be sent: what is typed ahead stays where it was.
    bool reads = input_open_ && pending_.empty();
    events_[kInput] = {reads ? STDIN_FILENO : -1, POLLIN, 0};
    events_[kSocket] = {socket(), static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT)), 0};
    events_[kSignals] = {signals_.get(), POLLIN, 0};
    while (::poll(events_.data(), events_.size(), -1) < 0) {
      if (errno != EINTR) return fail_errno(errno, "poll");
    }
    return {};
  }

  // True when the detach keys have been typed.
  Result<bool> take_input() {
    char buffer[16384];
    auto count = read_some(FdRef(STDIN_FILENO), buffer);
    if (!count || *count == 0) {
      input_open_ = false;
      end_input();
      return false;
    }
    std::string_view typed(buffer, *count);
    if (options_.detach_keys.empty()) {
      pending_ += typed;
      return false;
    }
    return keys_.filter(typed, pending_);
  }

  void end_input() {
    if (pending_.empty()) ::shutdown(socket(), SHUT_WR);
  }

  Status send_pending() {
    if (pending_.empty()) return {};
    ssize_t count = ::send(socket(), pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (count < 0) {
      // The process takes no more input; its output may still come.
      input_open_ = false;
      pending_.clear();
      return {};
    }
    pending_.erase(0, static_cast<std::size_t>(count));
    if (pending_.empty() && !input_open_) end_input();
    return {};
  }

  // False at the end.
  Result<bool> read_socket() {
    char buffer[32768];
    auto count = read_some(exchange_.connection().socket(), buffer);
    if (!count && count.error().sys_errno() == ECONNRESET) return false;
    if (!count) return std::unexpected(std::move(count).error());
    TRY(take_output(std::string_view(buffer, *count)));
    return *count != 0;
  }

  Status take_output(std::string_view data) {
    if (data.empty()) return {};
    if (options_.terminal) return write_stream(STDOUT_FILENO, data);
    return frames_.feed(data, [](client::StreamKind kind, std::string_view piece) {
      return write_stream(kind == client::StreamKind::kOutput || kind == client::StreamKind::kInput
                              ? STDOUT_FILENO
                              : STDERR_FILENO,
                          piece);
    });
  }

  void take_signals() {
    signalfd_siginfo information;
    while (::read(signals_.get(), &information, sizeof information) == sizeof information) {
      int number = static_cast<int>(information.ssi_signo);
      if (number == SIGWINCH) {
        auto size = terminal_size(STDOUT_FILENO);
        if (size && options_.resize) options_.resize(*size);
      } else if (options_.signal) {
        // Who asks three times means us: the container or the engine does not listen.
        bool ends = number == SIGINT || number == SIGTERM;
        if (ends && ++endings_ == 3) ::_exit(128 + number);
        const char* name = ::sigabbrev_np(number);
        options_.signal(name != nullptr ? name : cat(number));
      }
    }
  }

  client::Exchange& exchange_;
  const StreamOptions& options_;
  DetachKeys keys_;
  RawMode raw_;
  Fd signals_;
  client::FrameReader frames_;
  std::array<pollfd, 3> events_{};
  std::string pending_;
  bool input_open_;
  int endings_ = 0;
};

}  // namespace

void block_signals(const StreamOptions& options) {
  sigset_t set = wanted_signals(options);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

Result<StreamEnd> run_streams(client::Exchange& exchange, const StreamOptions& options) {
  return Pump(exchange, options).run();
}

Status copy_output(client::Exchange& exchange, bool raw) {
  client::FrameReader frames;
  std::vector<char> buffer(65536);
  while (true) {
    TRY_ASSIGN(std::size_t count, exchange.read(buffer));
    if (count == 0) return {};
    std::string_view data(buffer.data(), count);
    if (raw) {
      TRY(write_stream(STDOUT_FILENO, data));
      continue;
    }
    TRY(frames.feed(data, [](client::StreamKind kind, std::string_view piece) {
      return write_stream(kind == client::StreamKind::kOutput ? STDOUT_FILENO : STDERR_FILENO,
                          piece);
    }));
  }
}

}  // namespace dhow::cli
