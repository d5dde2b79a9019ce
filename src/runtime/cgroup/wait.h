// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace dhow::cgroup {

// Pauses between tries of what the kernel gives no event for: 50 us, then twice as long each time
// up to 10 ms, until the time is over.
class Backoff {
 public:
  explicit Backoff(int total_ms);
  // Sleeps; false when the time is over.
  bool pause();
  // Milliseconds left, for poll(2).
  int left_ms() const;

 private:
  std::int64_t end_ns_;
  long next_ns_ = 50'000;
};

}  // namespace dhow::cgroup
