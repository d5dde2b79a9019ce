// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/event_thread.h"
#include "rpc/server.h"
#include "task/bundle.h"
#include "task/shim.h"
#include "task/shim_process.h"
#include "task/tasks.h"

namespace dhow::task {

// Tasks whose shims are processes of this machine, reached by the sockets in their bundles.
class LocalTasks : public Tasks {
 public:
  static Result<std::unique_ptr<LocalTasks>> open(TasksOptions options);
  ~LocalTasks() override;

  std::string bundle(const Key& key) const override { return bundles_.path(key); }
  Result<std::vector<Recovered>> recover() override;
  Result<pid_t> create(const Key& key, const CreateOptions& options) override;
  Result<pid_t> start(const Key& key, std::string_view exec_id) override;
  Status exec(const Key& key, const ExecOptions& options) override;
  Status kill(const Key& key, std::string_view exec_id, int signal, bool all) override;
  Result<Exit> remove(const Key& key, std::string_view exec_id) override;
  Result<Exit> cleanup(const Key& key) override;
  void watch_exit(const Key& key, std::string_view exec_id,
                  std::function<void(Result<Exit>)> done) override;
  Result<Exit> wait(const Key& key, std::string_view exec_id,
                    std::optional<std::chrono::milliseconds> limit) override;
  Result<rpc::task::StateResponse> state(const Key& key, std::string_view exec_id) override;
  Result<std::vector<rpc::ProcessInfo>> pids(const Key& key) override;
  Result<rpc::Any> stats(const Key& key) override;
  Status pause(const Key& key) override;
  Status resume(const Key& key) override;
  Status resize(const Key& key, std::string_view exec_id, std::uint32_t width,
                std::uint32_t height) override;
  Status close_stdin(const Key& key, std::string_view exec_id) override;
  Status update(const Key& key, std::string_view resources) override;
  Status set_resolver(const Key& key, std::string_view text) override;
  Status serve_ports(const Key& key, std::string_view text) override;
  Status checkpoint(const Key& key, std::string_view folder,
                    const rpc::runc::CheckpointOptions& options) override;
  Result<pid_t> shim_pid(const Key& key) override;

 private:
  LocalTasks(TasksOptions options, Bundles bundles)
      : options_(std::move(options)), bundles_(std::move(bundles)) {}
  Status listen_for_events();
  ShimSite site(const Key& key) const;
  Result<std::shared_ptr<Shim>> find(const Key& key) const;

  Result<std::shared_ptr<Shim>> start_shim(const Key& key, const Fd& bundle,
                                           const Runtime& runtime);
  Result<pid_t> create_in(const std::shared_ptr<Shim>& shim, const CreateOptions& options);
  std::string last_words(const Key& key) const;
  void reap(PidFd process);

  // Removes the task from a shim that lives. Fails when it does not do all of that in time.
  Result<Exit> end_in(Shim& shim);
  // Of a shim that doesn't, or that hangs.
  Exit clean_after(const Key& key, const std::optional<Bootstrap>& bootstrap);
  Error explain_refusal(Shim& shim, Error error) const;
  std::optional<Bootstrap> read_bootstrap(const Key& key) const;

  struct Found;
  static void settle(Found& found);

  const TasksOptions options_;
  const Bundles bundles_;
  std::optional<ShimImage> image_;
  rpc::Service events_;
  std::unique_ptr<rpc::EventThread> thread_;
  std::unique_ptr<rpc::Server> server_;  // used on thread_ alone
  std::uint64_t server_id_ = 0;

  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<Shim>> shims_;
  std::set<Key> making_;
};

}  // namespace dhow::task
