// SPDX-License-Identifier: Apache-2.0
#include "rpc/event_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <tuple>

namespace dhow::rpc {

Result<std::unique_ptr<EventThread>> EventThread::start() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "make epoll");
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_errno(errno, "make eventfd");
  struct epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail_errno(errno, "watch eventfd");
  }
  std::unique_ptr<EventThread> made(new EventThread(std::move(epoll), std::move(wake)));
  // Signals are for the threads of the program.
  sigset_t all, old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  Status status;
  try {
    made->thread_ = std::thread([thread = made.get()] { thread->run(); });
  } catch (const std::system_error& error) {
    status = fail_errno(error.code().value(), "start event thread");
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  TRY(status);
  return made;
}

EventThread::~EventThread() {
  if (!thread_.joinable()) return;
  std::uint64_t one = 1;
  // An eventfd takes a number this small at any time.
  std::ignore = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

Result<std::uint64_t> EventThread::add(FdRef fd, std::uint32_t events, Ready ready) {
  std::unique_lock lock(mutex_);
  std::uint64_t id = ++last_id_;
  struct epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  entries_.emplace(id, std::make_shared<Ready>(std::move(ready)));
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
    int error = errno;
    entries_.erase(id);
    return fail_errno(error, "watch descriptor");
  }
  return id;
}

Status EventThread::change(std::uint64_t id, FdRef fd, std::uint32_t events) {
  struct epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) {
    return fail_errno(errno, "watch descriptor");
  }
  return {};
}

void EventThread::remove(std::uint64_t id, FdRef fd) {
  std::shared_ptr<Ready> dropped;  // what it owns goes after the lock
  std::unique_lock lock(mutex_);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  auto found = entries_.find(id);
  if (found == entries_.end()) return;
  dropped = std::move(found->second);
  entries_.erase(found);
}

void EventThread::run() {
  while (true) {
    struct epoll_event events[32];
    int count = ::epoll_wait(epoll_.get(), events, 32, -1);
    for (int i = 0; i < count; ++i) {
      std::uint64_t id = events[i].data.u64;
      if (id == 0) return;
      std::shared_ptr<Ready> ready;
      {
        std::unique_lock lock(mutex_);
        auto found = entries_.find(id);
        if (found != entries_.end()) ready = found->second;
      }
      if (ready) (*ready)(events[i].events);
    }
  }
}

}  // namespace dhow::rpc
