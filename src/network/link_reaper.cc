// SPDX-License-Identifier: Apache-2.0
#include "network/link_reaper.h"

#include <utility>

#include "base/log.h"
#include "network/links.h"

namespace dhow::network {
namespace {

Status remove_all(const std::vector<std::string>& names) {
  TRY_ASSIGN(Links links, Links::open());
  Status result;
  for (const std::string& name : names) {
    // One that stays keeps no other.
    if (auto removed = links.remove(name); !removed) result = std::move(removed);
  }
  return result;
}

}  // namespace

LinkReaper::~LinkReaper() {
  finish();
  if (thread_.joinable()) thread_.join();
}

void LinkReaper::post(const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::lock_guard lock(mutex_);
  names_.insert(names_.end(), names.begin(), names.end());
  if (is_running_) return;
  // It has let go of the mutex for good.
  if (thread_.joinable()) thread_.join();
  is_running_ = true;
  thread_ = std::thread([this] { run(); });
}

void LinkReaper::finish() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return !is_running_; });
}

void LinkReaper::run() {
  std::unique_lock lock(mutex_);
  while (!names_.empty()) {
    std::vector<std::string> names = std::exchange(names_, {});
    lock.unlock();
    if (auto removed = remove_all(names); !removed) log::warning(removed.error().message());
    lock.lock();
  }
  is_running_ = false;
  // Under the lock: who waits may be about to destroy it.
  idle_.notify_all();
}

}  // namespace dhow::network
