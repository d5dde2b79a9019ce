// SPDX-License-Identifier: Apache-2.0
// State, Pids, Stats, Wait, Connect, ResizePty and CloseIO.
#include <unistd.h>

#include <utility>

#include "base/strings.h"
#include "rpc/runc_options.h"
#include "shim/cgroup_view.h"
#include "shim/service.h"

namespace dhow::shim {
namespace {

namespace task = rpc::task;
using State = Process::State;

// Go's zero time, which is what containerd's shims give for a process that has not ended.
constexpr rpc::Timestamp kNever{-62135596800, 0};

task::ProcessStatus status_of(const Container& container, const Process& process) {
  switch (process.state) {
    case State::kCreating:
    case State::kCreated:
      return task::ProcessStatus::kCreated;
    case State::kStarting:
    case State::kRunning:
      if (process.exec_id.empty() && container.paused) return task::ProcessStatus::kPaused;
      return process.state == State::kRunning ? task::ProcessStatus::kRunning
                                              : task::ProcessStatus::kCreated;
    case State::kStopped:
      break;
  }
  return task::ProcessStatus::kStopped;
}

}  // namespace

void TaskService::state(const task::StateRequest& request, SharedReply reply) {
  publisher_.retry_now();  // an engine that has come back begins by asking this
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  Container& container = *find(request.id);
  const Process& process = **found;
  if (&process == &container.init && process.state == Process::State::kStarting) {
    // Neither answer would be true: an engine that comes back must not take it for one that never
    // ran. containerd's own shim has it wait too.
    container.waiting_state.push_back(reply);
    return;
  }
  task::StateResponse response;
  // The exec's, as containerd's own shim has it.
  response.id = process.exec_id.empty() ? container.id : process.exec_id;
  response.bundle = container.bundle;
  response.pid = static_cast<std::uint32_t>(process.pid);
  response.status = status_of(container, process);
  response.stdin_uri = process.streams.in;
  response.stdout_uri = process.streams.out;
  response.stderr_uri = process.streams.err;
  response.terminal = process.streams.terminal;
  response.exit_status = process.exit ? process.exit->status : 0;
  response.exited_at = process.exit ? process.exit->at : kNever;
  response.exec_id = process.exec_id;
  reply->send(response);
}

void TaskService::tell_state(Container& container) {
  for (const auto& reply : std::exchange(container.waiting_state, {})) {
    state(task::StateRequest{container.id, {}}, reply);
  }
}

void TaskService::pids(const task::PidsRequest& request, SharedReply reply) {
  auto found = find_running(request.id);
  if (!found) return reply->fail(found.error());
  workers_.start(
      {},
      [pid = (*found)->init.pid]() -> Result<WorkerResult> {
        TRY_ASSIGN(auto location, cgroups_of(pid));
        TRY_ASSIGN(auto pids, location.paths.empty() ? pids_beside(pid) : pids_of(location));
        std::string text;
        for (pid_t each : pids) text += cat(each, " ");
        return WorkerResult{std::move(text), {}};
      },
      [this, id = request.id, reply](Result<WorkerResult> result) {
        if (!result) return reply->fail(result.error());
        task::PidsResponse response;
        for (std::string_view word : split(result->payload, ' ')) {
          auto pid = parse_number<std::uint32_t>(word);
          if (!pid) continue;
          rpc::ProcessInfo info{.pid = *pid};
          auto process = processes_.find(static_cast<pid_t>(*pid));
          if (process != processes_.end() && !process->second.second.empty()) {
            info.info = rpc::pack(rpc::runc::ProcessDetails{process->second.second});
          }
          response.processes.push_back(std::move(info));
        }
        reply->send(response);
      });
}

void TaskService::stats(const task::StatsRequest& request, SharedReply reply) {
  auto found = find_running(request.id);
  if (!found) return reply->fail(found.error());
  workers_.start(
      {},
      [pid = (*found)->init.pid]() -> Result<WorkerResult> {
        TRY_ASSIGN(auto location, cgroups_of(pid));
        if (location.paths.empty()) {
          return fail(Code::kUnimplemented,
                      "cgroup does not exist: the container has none of its own");
        }
        TRY_ASSIGN(rpc::Any metrics, metrics_of(location));
        return WorkerResult{rpc::encode(metrics), {}};
      },
      [reply](Result<WorkerResult> result) {
        if (!result) return reply->fail(result.error());
        auto any = rpc::decode<rpc::Any>(result->payload);
        if (!any) return reply->fail(any.error());
        reply->send(task::StatsResponse{std::move(*any)});
      });
}

void TaskService::wait(const task::WaitRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  Process& process = **found;
  if (process.exit) return reply->send(task::WaitResponse{process.exit->status, process.exit->at});
  process.waiting.push_back(std::move(*reply));
}

void TaskService::connect(const task::ConnectRequest& request, SharedReply reply) {
  task::ConnectResponse response;
  response.shim_pid = static_cast<std::uint32_t>(::getpid());
  if (const Container* container = find(request.id)) {
    response.task_pid = static_cast<std::uint32_t>(container->init.pid);
  }
  response.version = DHOW_VERSION;
  reply->send(response);
}

void TaskService::resize(const task::ResizePtyRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  const Process& process = **found;
  reply->send(process.io ? process.io->resize(request.width, request.height) : Status());
}

void TaskService::close_io(const task::CloseIoRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  if (request.stdin_too && (*found)->io) (*found)->io->close_stdin();
  reply->send(rpc::Empty{});
}

}  // namespace dhow::shim
