// SPDX-License-Identifier: Apache-2.0
#include "bench/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

namespace dhow::bench {

Result<Interrupt> Interrupt::install() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno(errno, "block signals");
  Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail_errno(errno, "open a signal descriptor");
  return Interrupt(std::move(signals));
}

Result<bool> Interrupt::wait_readable(FdRef fd, int timeout_ms) const {
  // The signal is left in the queue: every later wait is cancelled as well.
  pollfd polled[2] = {{.fd = fd.get(), .events = POLLIN, .revents = 0},
                      {.fd = signals_.get(), .events = POLLIN, .revents = 0}};
  int ready;
  do {
    ready = poll(polled, 2, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return fail_errno(errno, "poll");
  if (polled[1].revents != 0) return fail(Code::kCancelled, "interrupted by a signal");
  return polled[0].revents != 0;
}

void unblock_signals() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace dhow::bench
