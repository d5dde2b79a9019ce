// SPDX-License-Identifier: Apache-2.0
// What an engine finds of the one before it.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "task/local_tasks.h"

namespace dhow::task {
namespace {

constexpr std::size_t kCleaners = 8;  // dead shims that are cleaned up after at the same time

// Counts down as answers come.
class Countdown {
 public:
  explicit Countdown(std::size_t left) : left_(left) {}
  void one_less() {
    std::unique_lock lock(mutex_);
    if (--left_ == 0) done_.notify_all();
  }
  void wait(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    done_.wait_for(lock, limit, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t left_;
};

using State = rpc::task::StateResponse;

// Where an answer is put that may come too late, when nobody looks any more.
struct Answer {
  std::mutex mutex;
  std::optional<Result<State>> state;
};

}  // namespace

// A bundle, while it is being looked at.
struct LocalTasks::Found {
  Key key;
  std::optional<Bootstrap> bootstrap;
  std::shared_ptr<Shim> shim;
  std::shared_ptr<Answer> answer = std::make_shared<Answer>();
  bool is_dead = false;
  Recovered result;
};

// Decides by what the shim has said.
void LocalTasks::settle(Found& found) {
  found.result.key = found.key;
  if (found.is_dead) return;
  std::unique_lock lock(found.answer->mutex);
  if (!found.answer->state) {
    found.result.state.emplace();  // it hangs
    return;
  }
  Result<State>& state = *found.answer->state;
  if (state) {
    found.result.state = std::move(*state);
    return;
  }
  // It went as we asked, or never had the task. Whatever else it says, it may hold a container.
  const Code code = state.error().code();
  if (code == Code::kUnavailable || code == Code::kNotFound) {
    found.is_dead = true;
    return;
  }
  log::warning(cat("state of ", found.key.id, ": ", state.error().message()));
  found.result.state.emplace();
}

Result<std::vector<Recovered>> LocalTasks::recover() {
  TRY_ASSIGN(auto keys, bundles_.list());
  std::vector<Found> all(keys.size());
  auto countdown = std::make_shared<Countdown>(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Found& found = all[i];
    found.key = std::move(keys[i]);
    found.bootstrap = read_bootstrap(found.key);
    found.is_dead = true;
    if (found.bootstrap) {
      auto shim = Shim::connect(*thread_, found.key, *found.bootstrap);
      if (shim) found.shim = std::move(*shim);
      // Nobody accepts, but somebody listens.
      found.is_dead = !shim && shim.error().code() != Code::kResourceExhausted;
    }
    if (!found.shim) {
      countdown->one_less();
      continue;
    }
    found.shim->call_async<State>(rpc::task::StateRequest{found.key.id, {}},
                                  [answer = found.answer, countdown](Result<State> state) {
                                    {
                                      std::unique_lock lock(answer->mutex);
                                      answer->state.emplace(std::move(state));
                                    }
                                    countdown->one_less();
                                  });
  }
  countdown->wait(options_.limits.load);
  std::vector<Found*> dead;
  for (Found& found : all) {
    settle(found);
    if (found.is_dead) dead.push_back(&found);
    std::unique_lock lock(mutex_);
    if (found.shim) shims_.insert_or_assign(found.key, found.shim);
  }
  std::atomic<std::size_t> next = 0;
  auto clean = [&] {
    for (std::size_t i = next++; i < dead.size(); i = next++) {
      auto exit = cleanup(dead[i]->key);
      if (!exit) log::warning(exit.error().message());
      dead[i]->result.lost = exit.value_or(Exit{kLostStatus, rpc::timestamp_now()});
    }
  };
  std::vector<std::thread> cleaners;
  for (std::size_t i = 1; i < std::min(dead.size(), kCleaners); ++i) cleaners.emplace_back(clean);
  clean();
  for (std::thread& each : cleaners) each.join();
  std::vector<Recovered> results;
  for (Found& found : all) results.push_back(std::move(found.result));
  return results;
}

}  // namespace dhow::task
