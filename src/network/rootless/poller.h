// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::network::rootless {

// Who is told that a descriptor is ready.
class Handler {
 public:
  virtual ~Handler() = default;
  // `events`: EPOLLIN and so on.
  virtual void on_ready(std::uint32_t events) = 0;
};

// What the poller owns, with the handlers that are in it.
class Work {
 public:
  virtual ~Work() = default;
};

// The event loop of the forwarder: one thread, epoll(7), level triggered. All but call() is for
// that thread alone.
class Poller {
 public:
  static Result<std::unique_ptr<Poller>> make();

  // The handler stays where it is until its descriptor is closed and its work has ended.
  Status watch(FdRef fd, std::uint32_t events, Handler& handler);
  // With 0 errors and hang-ups are told nevertheless.
  void change(FdRef fd, std::uint32_t events, Handler& handler);
  // Nothing is told any more.
  void forget(FdRef fd);
  void own(std::unique_ptr<Work> work);
  // It is destroyed when no event can name it any more; to end one twice is the same.
  void end(Work& work);

  // Runs `task` on the loop's thread, and blocks until it is done. From another thread.
  void call(const std::function<void()>& task);
  // Called on the loop's thread every so often.
  void every(std::int64_t milliseconds, std::function<void()> action);

  // Serves for ever; fails only when the kernel does.
  Status run();

 private:
  struct Task;
  Poller(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  void run_tasks();

  Fd epoll_;
  Fd wake_;
  std::vector<std::unique_ptr<Work>> dead_;
  std::unordered_set<Work*> alive_;
  std::int64_t period_ = -1;
  std::function<void()> periodic_;
  std::mutex mutex_;  // guards the one below
  std::vector<Task*> tasks_;
};

}  // namespace dhow::network::rootless
