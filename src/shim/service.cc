// SPDX-License-Identifier: Apache-2.0
#include "shim/service.h"

#include <sys/epoll.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "base/log.h"
#include "base/strings.h"
#include "rpc/events.h"
#include "sys/process.h"

namespace dhow::shim {

namespace task = rpc::task;
namespace events = rpc::events;

TaskService::TaskService(Loop& loop, ServiceOptions options)
    : loop_(loop),
      options_(std::move(options)),
      publisher_(loop, options_.events_address, options_.name_space),
      workers_(loop) {
  serve(&TaskService::create);
  serve(&TaskService::start);
  serve(&TaskService::exec);
  serve(&TaskService::remove);
  serve(&TaskService::kill);
  serve(&TaskService::pause);
  serve(&TaskService::resume);
  serve(&TaskService::update);
  serve(&TaskService::checkpoint);
  serve(&TaskService::shutdown);
  serve(&TaskService::state);
  serve(&TaskService::pids);
  serve(&TaskService::stats);
  serve(&TaskService::wait);
  serve(&TaskService::connect);
  serve(&TaskService::resize);
  serve(&TaskService::close_io);
}

TaskService::~TaskService() = default;

template <typename Request>
void TaskService::serve(void (TaskService::*method)(const Request&, SharedReply)) {
  service_.on<Request>([this, method](const Request& request, rpc::Reply reply) {
    (this->*method)(request, std::make_shared<rpc::Reply>(std::move(reply)));
  });
}

void TaskService::add_to(rpc::Server& server) {
  server.add(task::kServiceV2, service_);
  server.add(task::kServiceV3, service_);
}

Container* TaskService::find(const std::string& id) {
  auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}

Result<Container*> TaskService::find_container(const std::string& id) {
  if (Container* found = find(id)) return found;
  return fail(Code::kNotFound, cat("container not created: ", id, ": not found"));
}

Result<Process*> TaskService::find_process(const std::string& id, const std::string& exec_id) {
  TRY_ASSIGN(Container * container, find_container(id));
  if (Process* found = container->find(exec_id)) return found;
  return fail(Code::kNotFound, cat("process does not exist ", exec_id, ": not found"));
}

Result<Container*> TaskService::find_running(const std::string& id) {
  TRY_ASSIGN(Container * container, find_container(id));
  const Process& init = container->init;
  bool lives = init.pid > 0 && init.state != Process::State::kStopped && !container->deleting;
  if (lives) return container;
  return fail(Code::kFailedPrecondition, cat("container ", id, " is not running"));
}

void TaskService::own_pid(Container& container, Process& process, pid_t pid) {
  process.pid = pid;
  processes_[pid] = {container.id, process.exec_id};
  auto ended = unclaimed_.find(pid);
  if (ended == unclaimed_.end()) return;
  process.early_exit = ended->second;
  unclaimed_.erase(ended);
  processes_.erase(pid);
}

// A process that ends while its worker still lives is handed to us in the same round as the worker:
// all are looked at before anything is told (Workers).
void TaskService::reap() {
  while (true) {
    int status = 0;
    pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) break;
    if (!workers_.reaped(pid, status)) child_ended(pid, status);
  }
}

void TaskService::child_ended(pid_t pid, int wait_status) {
  Process::Exit exit{static_cast<std::uint32_t>(exit_code_from_wait_status(wait_status)),
                     rpc::timestamp_now()};
  auto owner = processes_.find(pid);
  if (owner == processes_.end()) {
    // An orphan of a container, a logger, or what a worker is about to tell of.
    unclaimed_[pid] = exit;
    // After the workers of this round have been heard.
    loop_.later([this] {
      loop_.later([this] {
        if (!workers_.any()) unclaimed_.clear();
      });
    });
    return;
  }
  auto [id, exec_id] = owner->second;
  processes_.erase(owner);
  Container* container = find(id);
  Process* process = container != nullptr ? container->find(exec_id) : nullptr;
  if (process == nullptr) return;
  using State = Process::State;
  if (process->state == State::kCreating || process->state == State::kStarting) {
    process->early_exit = exit;
    return;
  }
  process_ended(*container, *process, exit);
}

void TaskService::tell_early_exit(Container& container, Process& process) {
  auto exit = std::exchange(process.early_exit, std::nullopt);
  if (exit) process_ended(container, process, *exit);
}

void TaskService::process_ended(Container& container, Process& process, const Process::Exit& exit) {
  process.state = Process::State::kStopped;
  process.exit = exit;
  bool is_init = process.exec_id.empty();
  if (is_init) {
    check_oom(container);
    container.paused = false;
    // Its sockets would keep the namespace of its networks. After the end has been told, which is
    // waited for.
    std::shared_ptr<Resolver> resolver = std::move(container.resolver);
    std::shared_ptr<LocalPorts> ports = std::move(container.local_ports);
    loop_.later([resolver = std::move(resolver), ports = std::move(ports)] {});
    if (container.shares_pids && !container.deleting) {
      run(
          container, "kill",
          [id = container.id](OciRuntime& runtime) { return runtime.kill(id, SIGKILL, true); },
          [](Status killed) {
            if (!killed) log::warning(killed.error().message());
          });
    }
  }
  // What it has written is in the log before anybody hears that it has ended.
  if (process.io) process.io->drain();
  publisher_.publish(events::TaskExit{.container_id = container.id,
                                      .id = is_init ? container.id : process.exec_id,
                                      .pid = static_cast<std::uint32_t>(process.pid),
                                      .exit_status = exit.status,
                                      .exited_at = exit.at});
  for (rpc::Reply& reply : process.waiting) reply.send(task::WaitResponse{exit.status, exit.at});
  process.waiting.clear();
  if (process.io) process.io->told();
  for (auto& reply : std::exchange(process.waiting_delete, {})) {
    loop_.later([this, id = container.id, reply] { removed(id, reply, WorkerResult{}); });
  }
}

void TaskService::watch_oom(Container& container, WorkerResult& result) {
  if (result.fds.size() != 2) return;
  container.oom.emplace();
  container.oom->fd = std::move(result.fds[0]);
  container.oom->keep = std::move(result.fds[1]);
  std::string id = container.id;
  auto watch = loop_.watch(container.oom->fd, EPOLLIN, [this, id](std::uint32_t) {
    if (Container* found = find(id)) check_oom(*found);
  });
  if (watch) container.oom_watch = std::move(*watch);
}

void TaskService::check_oom(Container& container) {
  if (!container.oom) return;
  auto killed = container.oom->take();
  if (killed && *killed) publisher_.publish(events::TaskOom{container.id});
  if (!killed) container.oom_watch.reset();
}

void TaskService::let_go(std::unique_ptr<ProcessIo> io) {
  if (!io) return;
  io->finish();
  if (io->is_done()) {
    // Its own callbacks may be waiting for their turn.
    auto shared = std::shared_ptr<ProcessIo>(std::move(io));
    loop_.later([shared] {});
    return;
  }
  ProcessIo* raw = io.get();
  lingering_.push_back(std::move(io));
  raw->on_done([this, raw] {
    if (!raw->is_done()) return;
    auto same = [raw](const auto& each) { return each.get() == raw; };
    auto found = std::ranges::find_if(lingering_, same);
    if (found == lingering_.end()) return;
    auto shared = std::shared_ptr<ProcessIo>(std::move(*found));
    lingering_.erase(found);
    loop_.later([shared] {});
    check_finished();
  });
}

void TaskService::run(const Container& container, std::string_view verb,
                      std::function<Status(OciRuntime&)> operation,
                      std::function<void(Status)> done) {
  RuntimeChoice choice = container.runtime;
  auto work = [choice, verb = std::string(verb),
               operation = std::move(operation)]() -> Result<WorkerResult> {
    auto runtime = make_oci_runtime(choice);
    auto result = operation(*runtime);
    if (result) return WorkerResult{};
    if (!choice.program.empty()) return fail(std::move(result).error());
    return fail(std::move(result).error().add_context(cat("OCI runtime ", verb, " failed")));
  };
  workers_.start({}, work, [done = std::move(done)](Result<WorkerResult> result) {
    done(result ? Status() : Status(fail(std::move(result).error())));
  });
}

bool TaskService::is_finished() const {
  return shutting_down_ && publisher_.is_idle() && lingering_.empty() && !workers_.any();
}

void TaskService::check_finished() {
  if (finished_ && is_finished()) finished_();
}

}  // namespace dhow::shim
