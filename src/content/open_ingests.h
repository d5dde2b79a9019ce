// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

namespace dhow::content {

// Which ingests of a store are open. One process has the store, so nobody else could open one.
// Thread safe.
class OpenIngests {
 public:
  // Holds the name until it goes. Must not outlive the OpenIngests.
  class Claim {
   public:
    Claim(OpenIngests& owner, std::string name) : owner_(owner), name_(std::move(name)) {}
    ~Claim() {
      {
        std::lock_guard lock(owner_.mutex_);
        owner_.names_.erase(name_);
      }
      owner_.released_.notify_all();
    }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    OpenIngests& owner_;
    std::string name_;
  };

  // Nothing when somebody has it.
  std::unique_ptr<Claim> claim(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (!names_.insert(name).second) return nullptr;
    return std::make_unique<Claim>(*this, name);
  }
  // Blocks until nobody has it; false when `stop` was asked for before.
  bool wait(const std::string& name, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return released_.wait(lock, std::move(stop), [&] { return !names_.contains(name); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any released_;
  std::set<std::string> names_;
};

}  // namespace dhow::content
