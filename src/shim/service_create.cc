// SPDX-License-Identifier: Apache-2.0
// Create, Exec and Start.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "rpc/events.h"
#include "rpc/runc_options.h"
#include "shim/bundle.h"
#include "shim/cgroup_view.h"
#include "shim/mounts.h"
#include "shim/resolver_sockets.h"
#include "shim/service.h"
#include "sys/file_io.h"
#include "sys/resident.h"

namespace dhow::shim {
namespace {

namespace task = rpc::task;
namespace events = rpc::events;
using State = Process::State;

// What a worker tells of a container that it made: numbers with blanks between.
struct MadeContainer {
  pid_t pid = 0;
  bool shares_pids = false;
  bool on_host_mounts = false;
  bool oom_counts = false;
  std::uint64_t oom_seen = 0;
  std::size_t resolver_fds = 0;  // the last ones of the worker's; 0: it has no resolver
};

std::string to_text(const MadeContainer& made) {
  return cat(made.pid, " ", made.shares_pids ? 1 : 0, " ", made.on_host_mounts ? 1 : 0, " ",
             made.oom_counts ? 1 : 0, " ", made.oom_seen, " ", made.resolver_fds);
}

MadeContainer made_from_text(std::string_view text) {
  std::uint64_t numbers[6] = {};
  std::size_t index = 0;
  for (std::string_view word : split(text, ' ')) {
    if (index < 6) numbers[index++] = parse_number<std::uint64_t>(word).value_or(0);
  }
  return {static_cast<pid_t>(numbers[0]),
          numbers[1] != 0,
          numbers[2] != 0,
          numbers[3] != 0,
          numbers[4],
          numbers[5]};
}

// What can be seen of a container from its init on, before its program runs.
struct Sight {
  bool shares_pids = false;
  std::optional<cgroup::Cgroup::OomWatch> oom;
};

Sight look_at(pid_t pid) {
  Sight sight;
  sight.shares_pids = !is_first_of_its_pids(pid);
  if (auto location = cgroups_of(pid)) {
    if (auto oom = watch_oom_of(*location)) sight.oom = std::move(*oom);
  }
  return sight;
}

// In the worker, once there is a container, and in its network namespace after that.
Result<WorkerResult> describe(MadeContainer made, Sight sight, const std::string& bundle) {
  made.shares_pids = sight.shares_pids;
  WorkerResult result;
  if (sight.oom) {
    made.oom_counts = sight.oom->counts;
    made.oom_seen = sight.oom->seen;
    result.fds.push_back(std::move(sight.oom->fd));
    result.fds.push_back(std::move(sight.oom->keep));
  }
  // Before its program runs, so that nothing else is in their place.
  if (::access(resolver_file(bundle).c_str(), F_OK) == 0) {
    TRY_ASSIGN(ResolverSockets sockets, make_resolver_sockets(made.pid));
    std::vector<Fd> all = std::move(sockets).take_all();
    made.resolver_fds = all.size();
    std::ranges::move(all, std::back_inserter(result.fds));
  }
  result.payload = to_text(made);
  return result;
}

// For a worker: what it makes a container or restores one from.
struct Making {
  std::string id;
  RuntimeChoice runtime;
  OciRuntime::Make make;
  std::vector<rpc::Mount> rootfs;
};

// `make_it` may look at the container as soon as it can; otherwise that is done afterwards.
Result<WorkerResult> make_in_worker(
    const Making& making,
    const std::function<Result<pid_t>(OciRuntime&, std::optional<Sight>&)>& make_it) {
  MadeContainer made;
  std::string rootfs = cat(making.make.bundle, "/rootfs");
  TRY_ASSIGN(made.on_host_mounts, wants_host_mounts(making.make.bundle));
  if (made.on_host_mounts) TRY(enter_host_mounts());
  if (!making.rootfs.empty()) TRY(mount_all(making.rootfs, rootfs));
  auto runtime = make_oci_runtime(making.runtime);
  std::optional<Sight> sight;
  auto pid = make_it(*runtime, sight);
  if (!pid) {
    std::ignore = unmount_all(rootfs);  // the failure before is the one to tell
    if (!making.runtime.program.empty()) return fail(std::move(pid).error());
    return fail(std::move(pid).error().add_context("OCI runtime create failed"));
  }
  made.pid = *pid;
  if (!sight) sight = look_at(*pid);
  auto described = describe(made, std::move(*sight), making.make.bundle);
  if (!described) {
    std::ignore = runtime->remove(making.id);
    std::ignore = unmount_all(rootfs);
  }
  return described;
}

// An executable of the request's options, and the folder for its state.
Status take_options(Container& container, const std::optional<rpc::Any>& any,
                    const ServiceOptions& service) {
  rpc::runc::Options options;
  if (any && rpc::is_packed<rpc::runc::Options>(*any)) {
    TRY_ASSIGN(options, rpc::unpack<rpc::runc::Options>(*any));
  }
  TRY_CONTEXT(save_options(container.bundle, options), "keep the options");
  container.runtime =
      choose_runtime(options, container.bundle, service.runtime_root, service.name_space);
  container.make = {container.bundle, container.make.terminal, options.no_pivot_root,
                    options.no_new_keyring};
  container.criu_work = options.criu_work_path;
  return {};
}

}  // namespace

void TaskService::create(const task::CreateTaskRequest& request, SharedReply reply) {
  if (find(request.id) != nullptr) {
    return reply->fail(
        Error(Code::kAlreadyExists, cat("container ", request.id, ": already exists")));
  }
  auto container = std::make_unique<Container>();
  container->id = request.id;
  container->bundle = request.bundle;
  container->make.terminal = request.terminal;
  container->rootfs = request.rootfs;
  container->checkpoint = request.checkpoint;
  container->parent_checkpoint = request.parent_checkpoint;
  auto taken = take_options(*container, request.options, options_);
  if (!taken) return reply->fail(taken.error());
  Process& init = container->init;
  init.streams = {request.stdin_uri, request.stdout_uri, request.stderr_uri,
                  request.terminal,  request.id,         options_.name_space};
  auto io = ProcessIo::open(loop_, init.streams);
  if (!io) return reply->fail(io.error());
  init.io = std::move(*io);
  ProcessIo* raw = init.io.get();
  containers_[request.id] = std::move(container);
  raw->prepare(workers_, [this, id = request.id, reply](Status prepared) {
    if (prepared) return create_with_runtime(id, reply);
    created(id, reply, fail(std::move(prepared.error())));
  });
}

void TaskService::add_mount_spaces(WorkerStreams& streams) const {
  if (options_.host_mounts) streams.mount_space = options_.host_mounts.get();
  if (options_.empty_mounts) streams.empty_mounts = options_.empty_mounts.get();
}

void TaskService::create_with_runtime(const std::string& id, SharedReply reply) {
  Container* container = find(id);
  if (container == nullptr) return;
  // One that is restored is made when it is started.
  if (!container->checkpoint.empty()) return created(id, reply, WorkerResult{});
  Making making{id, container->runtime, container->make, container->rootfs};
  WorkerStreams streams = container->init.io->streams();
  add_mount_spaces(streams);
  workers_.start(
      streams,
      [making] {
        return make_in_worker(making, [&making](OciRuntime& runtime, std::optional<Sight>& sight) {
          OciRuntime::Make make = making.make;
          make.on_init = [&sight](pid_t pid) { sight = look_at(pid); };
          return runtime.create(making.id, make);
        });
      },
      [this, id, reply](Result<WorkerResult> result) { created(id, reply, std::move(result)); });
}

void TaskService::created(const std::string& id, SharedReply reply, Result<WorkerResult> result) {
  Container* container = find(id);
  if (container == nullptr) return;
  Process& init = container->init;
  if (!result) {
    let_go(std::move(init.io));
    WaitingKills waiting = std::move(container->waiting_kill);
    containers_.erase(id);
    reply->fail(result.error());
    return kill_now(std::move(waiting));
  }
  MadeContainer made = made_from_text(result->payload);
  if (made.pid != 0) {
    own_pid(*container, init, made.pid);
    container->shares_pids = made.shares_pids;
    container->on_host_mounts = made.on_host_mounts;
    open_resolver(*container, made.resolver_fds, *result);
    watch_oom(*container, *result);
    if (container->oom) container->oom->counts = made.oom_counts;
    if (container->oom) container->oom->seen = made.oom_seen;
    auto taken = init.io->made();
    if (!taken) log::warning(taken.error().message());
  }
  init.state = State::kCreated;
  reply->send(task::CreateTaskResponse{static_cast<std::uint32_t>(init.pid)});
  publisher_.publish(
      events::TaskCreate{.container_id = id,
                         .bundle = container->bundle,
                         .rootfs = container->rootfs,
                         .io = events::TaskIo{init.streams.in, init.streams.out, init.streams.err,
                                              init.streams.terminal},
                         .checkpoint = container->checkpoint,
                         .pid = static_cast<std::uint32_t>(init.pid)});
  tell_early_exit(*container, init);
  kill_now(std::exchange(container->waiting_kill, {}));
}

void TaskService::exec(const task::ExecProcessRequest& request, SharedReply reply) {
  auto found = find_container(request.id);
  if (!found) return reply->fail(found.error());
  Container& container = **found;
  if (request.exec_id.empty()) {
    return reply->fail(Error(Code::kInvalidArgument, "exec id: empty"));
  }
  if (container.find(request.exec_id) != nullptr) {
    return reply->fail(
        Error(Code::kAlreadyExists, cat("id ", request.exec_id, ": already exists")));
  }
  if (container.init.state == State::kStopped) {
    return reply->fail(
        Error(Code::kFailedPrecondition, cat("container ", request.id, " is not running")));
  }
  auto process = std::make_unique<Process>();
  process->state = State::kCreated;
  process->exec_id = request.exec_id;
  if (request.spec) process->spec = request.spec->value;
  process->streams = {request.stdin_uri, request.stdout_uri, request.stderr_uri,
                      request.terminal,  request.id,         options_.name_space};
  auto io = ProcessIo::open(loop_, process->streams);
  if (!io) return reply->fail(io.error());
  process->io = std::move(*io);
  container.execs[request.exec_id] = std::move(process);
  reply->send(rpc::Empty{});
  publisher_.publish(events::TaskExecAdded{request.id, request.exec_id});
}

void TaskService::start(const task::StartRequest& request, SharedReply reply) {
  auto found = find_process(request.id, request.exec_id);
  if (!found) return reply->fail(found.error());
  Container& container = *find(request.id);
  Process& process = **found;
  if (process.state != State::kCreated || container.deleting) {
    return reply->fail(
        Error(Code::kFailedPrecondition, process.state == State::kStopped
                                             ? "cannot start a stopped process"
                                             : "cannot start a process that is not created"));
  }
  if (!process.exec_id.empty()) return start_exec(container, process, reply);
  if (!container.checkpoint.empty()) return restore(container, reply);
  start_init(container, reply);
}

void TaskService::start_init(Container& container, SharedReply reply) {
  container.init.state = State::kStarting;
  std::string id = container.id;
  if (begin_start(container, reply)) return;
  run(
      container, "start", [id](OciRuntime& runtime) { return runtime.start(id); },
      [this, id, reply](Status done) {
        if (Container* found = find(id)) started(*found, reply, std::move(done));
      });
}

// Without a worker. False: it needs one, also to say why it can't be started.
bool TaskService::begin_start(Container& container, const SharedReply& reply) {
  auto prepared = make_oci_runtime(container.runtime)->prepare_start(container.id);
  if (!prepared || !*prepared) return false;
  runtime::Starting& starting = container.starting.emplace(std::move(**prepared));
  auto watch =
      loop_.watch(starting.result(), EPOLLIN, [this, id = container.id, reply](std::uint32_t) {
        if (Container* found = find(id)) go_on_starting(*found, reply);
      });
  if (watch) container.starting_watch = std::move(*watch);
  if (watch && starting.begin()) return true;
  container.starting_watch.reset();
  container.starting.reset();
  return false;
}

void TaskService::go_on_starting(Container& container, const SharedReply& reply) {
  auto done = container.starting->go_on();
  if (!done) return;
  container.starting_watch.reset();
  container.starting.reset();
  if (*done) return started(container, reply, {});
  started(container, reply, fail(std::move(*done).error().add_context("OCI runtime start failed")));
}

void TaskService::started(Container& container, const SharedReply& reply, Status done) {
  Process& init = container.init;
  init.state = done ? State::kRunning : State::kCreated;
  if (done) {
    auto pid = static_cast<std::uint32_t>(init.pid);
    reply->send(task::StartResponse{pid});
    publisher_.publish(events::TaskStart{container.id, pid});
  } else {
    reply->fail(done.error());
  }
  tell_state(container);
  tell_early_exit(container, init);
  loop_.later(drop_resident_code);
}

void TaskService::restore(Container& container, SharedReply reply) {
  container.init.state = State::kStarting;
  Making making{container.id, container.runtime, container.make, container.rootfs};
  OciRuntime::Restore how{container.make, container.checkpoint, container.parent_checkpoint,
                          container.criu_work};
  WorkerStreams streams = container.init.io->streams();
  add_mount_spaces(streams);
  workers_.start(
      streams,
      [making, how] {
        return make_in_worker(making, [&](OciRuntime& runtime, std::optional<Sight>&) {
          return runtime.restore(making.id, how);
        });
      },
      [this, id = container.id, reply](Result<WorkerResult> result) {
        Container* found = find(id);
        if (found == nullptr) return;
        Process& init = found->init;
        init.state = result ? State::kRunning : State::kCreated;
        WaitingKills waiting = std::move(found->waiting_kill);
        if (!result) {
          tell_state(*found);
          reply->fail(result.error());
          return kill_now(std::move(waiting));
        }
        MadeContainer made = made_from_text(result->payload);
        own_pid(*found, init, made.pid);
        found->shares_pids = made.shares_pids;
        found->on_host_mounts = made.on_host_mounts;
        open_resolver(*found, made.resolver_fds, *result);
        watch_oom(*found, *result);
        auto taken = init.io->made();
        if (!taken) log::warning(taken.error().message());
        auto pid = static_cast<std::uint32_t>(made.pid);
        reply->send(task::StartResponse{pid});
        publisher_.publish(events::TaskStart{id, pid});
        tell_state(*found);
        tell_early_exit(*found, init);
        kill_now(std::move(waiting));
      });
}

void TaskService::start_exec(Container& container, Process& process, SharedReply reply) {
  process.state = State::kStarting;
  std::string id = container.id;
  std::string exec_id = process.exec_id;
  process.io->prepare(workers_, [this, id, exec_id, reply](Status prepared) {
    Container* found = find(id);
    Process* added = found != nullptr ? found->find(exec_id) : nullptr;
    if (added == nullptr) return;
    if (!prepared) {
      added->state = State::kCreated;
      return reply->fail(prepared.error());
    }
    workers_.start(
        added->io->streams(),
        [choice = found->runtime, id, spec = added->spec,
         terminal = added->streams.terminal]() -> Result<WorkerResult> {
          auto runtime = make_oci_runtime(choice);
          auto pid = runtime->exec(id, spec, terminal);
          if (pid) return WorkerResult{cat(*pid), {}};
          if (!choice.program.empty()) return fail(std::move(pid).error());
          return fail(std::move(pid).error().add_context("OCI runtime exec failed: exec failed"));
        },
        [this, id, exec_id, reply](Result<WorkerResult> result) {
          exec_started(id, exec_id, reply, std::move(result));
        });
  });
}

void TaskService::exec_started(const std::string& id, const std::string& exec_id, SharedReply reply,
                               Result<WorkerResult> result) {
  Container* container = find(id);
  Process* process = container != nullptr ? container->find(exec_id) : nullptr;
  if (process == nullptr) return;
  if (!result) {
    // It has no pid, and its streams are not asked for again: all that is left is to delete it.
    process->state = State::kCreated;
    return reply->fail(result.error());
  }
  own_pid(*container, *process, parse_number<pid_t>(result->payload).value_or(0));
  auto taken = process->io->made();
  if (!taken) log::warning(taken.error().message());
  process->state = State::kRunning;
  auto pid = static_cast<std::uint32_t>(process->pid);
  reply->send(task::StartResponse{pid});
  publisher_.publish(events::TaskExecStarted{id, exec_id, pid});
  tell_early_exit(*container, *process);
}

}  // namespace dhow::shim
