// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "task/tasks.h"

namespace dhow::engine {

// What outlives an engine in a test: containers that are no processes, ended by the test.
class FakeShims {
 public:
  struct Task {
    pid_t pid = 0;
    rpc::task::ProcessStatus status = rpc::task::ProcessStatus::kCreated;
    std::uint32_t exit_status = 0;
    std::string config;
    std::vector<int> signals;
    std::vector<std::function<void(Result<task::Exit>)>> watchers;
  };
  // Ends a container that runs.
  void end(const std::string& id, std::uint32_t status);
  // Its shim dies under it.
  void lose(const std::string& id);
  bool has(const std::string& id);
  Task get(const std::string& id);
  std::size_t size();
  // How many tasks have been made so far.
  int made() const { return next_pid_ - 1000; }

  // As it is before its start.
  void make_unstarted(const std::string& id);
  // Called at the beginning of each cleanup, without the lock.
  std::function<void()> on_cleanup;
  // What the next create fails with.
  std::string create_fault;
  // Signals that end a container by themselves; SIGKILL always does.
  bool obeys_term = true;

 private:
  friend class FakeTasks;
  std::mutex mutex_;
  std::map<std::string, Task> tasks_;
  std::vector<std::string> lost_;
  int next_pid_ = 1000;
};

// Tasks on them; they are borrowed.
std::unique_ptr<task::Tasks> make_fake_tasks(FakeShims& shims, const task::TasksOptions& options);

}  // namespace dhow::engine
