// SPDX-License-Identifier: Apache-2.0
#include "shim/loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <ctime>

namespace dhow::shim {

Loop::Watch& Loop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    reset();
    loop_ = std::exchange(other.loop_, nullptr);
    entry_ = std::exchange(other.entry_, nullptr);
  }
  return *this;
}

void Loop::Watch::reset() {
  if (entry_ == nullptr) return;
  set_events(0);
  entry_->dead = true;
  loop_->dead_.push_back(std::exchange(entry_, nullptr));
}

void Loop::Watch::set_events(std::uint32_t events) {
  if (entry_ == nullptr || entry_->events == events) return;
  struct epoll_event event{};
  event.events = events;
  event.data.ptr = entry_;
  int operation = events == 0 ? EPOLL_CTL_DEL : entry_->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  // Only memory can be short here: the descriptor was watched before.
  if (::epoll_ctl(loop_->epoll_.get(), operation, entry_->fd, &event) == 0 || events == 0) {
    entry_->events = events;
  }
}

Result<std::unique_ptr<Loop>> Loop::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "make epoll");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

Loop::~Loop() {
  for (Entry* entry : dead_) delete entry;
}

Result<Loop::Watch> Loop::watch(FdRef fd, std::uint32_t events, Ready ready) {
  auto entry = std::make_unique<Entry>();
  entry->fd = fd.get();
  entry->ready = std::move(ready);
  if (events != 0) {
    struct epoll_event event{};
    event.events = events;
    event.data.ptr = entry.get();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
      return fail_errno(errno, "watch a descriptor");
    }
    entry->events = events;
  }
  return Watch(this, entry.release());
}

std::int64_t Loop::now() {
  struct timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

Result<Loop::Watch> Loop::after(std::int64_t milliseconds, std::function<void()> action) {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return fail_errno(errno, "make timer");
  struct itimerspec spec{};
  spec.it_value.tv_sec = milliseconds / 1000;
  spec.it_value.tv_nsec = milliseconds % 1000 * 1'000'000 + 1;  // all zeros would mean never
  if (::timerfd_settime(timer.get(), 0, &spec, nullptr) != 0) return fail_errno(errno, "set timer");
  TRY_ASSIGN(Watch watch, this->watch(timer, EPOLLIN, nullptr));
  Entry* entry = watch.entry_;
  entry->owned = std::move(timer);
  entry->ready = [this, entry, action = std::move(action)](std::uint32_t) {
    // It went off, and isn't to again.
    struct epoll_event event{};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry->fd, &event) == 0) entry->events = 0;
    // The action may destroy its timer, and itself with it.
    auto copy = action;
    copy();
  };
  return watch;
}

void Loop::run_later() {
  while (!later_.empty()) {
    auto actions = std::exchange(later_, {});
    for (auto& action : actions) action();
  }
  for (Entry* entry : std::exchange(dead_, {})) delete entry;
}

Status Loop::turn() {
  struct epoll_event events[16];
  int count = ::epoll_wait(epoll_.get(), events, 16, -1);
  if (count < 0 && errno == EINTR) return {};
  if (count < 0) return fail_errno(errno, "wait for events");
  for (int i = 0; i < count; ++i) {
    auto* entry = static_cast<Entry*>(events[i].data.ptr);
    if (!entry->dead && entry->events != 0) entry->ready(events[i].events);
  }
  return {};
}

Status Loop::run() {
  run_later();
  while (!stopped_) {
    TRY(turn());
    run_later();
  }
  stopped_ = false;
  return {};
}

}  // namespace dhow::shim
