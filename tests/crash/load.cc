// SPDX-License-Identifier: Apache-2.0
#include "crash/load.h"

#include <utility>

#include "base/strings.h"

namespace dhow::crash_test {
namespace {

constexpr std::size_t kMost = 7;  // containers of a user

}  // namespace

bool Gate::pass() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return open_ || over_; });
  --waiting_;
  return !over_;
}

void Gate::open() {
  std::lock_guard lock(mutex_);
  open_ = true;
  changed_.notify_all();
}

void Gate::close() {
  std::lock_guard lock(mutex_);
  open_ = false;
}

void Gate::end() {
  std::lock_guard lock(mutex_);
  over_ = true;
  changed_.notify_all();
}

void Gate::await_all() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_ == users_; });
}

bool Gate::is_open() const {
  std::lock_guard lock(mutex_);
  return open_;
}

void Gate::tell_sent() {
  std::lock_guard lock(mutex_);
  ++sent_;
  changed_.notify_all();
}

void Gate::await_sent(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this, before = sent_] { return sent_ != before; });
}

void Gate::report(std::string fault) {
  std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

std::vector<std::string> Gate::faults() const {
  std::lock_guard lock(mutex_);
  return faults_;
}

User::User(Gate& gate, const std::string& socket, int number, std::uint64_t seed)
    : gate_(gate),
      number_(number),
      random_(seed),
      api_(
          socket, [this] { gate_.tell_sent(); },
          [this](std::string fault) { gate_.report(std::move(fault)); }),
      thread_([this] { run(); }) {}

void User::run() {
  while (gate_.pass()) {
    ++operations_;
    act();
  }
}

void User::fault(const Entry& entry, std::string_view what) {
  gate_.report(cat(entry.name, " (", entry.id.substr(0, 12), "): ", what));
}

void User::act() {
  for (Entry& entry : entries_) {
    if (entry.wait_due) return wait(entry);
  }
  if (entries_.empty() || (entries_.size() < kMost && below(3) == 0)) return create();
  auto chosen = entries_.begin();
  std::advance(chosen, below(entries_.size()));
  Entry& entry = *chosen;
  if (!entry.created) return;  // until it is known whether it is there
  if (entry.starts_answered == 0 && below(3) != 0) {
    return entry.kind == Kind::kShort && below(3) == 0 ? attach(entry) : start(entry);
  }
  switch (below(15)) {
    case 0:
      return start(entry);
    case 1:
      return stop(entry);
    case 2:
      return kill(entry);
    case 3:
      return pause(entry);
    case 4:
      return rename(entry);
    case 5:
      return remove(entry, false);
    case 6:
      return remove(entry, true);
    case 7:
    case 8:
      return wait(entry);
    case 9:
    case 10:
      return execute(entry);
    case 11:
      return look();
    case 12:
      return kill_shim(entry);
    default:
      return read_logs(entry);
  }
}

}  // namespace dhow::crash_test
