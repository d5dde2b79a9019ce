// SPDX-License-Identifier: Apache-2.0
#include "engine/testing/fake_tasks.h"

#include <signal.h>
#include <time.h>

#include "base/strings.h"

namespace dhow::engine {

using rpc::task::ProcessStatus;
using task::Exit;
using task::Key;

void FakeShims::end(const std::string& id, std::uint32_t status) {
  std::vector<std::function<void(Result<Exit>)>> watchers;
  {
    std::lock_guard lock(mutex_);
    auto found = tasks_.find(id);
    if (found == tasks_.end() || found->second.status == ProcessStatus::kStopped) return;
    found->second.status = ProcessStatus::kStopped;
    found->second.exit_status = status;
    watchers.swap(found->second.watchers);
  }
  for (auto& watcher : watchers) watcher(Exit{.status = status, .at = {}});
}

void FakeShims::lose(const std::string& id) {
  std::vector<std::function<void(Result<Exit>)>> watchers;
  {
    std::lock_guard lock(mutex_);
    watchers.swap(tasks_[id].watchers);
    tasks_.erase(id);
    lost_.push_back(id);
  }
  for (auto& watcher : watchers) watcher(fail(Code::kUnavailable, "the shim is gone"));
}

void FakeShims::make_unstarted(const std::string& id) {
  std::lock_guard lock(mutex_);
  tasks_[id].status = ProcessStatus::kCreated;
}

bool FakeShims::has(const std::string& id) {
  std::lock_guard lock(mutex_);
  return tasks_.contains(id);
}

FakeShims::Task FakeShims::get(const std::string& id) {
  std::lock_guard lock(mutex_);
  return tasks_[id];
}

std::size_t FakeShims::size() {
  std::lock_guard lock(mutex_);
  return tasks_.size();
}

class FakeTasks final : public task::Tasks {
 public:
  FakeTasks(FakeShims& shims, task::TasksOptions options)
      : shims_(shims), options_(std::move(options)) {}
  ~FakeTasks() override {
    std::vector<std::function<void(Result<Exit>)>> watchers;
    {
      std::lock_guard lock(shims_.mutex_);
      for (auto& [id, task] : shims_.tasks_) {
        for (auto& watcher : task.watchers) watchers.push_back(std::move(watcher));
        task.watchers.clear();
      }
    }
    for (auto& watcher : watchers) watcher(fail(Code::kCancelled, "tasks go away"));
  }

  std::string bundle(const Key& key) const override {
    return cat(options_.state, "/tasks/", key.name_space, "/", key.id);
  }
  Result<std::vector<task::Recovered>> recover() override {
    std::lock_guard lock(shims_.mutex_);
    std::vector<task::Recovered> all;
    for (auto& [id, task] : shims_.tasks_) {
      rpc::task::StateResponse state;
      state.pid = static_cast<std::uint32_t>(task.pid);
      state.status = task.status;
      state.exit_status = task.exit_status;
      all.push_back({.key = {"moby", id}, .state = std::move(state), .lost = {}});
    }
    for (const std::string& id : shims_.lost_) {
      all.push_back({.key = {"moby", id}, .state = {}, .lost = Exit{task::kLostStatus, {}}});
    }
    shims_.lost_.clear();
    return all;
  }
  Result<pid_t> create(const Key& key, const task::CreateOptions& options) override {
    std::lock_guard lock(shims_.mutex_);
    if (!shims_.create_fault.empty()) {
      return fail(Code::kUnknown, std::exchange(shims_.create_fault, {}));
    }
    auto [place, fresh] = shims_.tasks_.try_emplace(key.id);
    if (!fresh) return fail(Code::kAlreadyExists, "there is such a task");
    task::CreateOptions full = options;
    if (full.complete) {
      if (auto filled = full.complete(full); !filled) {
        shims_.tasks_.erase(place);
        return fail(filled.error());
      }
    }
    place->second.pid = ++shims_.next_pid_;
    place->second.config = full.config;
    return place->second.pid;
  }
  Result<pid_t> start(const Key& key, std::string_view /*exec_id*/) override {
    std::lock_guard lock(shims_.mutex_);
    TRY_ASSIGN(FakeShims::Task * task, find(key));
    task->status = ProcessStatus::kRunning;
    return task->pid;
  }
  Status exec(const Key&, const task::ExecOptions&) override {
    return fail(Code::kUnimplemented, "exec");
  }
  Status kill(const Key& key, std::string_view, int signal, bool) override {
    {
      std::lock_guard lock(shims_.mutex_);
      TRY_ASSIGN(FakeShims::Task * task, find(key));
      task->signals.push_back(signal);
      if (signal != SIGKILL && (signal != SIGTERM || !shims_.obeys_term)) return {};
    }
    shims_.end(key.id, 128 + static_cast<std::uint32_t>(signal));
    return {};
  }
  Result<Exit> remove(const Key& key, std::string_view) override {
    std::lock_guard lock(shims_.mutex_);
    TRY_ASSIGN(FakeShims::Task * task, find(key));
    if (task->status == ProcessStatus::kRunning) return fail(Code::kFailedPrecondition, "it runs");
    Exit exit{.status = task->exit_status, .at = {}};
    shims_.tasks_.erase(key.id);
    return exit;
  }
  Result<Exit> cleanup(const Key& key) override {
    if (shims_.on_cleanup) shims_.on_cleanup();
    std::vector<std::function<void(Result<Exit>)>> watchers;
    {
      std::lock_guard lock(shims_.mutex_);
      if (auto found = shims_.tasks_.find(key.id); found != shims_.tasks_.end()) {
        watchers.swap(found->second.watchers);
        shims_.tasks_.erase(found);
      }
    }
    for (auto& watcher : watchers) watcher(Exit{.status = task::kLostStatus, .at = {}});
    return Exit{.status = task::kLostStatus, .at = {}};
  }
  void watch_exit(const Key& key, std::string_view,
                  std::function<void(Result<Exit>)> done) override {
    Result<Exit> answer = fail(Code::kNotFound, "no such task");
    {
      std::lock_guard lock(shims_.mutex_);
      auto found = shims_.tasks_.find(key.id);
      if (found != shims_.tasks_.end() && found->second.status != ProcessStatus::kStopped) {
        found->second.watchers.push_back(std::move(done));
        return;
      }
      if (found != shims_.tasks_.end()) answer = Exit{found->second.exit_status, {}};
    }
    done(answer);
  }
  Result<Exit> wait(const Key&, std::string_view,
                    std::optional<std::chrono::milliseconds>) override {
    return fail(Code::kUnimplemented, "wait");
  }
  Result<rpc::task::StateResponse> state(const Key&, std::string_view) override {
    return fail(Code::kUnimplemented, "state");
  }
  Result<std::vector<rpc::ProcessInfo>> pids(const Key&) override {
    return fail(Code::kUnimplemented, "pids");
  }
  Result<rpc::Any> stats(const Key&) override { return fail(Code::kUnimplemented, "stats"); }
  Status pause(const Key& key) override { return set(key, ProcessStatus::kPaused); }
  Status resume(const Key& key) override { return set(key, ProcessStatus::kRunning); }
  Status resize(const Key&, std::string_view, std::uint32_t, std::uint32_t) override { return {}; }
  Status close_stdin(const Key&, std::string_view) override { return {}; }
  Status update(const Key&, std::string_view) override { return {}; }
  Status set_resolver(const Key&, std::string_view) override { return {}; }
  Status serve_ports(const Key&, std::string_view) override { return {}; }
  Status checkpoint(const Key&, std::string_view, const rpc::runc::CheckpointOptions&) override {
    return fail(Code::kUnimplemented, "checkpoint");
  }
  Result<pid_t> shim_pid(const Key&) override { return fail(Code::kUnimplemented, "shim_pid"); }

 private:
  Result<FakeShims::Task*> find(const Key& key) {
    auto found = shims_.tasks_.find(key.id);
    if (found == shims_.tasks_.end()) return fail(Code::kNotFound, "no such task");
    return &found->second;
  }
  Status set(const Key& key, ProcessStatus status) {
    std::lock_guard lock(shims_.mutex_);
    TRY_ASSIGN(FakeShims::Task * task, find(key));
    task->status = status;
    return {};
  }

  FakeShims& shims_;
  const task::TasksOptions options_;
};

std::unique_ptr<task::Tasks> make_fake_tasks(FakeShims& shims, const task::TasksOptions& options) {
  return std::make_unique<FakeTasks>(shims, options);
}

}  // namespace dhow::engine
