// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "base/result.h"

namespace dhow::api::docker {

// Threads for calls that block, as many as there are such calls: one is made when all are busy, and
// ends when it had nothing to do for some seconds, so that an idle daemon has none but the few that
// stay. Beyond the limit jobs wait for their turn. Thread safe.
class Workers {
 public:
  using Job = std::function<void()>;
  struct Limits {
    std::size_t threads = 512;
    std::size_t kept = 1;  // that stay when there is nothing to do
  };
  explicit Workers(Limits limits) : limits_(limits) {}
  // Waits for the jobs that run; those that did not begin are dropped.
  ~Workers() { drain(); }
  // As the end of the object: jobs that come later are dropped.
  void drain();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Doesn't block. A job that throws ends the process.
  void run(Job job);
  std::size_t threads() const;

 private:
  static void* enter(void* self);
  void work();
  // Called with the mutex held.
  void add_thread();

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<Job> jobs_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace dhow::api::docker
