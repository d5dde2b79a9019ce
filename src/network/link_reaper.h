// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dhow::network {

// Removes interfaces that nothing leads to any more. The kernel takes tens of milliseconds for one
// (it waits until nobody can be looking at it, see netdev_run_todo), which nobody should have to
// wait for. On a thread of its own, in the network namespace of whoever posts first, which ends
// when there is nothing to do. Thread safe.
class LinkReaper {
 public:
  LinkReaper() = default;
  ~LinkReaper();  // finishes
  LinkReaper(const LinkReaper&) = delete;
  LinkReaper& operator=(const LinkReaper&) = delete;

  // By their names; those that are not there are no fault, others are logged.
  void post(const std::vector<std::string>& names);
  // Blocks until all that were posted are gone.
  void finish();

 private:
  void run();

  std::mutex mutex_;  // guards all below
  std::condition_variable idle_;
  std::vector<std::string> names_;
  bool is_running_ = false;
  std::thread thread_;
};

}  // namespace dhow::network
