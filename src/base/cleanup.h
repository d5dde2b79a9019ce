// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace dhow {

// Undoes a step unless dismissed: one guard for each step of a creation, dismissed at its end.
// The action must not throw, and runs in the destructor, so the last guard made runs first.
template <typename Action>
class [[nodiscard]] Cleanup {
 public:
  explicit Cleanup(Action action) : action_(std::move(action)) {}
  Cleanup(Cleanup&& other) noexcept
      : action_(std::move(other.action_)), armed_(std::exchange(other.armed_, false)) {}
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  Cleanup& operator=(Cleanup&&) = delete;
  ~Cleanup() {
    if (armed_) action_();
  }

  void dismiss() { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace dhow
