// SPDX-License-Identifier: Apache-2.0
// What is only passed on to a task's shim.
#include <unistd.h>

#include <tuple>

#include "base/strings.h"
#include "task/local_tasks.h"

namespace dhow::task {
namespace {

// The answer says nothing but that it was done.
Status done(Result<rpc::Empty> answer) {
  if (answer) return {};
  return fail(std::move(answer.error()));
}

Exit exit_of(const rpc::task::WaitResponse& waited) {
  return {waited.exit_status, waited.exited_at.value_or(rpc::timestamp_now())};
}

}  // namespace

Result<pid_t> LocalTasks::start(const Key& key, std::string_view exec_id) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(auto started,
             shim->call<rpc::task::StartResponse>(
                 rpc::task::StartRequest{key.id, std::string(exec_id)}, options_.limits.create));
  return static_cast<pid_t>(started.pid);
}

Status LocalTasks::exec(const Key& key, const ExecOptions& options) {
  TRY_ASSIGN(auto shim, find(key));
  rpc::task::ExecProcessRequest request;
  request.id = key.id;
  request.exec_id = options.exec_id;
  request.terminal = options.streams.terminal;
  request.stdin_uri = options.streams.in;
  request.stdout_uri = options.streams.out;
  request.stderr_uri = options.streams.err;
  request.spec = rpc::Any{std::string(rpc::kOciProcessUrl), options.process};
  return done(shim->call(request, options_.limits.call));
}

Status LocalTasks::kill(const Key& key, std::string_view exec_id, int signal, bool all) {
  TRY_ASSIGN(auto shim, find(key));
  return done(shim->call(
      rpc::task::KillRequest{key.id, std::string(exec_id), static_cast<std::uint32_t>(signal), all},
      options_.limits.signal));
}

void LocalTasks::watch_exit(const Key& key, std::string_view exec_id,
                            std::function<void(Result<Exit>)> watcher) {
  auto shim = find(key);
  if (!shim) {
    watcher(fail(std::move(shim.error())));
    return;
  }
  (*shim)->call_async<rpc::task::WaitResponse>(
      rpc::task::WaitRequest{key.id, std::string(exec_id)},
      [watcher = std::move(watcher)](Result<rpc::task::WaitResponse> waited) {
        watcher(waited ? Result<Exit>(exit_of(*waited)) : fail(std::move(waited.error())));
      });
}

Result<Exit> LocalTasks::wait(const Key& key, std::string_view exec_id,
                              std::optional<std::chrono::milliseconds> limit) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(auto waited, shim->wait_exit(exec_id, limit));
  return exit_of(waited);
}

Result<rpc::task::StateResponse> LocalTasks::state(const Key& key, std::string_view exec_id) {
  TRY_ASSIGN(auto shim, find(key));
  return shim->call<rpc::task::StateResponse>(rpc::task::StateRequest{key.id, std::string(exec_id)},
                                              options_.limits.state);
}

Result<std::vector<rpc::ProcessInfo>> LocalTasks::pids(const Key& key) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(auto answer, shim->call<rpc::task::PidsResponse>(rpc::task::PidsRequest{key.id},
                                                              options_.limits.state));
  return std::move(answer.processes);
}

Result<rpc::Any> LocalTasks::stats(const Key& key) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(auto answer, shim->call<rpc::task::StatsResponse>(rpc::task::StatsRequest{key.id},
                                                               options_.limits.state));
  if (answer.stats) return std::move(*answer.stats);
  return fail(Code::kNotFound, cat("task ", key.id, ": its shim has no statistics"));
}

Status LocalTasks::pause(const Key& key) {
  TRY_ASSIGN(auto shim, find(key));
  return done(shim->call(rpc::task::PauseRequest{key.id}, options_.limits.call));
}

Status LocalTasks::resume(const Key& key) {
  TRY_ASSIGN(auto shim, find(key));
  return done(shim->call(rpc::task::ResumeRequest{key.id}, options_.limits.call));
}

Status LocalTasks::resize(const Key& key, std::string_view exec_id, std::uint32_t width,
                          std::uint32_t height) {
  TRY_ASSIGN(auto shim, find(key));
  return done(shim->call(rpc::task::ResizePtyRequest{key.id, std::string(exec_id), width, height},
                         options_.limits.call));
}

Status LocalTasks::close_stdin(const Key& key, std::string_view exec_id) {
  TRY_ASSIGN(auto shim, find(key));
  return done(shim->call(rpc::task::CloseIoRequest{key.id, std::string(exec_id), true},
                         options_.limits.call));
}

Status LocalTasks::update(const Key& key, std::string_view resources) {
  TRY_ASSIGN(auto shim, find(key));
  rpc::task::UpdateTaskRequest request;
  request.id = key.id;
  request.resources = rpc::Any{std::string(rpc::kOciResourcesUrl), std::string(resources)};
  return done(shim->call(request, options_.limits.call));
}

Status LocalTasks::set_resolver(const Key& key, std::string_view text) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(Fd bundle, bundles_.find(key));
  // The file says that there is one: it comes after that. Later ones are read for each question.
  if (::faccessat(bundle.get(), kResolverFile, F_OK, 0) != 0) {
    rpc::task::UpdateTaskRequest request;
    request.id = key.id;
    request.annotations.emplace(rpc::task::kServeNames, "");
    TRY(done(shim->call(request, options_.limits.call)));
  }
  return replace_file(bundle, kResolverFile, text, 0600);
}

Status LocalTasks::serve_ports(const Key& key, std::string_view text) {
  TRY_ASSIGN(auto shim, find(key));
  rpc::task::UpdateTaskRequest request;
  request.id = key.id;
  request.annotations.emplace(rpc::task::kServePorts, text);
  return done(shim->call(request, options_.limits.call));
}

Status LocalTasks::checkpoint(const Key& key, std::string_view folder,
                              const rpc::runc::CheckpointOptions& options) {
  TRY_ASSIGN(auto shim, find(key));
  rpc::task::CheckpointTaskRequest request;
  request.id = key.id;
  request.path = folder;
  request.options = rpc::pack(options);
  return done(shim->call(request, options_.limits.create));
}

Result<pid_t> LocalTasks::shim_pid(const Key& key) {
  TRY_ASSIGN(auto shim, find(key));
  TRY_ASSIGN(auto answer, shim->call<rpc::task::ConnectResponse>(rpc::task::ConnectRequest{key.id},
                                                                 options_.limits.state));
  return static_cast<pid_t>(answer.shim_pid);
}

}  // namespace dhow::task
