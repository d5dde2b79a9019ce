// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>

#include "sys/fd.h"

namespace dhow::crash_test {

// An empty file system whose server stops answering when it is told to, as one of a network does
// whose server has gone: everybody who looks into it waits. Its end lets them go.
class SilentMount {
 public:
  // Mounted at a folder, which is made. A failure is a fault of the test.
  explicit SilentMount(const std::string& folder);
  ~SilentMount();
  SilentMount(const SilentMount&) = delete;
  SilentMount& operator=(const SilentMount&) = delete;

  void fall_silent() { is_silent_ = true; }
  // Waits until somebody waits for an answer; false: nobody did within a minute.
  bool await_request() { return asked_.try_acquire_for(std::chrono::minutes(1)); }

 private:
  void serve();
  void answer(std::string_view request);
  void reply(std::uint64_t unique, int error, std::string_view body);

  std::string folder_;
  Fd device_;
  Fd stop_;
  std::atomic<bool> is_silent_ = false;
  std::binary_semaphore asked_{0};
  std::thread server_;
};

}  // namespace dhow::crash_test
