// SPDX-License-Identifier: Apache-2.0
#include "shim/outflow.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>
#include <utility>

#include "base/log.h"

namespace dhow::shim {

Outflow::Outflow(Loop& loop, Fd fd, std::function<void()> changed)
    : loop_(loop), fd_(std::move(fd)), changed_(std::move(changed)) {
  // A file is written at once either way.
  std::ignore = ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) | O_NONBLOCK);
}

std::ptrdiff_t Outflow::write_some(std::string_view bytes) {
  while (true) {
    ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? 0 : -1;
  }
}

void Outflow::close() {
  watch_.reset();
  watched_.reset();
  fd_.reset();
  std::string().swap(waiting_);
  used_ = 0;
}

void Outflow::put(std::string_view bytes) {
  if (!fd_ || ending_) return;
  if (waiting() == 0) {
    while (!bytes.empty()) {
      std::ptrdiff_t count = write_some(bytes);
      if (count < 0) {
        close();
        // Not from within the call: the caller may be walking over its clients.
        loop_.later(changed_);
        return;
      }
      if (count == 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    if (bytes.empty()) return;
  }
  waiting_.erase(0, used_);
  used_ = 0;
  waiting_.append(bytes);
  if (watch_) return watch_.set_events(EPOLLOUT);
  auto watched = start_watch();
  if (watched) return;
  log::warning(watched.error().message());
  close();
  loop_.later(changed_);
}

Status Outflow::start_watch() {
  TRY_ASSIGN(watched_, fd_.duplicate());
  TRY_ASSIGN(watch_, loop_.watch(watched_, EPOLLOUT, [this](std::uint32_t) { write_on(); }));
  return {};
}

void Outflow::write_on() {
  std::ptrdiff_t count = write_some(std::string_view(waiting_).substr(used_));
  if (count < 0) {
    close();
  } else {
    used_ += static_cast<std::size_t>(count);
    if (waiting() == 0) {
      std::string().swap(waiting_);
      used_ = 0;
      watch_.set_events(0);
      if (ending_) close();
    }
  }
  changed_();
}

void Outflow::end() {
  ending_ = true;
  if (waiting() == 0) close();
}

}  // namespace dhow::shim
