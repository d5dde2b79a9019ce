// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <future>
#include <tuple>

namespace dhow::network::rootless {

struct Poller::Task {
  const std::function<void()>* work;
  std::promise<void> done;
};

Result<std::unique_ptr<Poller>> Poller::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "make an epoll descriptor");
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, "make an event descriptor");
  struct epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail_errno(errno, "watch an event descriptor");
  }
  return std::unique_ptr<Poller>(new Poller(std::move(epoll), std::move(wake)));
}

Status Poller::watch(FdRef fd, std::uint32_t events, Handler& handler) {
  struct epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) == 0) return {};
  return fail_errno(errno, "watch a socket");
}

void Poller::change(FdRef fd, std::uint32_t events, Handler& handler) {
  struct epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  // It fails for descriptors alone that are not watched.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event);
}

void Poller::forget(FdRef fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr); }

void Poller::own(std::unique_ptr<Work> work) { alive_.insert(work.release()); }

void Poller::end(Work& work) {
  if (alive_.erase(&work) != 0) dead_.emplace_back(&work);
}

void Poller::call(const std::function<void()>& task) {
  Task one{&task, {}};
  std::future<void> done = one.done.get_future();
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(&one);
  }
  std::uint64_t number = 1;
  // It fails when the counter is full, and then it is ready anyway.
  std::ignore = ::write(wake_.get(), &number, sizeof number);
  done.wait();
}

void Poller::every(std::int64_t milliseconds, std::function<void()> action) {
  period_ = milliseconds;
  periodic_ = std::move(action);
}

void Poller::run_tasks() {
  std::uint64_t number = 0;
  std::ignore = ::read(wake_.get(), &number, sizeof number);
  std::vector<Task*> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task* task : tasks) {
    (*task->work)();
    task->done.set_value();
  }
}

Status Poller::run() {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kAtOnce = 64;
  std::array<struct epoll_event, kAtOnce> events{};
  Clock::time_point last = Clock::now();
  while (true) {
    int count = ::epoll_wait(epoll_.get(), events.data(), kAtOnce, static_cast<int>(period_));
    if (count < 0 && errno != EINTR) return fail_errno(errno, "wait for events");
    bool has_tasks = false;
    for (int i = 0; i < count; ++i) {
      const struct epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == nullptr) {
        has_tasks = true;
      } else {
        static_cast<Handler*>(event.data.ptr)->on_ready(event.events);
      }
    }
    // Behind the events: what a task ends may be named by one of them.
    if (has_tasks) run_tasks();
    dead_.clear();
    if (periodic_ && Clock::now() - last >= std::chrono::milliseconds(period_)) {
      last = Clock::now();
      periodic_();
      dead_.clear();
    }
  }
}

}  // namespace dhow::network::rootless
