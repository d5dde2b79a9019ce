// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::rpc {

// One thread that waits for many descriptors (epoll(7), level triggered): all connections to shims
// share one. Thread safe.
class EventThread {
 public:
  // Told of EPOLL* events, on the thread. Must not block.
  using Ready = std::function<void(std::uint32_t events)>;

  static Result<std::unique_ptr<EventThread>> start();
  // Ends the thread; what was added is forgotten. Not from the thread itself.
  ~EventThread();
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;

  // Watches a descriptor, which must stay open until remove(). The number names it from then on.
  Result<std::uint64_t> add(FdRef fd, std::uint32_t events, Ready ready);
  Status change(std::uint64_t id, FdRef fd, std::uint32_t events);
  // No call of `ready` begins after this; one that is under way may still be. So `ready` owns what
  // it needs.
  void remove(std::uint64_t id, FdRef fd);
  // Whether the caller is on the thread.
  bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  EventThread(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  void run();

  Fd epoll_;
  Fd wake_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Ready>> entries_;
  std::uint64_t last_id_ = 0;  // 0 stands for wake_
  std::thread thread_;
};

}  // namespace dhow::rpc
