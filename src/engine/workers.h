// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace dhow::engine {

// Threads that do what is posted, made when all are busy, up to a bound, and gone after a while
// without work: what hangs on one container holds up only its own thread. And a clock that posts
// later. Thread safe.
class Workers {
 public:
  using Work = std::function<void()>;
  using Clock = std::chrono::steady_clock;

  explicit Workers(unsigned most) : most_(most) {}
  ~Workers();  // closes
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void post(Work work);
  // Posts at that time; the number cancels it.
  std::uint64_t post_at(Clock::time_point time, Work work);
  // Afterwards it is not begun any more, but may be under way.
  void cancel(std::uint64_t number);
  // Blocks until what was posted is done, so what it uses must still be there; drops what was to
  // come later, and what is posted from now on. Not for work itself.
  void close();

 private:
  void run();
  void keep_time();

  const unsigned most_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable gone_;
  std::condition_variable clock_;
  std::deque<Work> queue_;
  std::map<std::pair<Clock::time_point, std::uint64_t>, Work> later_;
  std::map<std::uint64_t, Clock::time_point> times_;
  std::uint64_t next_number_ = 1;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  bool closed_ = false;
  std::thread timekeeper_;
};

}  // namespace dhow::engine
