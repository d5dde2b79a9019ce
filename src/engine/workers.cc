// SPDX-License-Identifier: Apache-2.0
#include "engine/workers.h"

namespace dhow::engine {
namespace {

constexpr std::chrono::seconds kIdle{10};

}  // namespace

Workers::~Workers() { close(); }

void Workers::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  later_.clear();
  times_.clear();
  work_.notify_all();
  clock_.notify_all();
  gone_.wait(lock, [&] { return threads_ == 0; });
  lock.unlock();
  if (timekeeper_.joinable()) timekeeper_.join();
}

void Workers::post(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    queue_.push_back(std::move(work));
    if (queue_.size() > idle_ && threads_ < most_) {
      ++threads_;
      std::thread([this] { run(); }).detach();
    }
  }
  work_.notify_one();
}

std::uint64_t Workers::post_at(Clock::time_point time, Work work) {
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return 0;
    number = next_number_++;
    later_.emplace(std::pair(time, number), std::move(work));
    times_.emplace(number, time);
    if (!timekeeper_.joinable()) timekeeper_ = std::thread([this] { keep_time(); });
  }
  clock_.notify_one();
  return number;
}

void Workers::cancel(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  auto found = times_.find(number);
  if (found == times_.end()) return;
  later_.erase({found->second, number});
  times_.erase(found);
}

void Workers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    bool woken = work_.wait_for(lock, kIdle, [&] { return closed_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) {
      if (!woken || closed_) break;
      continue;
    }
    Work work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
  --threads_;
  // Under the lock: the destructor may go on right after it.
  gone_.notify_all();
}

void Workers::keep_time() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (later_.empty()) {
      clock_.wait(lock);
      continue;
    }
    auto first = later_.begin();
    const Clock::time_point time = first->first.first;  // it may be gone before the wait is over
    if (time > Clock::now()) {
      clock_.wait_until(lock, time);
      continue;
    }
    Work work = std::move(first->second);
    times_.erase(first->first.second);
    later_.erase(first);
    lock.unlock();
    post(std::move(work));
    lock.lock();
  }
}

}  // namespace dhow::engine
