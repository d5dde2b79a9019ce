// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::shim {

// The event loop of the shim: one thread, epoll(7), level triggered.
class Loop {
  struct Entry;

 public:
  using Ready = std::function<void(std::uint32_t events)>;

  // A descriptor that is watched, until this goes. The descriptor must stay open as long, the loop
  // longer.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept
        : loop_(std::exchange(other.loop_, nullptr)),
          entry_(std::exchange(other.entry_, nullptr)) {}
    Watch& operator=(Watch&& other) noexcept;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { reset(); }

    void reset();
    // EPOLLIN, EPOLLOUT or 0. Errors and hang-ups are told in any case, but for 0, which takes the
    // descriptor out of the loop.
    void set_events(std::uint32_t events);
    explicit operator bool() const { return entry_ != nullptr; }

   private:
    friend class Loop;
    Watch(Loop* loop, Entry* entry) : loop_(loop), entry_(entry) {}
    Loop* loop_ = nullptr;
    Entry* entry_ = nullptr;
  };

  static Result<std::unique_ptr<Loop>> make();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Result<Watch> watch(FdRef fd, std::uint32_t events, Ready ready);
  // Milliseconds, by the clock of timers.
  static std::int64_t now();
  // A timer that goes off once.
  Result<Watch> after(std::int64_t milliseconds, std::function<void()> action);
  // Called once, after the events that are being handled.
  void later(std::function<void()> action) { later_.push_back(std::move(action)); }

  // Serves until stop(), and may be called again. Fails only when the kernel does.
  Status run();
  void stop() { stopped_ = true; }

 private:
  struct Entry {
    int fd = -1;
    Fd owned;  // a timer
    std::uint32_t events = 0;
    Ready ready;
    bool dead = false;
  };

  explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
  Status turn();
  void run_later();

  Fd epoll_;
  bool stopped_ = false;
  std::vector<std::function<void()>> later_;
  std::vector<Entry*> dead_;  // freed when no event can name them any more
};

}  // namespace dhow::shim
