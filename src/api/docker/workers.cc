// SPDX-License-Identifier: Apache-2.0
#include "api/docker/workers.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

constexpr std::chrono::seconds kIdleTime{10};
// Address space; what is not touched costs nothing.
constexpr std::size_t kStack = std::size_t{1} << 20;

}  // namespace

void Workers::drain() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  ended_.wait(lock, [&] { return threads_ == 0; });
  std::deque<Job> dropped = std::move(jobs_);
  jobs_.clear();
  lock.unlock();  // what they hold may come back here when it goes
}

void Workers::run(Job job) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_ < limits_.threads) add_thread();
  wake_.notify_one();
}

std::size_t Workers::threads() const {
  std::lock_guard lock(mutex_);
  return threads_;
}

void Workers::add_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  if (int fault = pthread_create(&thread, &attributes, &Workers::enter, this); fault == 0) {
    ++threads_;
  } else {
    // The jobs wait for those that there are.
    log::error(cat("start a thread: ", errno_text(fault)));
  }
  pthread_attr_destroy(&attributes);
}

void* Workers::enter(void* self) {
  static_cast<Workers*>(self)->work();
  return nullptr;
}

void Workers::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
      continue;
    }
    ++idle_;
    bool timed_out = wake_.wait_for(lock, kIdleTime) == std::cv_status::timeout;
    --idle_;
    if (timed_out && jobs_.empty() && threads_ > limits_.kept) break;
  }
  --threads_;
  if (threads_ == 0) ended_.notify_all();
}

}  // namespace dhow::api::docker
