// SPDX-License-Identifier: Apache-2.0
#include "engine/workers.h"

#include <atomic>
#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <string>
#include <thread>

namespace dhow::engine {
namespace {

using Clock = Workers::Clock;
using std::chrono::milliseconds;

// What a test and the work wait for.
class Signal {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

TEST(WorkersTest, ClosingWaitsForWhatIsUnderWay) {
  Signal begun;
  std::atomic<int> ended = 0;
  Workers workers(2);  // gone before what its work uses
  for (int i = 0; i < 5; ++i) {
    workers.post([&] {
      begun.set();
      std::this_thread::sleep_for(milliseconds(20));
      ++ended;
    });
  }
  begun.wait();
  workers.close();
  EXPECT_EQ(ended, 5);
  workers.post([&] { ++ended; });
  EXPECT_EQ(workers.post_at(Clock::now(), [&] { ++ended; }), 0U);
  workers.close();
  EXPECT_EQ(ended, 5);
}

TEST(WorkersTest, OneThatHangsHoldsUpNoOther) {
  Signal free;
  Signal done;
  Workers workers(2);  // gone before what its work uses
  workers.post([&] { free.wait(); });
  workers.post([&] { done.set(); });
  done.wait();
  free.set();
}

TEST(WorkersTest, LaterInTheirOrderOrNever) {
  Signal done;
  std::string order;
  Workers workers(1);  // gone before what its work uses
  Clock::time_point now = Clock::now();
  workers.post_at(now + milliseconds(30), [&] {
    order += 'c';
    done.set();
  });
  std::uint64_t cancelled = workers.post_at(now + milliseconds(20), [&] { order += 'b'; });
  workers.post_at(now + milliseconds(10), [&] { order += 'a'; });
  workers.cancel(cancelled);
  workers.post_at(now + std::chrono::hours(1), [&] { order += 'd'; });
  done.wait();
  workers.close();
  EXPECT_EQ(order, "ac");
}

}  // namespace
}  // namespace dhow::engine
