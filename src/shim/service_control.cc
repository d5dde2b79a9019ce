// SPDX-License-Identifier: Apache-2.0
// Delete, Kill, Pause, Resume, Update, Checkpoint and Shutdown.
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "rpc/events.h"
#include "rpc/runc_options.h"
#include "shim/bundle.h"
#include "shim/mounts.h"
#include "shim/service.h"

namespace dhow::shim {
namespace {

namespace task = rpc::task;
namespace events = rpc::events;
using State = Process::State;

// How long a shim that was told to end stays for events and clients.
constexpr std::int64_t kLingerMs = 3000;

Error already_finished() {
  // containerd and docker know the words.
  return {Code::kNotFound, "process already finished: not found"};
}

task::DeleteResponse delete_response(const Process& process) {
  Process::Exit exit = process.exit.value_or(Process::Exit{});
  return {static_cast<std::uint32_t>(process.pid), exit.status, exit.at};
}

}  // namespace

void TaskService::remove(const task::DeleteRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  Container& container = *find(request.id);
  Process& process = **found;
  if (process.state != State::kStopped && process.state != State::kCreated) {
    return reply->fail(
        Error(Code::kFailedPrecondition, "cannot delete a running process: failed precondition"));
  }
  if (!process.exec_id.empty()) return remove_exec(container, process, reply);
  if (container.deleting) {
    return reply->fail(Error(Code::kFailedPrecondition, "container is being deleted"));
  }
  container.deleting = true;
  container.oom_watch.reset();
  WorkerStreams streams;
  add_mount_spaces(streams);
  workers_.start(
      streams,
      [id = container.id, choice = container.runtime, rootfs = cat(container.bundle, "/rootfs"),
       mounted = !container.rootfs.empty(),
       on_host = container.on_host_mounts]() -> Result<WorkerResult> {
        if (on_host) TRY(enter_host_mounts());
        TRY(make_oci_runtime(choice)->remove(id));
        if (mounted) TRY(unmount_all(rootfs));
        return WorkerResult{};
      },
      [this, id = container.id, reply](Result<WorkerResult> result) {
        removed(id, reply, std::move(result));
      });
}

void TaskService::removed(const std::string& id, SharedReply reply, Result<WorkerResult> result) {
  Container* container = find(id);
  if (container == nullptr) return;
  container->deleting = false;
  if (!result) return reply->fail(result.error());
  Process& init = container->init;
  if (init.pid != 0 && !init.exit) {
    // It was killed by the removal, and its end is about to be told.
    container->deleting = true;
    init.waiting_delete.push_back(reply);
    return;
  }
  let_go(std::move(init.io));
  for (auto& [exec_id, process] : container->execs) let_go(std::move(process->io));
  task::DeleteResponse response = delete_response(init);
  publisher_.publish(events::TaskDelete{.container_id = id,
                                        .pid = response.pid,
                                        .exit_status = response.exit_status,
                                        .exited_at = response.exited_at});
  containers_.erase(id);
  reply->send(response);
}

void TaskService::remove_exec(Container& container, Process& process, SharedReply reply) {
  task::DeleteResponse response = delete_response(process);
  let_go(std::move(process.io));
  for (rpc::Reply& waiting : process.waiting) {
    waiting.send(task::WaitResponse{response.exit_status, response.exited_at});
  }
  container.execs.erase(process.exec_id);
  reply->send(response);
}

void TaskService::kill(const task::KillRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  Container& container = *find(request.id);
  Process& process = **found;
  int signal = static_cast<int>(request.signal);
  if (signal < 0 || signal >= NSIG) {
    return reply->fail(Error(Code::kInvalidArgument, cat("signal ", signal, ": no such signal")));
  }
  bool is_being_made = process.state == State::kCreating || process.state == State::kStarting;
  bool is_init = process.exec_id.empty();
  // An engine that comes back may end what the former one has just asked for.
  if (container.changes_pause || (is_init && process.pid == 0 && is_being_made)) {
    container.waiting_kill.emplace_back(request, reply);
    return;
  }
  bool all = request.all && is_init;
  if (process.state == State::kStopped && !all) return reply->fail(already_finished());
  if (process.pid == 0) {
    return reply->fail(Error(Code::kFailedPrecondition, "process not created"));
  }
  if (is_init && signal == SIGKILL) container.is_killed = true;
  // Frozen processes have to be thawed, and those without pid namespace found, by the runtime.
  bool by_runtime =
      all || (is_init && signal == SIGKILL && (container.paused || container.shares_pids));
  if (by_runtime) {
    return run(
        container, "kill",
        [id = container.id, signal, all](OciRuntime& runtime) {
          return runtime.kill(id, signal, all);
        },
        [this, id = container.id, reply](Status killed) {
          Container* one = find(id);
          if (!killed && one != nullptr) one->is_killed = false;
          reply->send(killed);
        });
  }
  // Our own child, which nobody else reaps: the number is still its own.
  if (::kill(process.pid, signal) == 0) return reply->send(rpc::Empty{});
  if (errno == ESRCH) return reply->fail(already_finished());
  reply->fail(Error::from_errno(errno, cat("signal ", process.pid)));
}

void TaskService::pause(const task::PauseRequest& request, SharedReply reply) {
  change_pause(request.id, true, reply);
}

void TaskService::resume(const task::ResumeRequest& request, SharedReply reply) {
  change_pause(request.id, false, reply);
}

void TaskService::change_pause(const std::string& id, bool pause, SharedReply reply) {
  auto found = find_running(id);
  if (!found) return reply->fail(found.error());
  if ((*found)->changes_pause) {
    return reply->fail(
        Error(Code::kFailedPrecondition, cat("container ", id, " is being paused or resumed")));
  }
  // Frozen before it comes to dying, it would not end.
  if (pause && (*found)->is_killed) {
    return reply->fail(Error(Code::kFailedPrecondition, cat("container ", id, " is not running")));
  }
  (*found)->changes_pause = true;
  run(
      **found, pause ? "pause" : "resume",
      [id, pause](OciRuntime& runtime) { return pause ? runtime.pause(id) : runtime.resume(id); },
      [this, id, pause, reply](Status changed) {
        Container* container = find(id);
        if (container == nullptr) return reply->send(changed);
        container->changes_pause = false;
        if (changed) {
          container->paused = pause && container->init.state != State::kStopped;
          tell_pause(id, pause);
        }
        reply->send(changed);
        kill_now(std::exchange(container->waiting_kill, {}));
      });
}

void TaskService::kill_now(WaitingKills waiting) {
  for (auto& [request, reply] : waiting) kill(request, reply);
}

void TaskService::tell_pause(const std::string& id, bool paused) {
  if (paused) return publisher_.publish(events::TaskPaused{id});
  publisher_.publish(events::TaskResumed{id});
}

void TaskService::update(const task::UpdateTaskRequest& request, SharedReply reply) {
  auto found = find_running(request.id);
  if (!found) return reply->fail(found.error());
  if (request.annotations.contains(std::string(task::kServeNames))) {
    return serve_names(**found, reply);
  }
  auto ports = request.annotations.find(std::string(task::kServePorts));
  if (ports != request.annotations.end()) {
    std::unique_ptr<LocalPorts>& own = (*found)->local_ports;
    if (!own) own = std::make_unique<LocalPorts>(loop_);
    return reply->send(own->set(ports->second));
  }
  if (!request.resources) {
    return reply->fail(Error(Code::kInvalidArgument, "update: no resources are given"));
  }
  run(
      **found, "update",
      [id = request.id, resources = request.resources->value](OciRuntime& runtime) {
        return runtime.update(id, resources);
      },
      [reply](Status updated) { reply->send(updated); });
}

void TaskService::checkpoint(const task::CheckpointTaskRequest& request, SharedReply reply) {
  auto found = find_running(request.id);
  if (!found) return reply->fail(found.error());
  rpc::runc::CheckpointOptions options;
  if (request.options) {
    auto given = rpc::unpack<rpc::runc::CheckpointOptions>(*request.options);
    if (!given) return reply->fail(given.error());
    options = std::move(*given);
  }
  std::string work = options.work_path;
  if (work.empty()) work = (*found)->criu_work;
  std::string image = options.image_path.empty() ? request.path : options.image_path;
  run(
      **found, "checkpoint",
      [id = request.id, options, image, work](OciRuntime& runtime) {
        return runtime.checkpoint(id, options, image, work);
      },
      [this, id = request.id, image, reply](Status done) {
        if (done) publisher_.publish(events::TaskCheckpointed{id, image});
        reply->send(done);
      });
}

void TaskService::shutdown(const task::ShutdownRequest& request, SharedReply reply) {
  reply->send(rpc::Empty{});
  // Of a pod's shim: each of its containers is shut down, the last one ends it.
  if (!containers_.empty() && !request.now) return;
  shutting_down_ = true;
  publisher_.retry_now();
  publisher_.on_idle([this] { check_finished(); });
  auto timer = loop_.after(kLingerMs, [this] {
    if (finished_) finished_();
  });
  if (timer) shutdown_timer_ = std::move(*timer);
  loop_.later([this] { check_finished(); });
}

}  // namespace dhow::shim
