// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "engine/attach_socket.h"
#include "engine/containers_impl.h"
#include "engine/log_settings.h"
#include "metadata/lease_store.h"
#include "oci/config_codec.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr int kNotStarted = 128;
constexpr int kNotExecutable = 126;
constexpr int kNoProgram = 127;

bool has_part(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What clients tell exit codes from, as docker does: by the text.
int code_of_failure(std::string_view text) {
  for (std::string_view word : {"executable file not found", "no such file or directory",
                                "system cannot find the file specified"}) {
    if (has_part(lower_text(text), word)) return kNoProgram;
  }
  if (has_part(lower_text(text), "permission denied") ||
      has_part(lower_text(text), "is a directory")) {
    return kNotExecutable;
  }
  return kNotStarted;
}

// Whether something is mounted on the host for it: that has to be there before the shim takes its
// copy of the host's mounts, as nothing comes into it later where they are not shared.
bool needs_host_mounts(const ContainerRecord& record) {
  return record.config.host.ipc_mode == "shareable" ||
         std::ranges::any_of(record.mounts(), [](const WantedMount& mount) {
           return mount.type != "bind" && mount.type != "tmpfs";
         });
}

// In docker's words, so that what is derived from them is.
Error start_failure(const Error& cause) {
  std::string text = cause.message();
  if (!has_part(text, "OCI runtime create failed")) {
    text = cat("OCI runtime create failed: ", text);
  }
  int code = code_of_failure(text);
  return Error(code == kNotStarted ? cause.code() : Code::kInvalidArgument, cause.sys_errno(),
               cat("failed to create task for container: failed to create shim task: ", text));
}

}  // namespace

std::string log_path(const EngineOptions& options, const std::string& id) {
  return cat(options.root, "/containers/", id, "/", id, "-json.log");
}

Result<task::Streams> ContainersImpl::streams_of(const ContainerRecord& record,
                                                 bool is_foreign) const {
  TRY_ASSIGN(TextMap query, shim_log_options(record, log_path(options_, record.id)));
  const ContainerConfig& config = record.config.config;
  if (config.open_stdin) query["stdin"] = "1";
  if (config.stdin_once) query["stdin-once"] = "1";
  std::string socket = tasks_->bundle(key(record.id)) + "/io.sock";
  if (is_foreign) return foreign_streams(shim_, socket, query, config.tty, config.open_stdin);
  return task::Streams{.out = io_uri(socket, query), .terminal = config.tty};
}

Result<RuntimeChoice> ContainersImpl::choice_of(const std::string& name) const {
  auto wanted = options_.runtimes.find(name);
  if (wanted != options_.runtimes.end()) return wanted->second;
  RuntimeChoice choice;
  if (name == "runc" || name == "crun") {
    choice.binary = name;
  } else if (name.starts_with("io.containerd.")) {
    choice.shim = name;
  } else if (name != "dhow") {
    return fail(Code::kInvalidArgument, cat("unknown or invalid runtime name: ", name));
  }
  return choice;
}

Result<task::Runtime> ContainersImpl::runtime_of(const std::string& name) const {
  TRY_ASSIGN(RuntimeChoice choice, choice_of(name));
  task::Runtime runtime;
  runtime.shim = choice.shim;
  if (!choice.binary.empty() || options_.systemd_cgroup) {
    rpc::runc::Options options;
    options.binary_name = choice.binary;
    if (!choice.binary.empty()) options.root = cat(options_.state, "/runtime-", choice.binary);
    options.systemd_cgroup = options_.systemd_cgroup;
    runtime.options = rpc::pack(options);
  }
  return runtime;
}

Result<ContainerUser> ContainersImpl::user_of(const ContainerRecord& record,
                                              const std::string& text) const {
  TRY_ASSIGN(std::string passwd, read_small(record, "etc/passwd"));
  TRY_ASSIGN(std::string group, read_small(record, "etc/group"));
  return resolve_user(text, passwd, group, record.config.host.group_add);
}

Result<std::string> ContainersImpl::bundle_config(const ContainerRecord& record,
                                                  FdRef space) const {
  TRY_ASSIGN(ContainerUser user, user_of(record, record.config.config.user));
  TRY_ASSIGN(RuntimeChoice choice, choice_of(record.config.host.runtime));
  SpecInput input{.container = record,
                  .engine = options_,
                  .seccomp = *seccomp_,
                  .user = user,
                  .folder = files_folder(record),
                  .mounts = record.mounts(),
                  .volumes = {},
                  .joined = {},
                  .shm = {},
                  .remap = remap_of(record.config.host),
                  .unified = unified_,
                  .init = {},
                  .link_variables = {},
                  .takes_ready_filter = choice.shim.empty() && choice.binary.empty()};
  TRY_ASSIGN(input.link_variables, link_variables(record));
  TRY_ASSIGN(input.volumes, mount_sources(record));
  const HostConfig& host = record.config.host;
  if (space.get() >= 0) input.joined["network"] = cat("/proc/", ::getpid(), "/fd/", space.get());
  for (auto [name, mode] : {std::pair("net", &host.network_mode), std::pair("pid", &host.pid_mode),
                            std::pair("ipc", &host.ipc_mode)}) {
    std::string other = joined_container(*mode);
    if (other.empty()) continue;
    TRY_ASSIGN(ContainerPtr joined, find(other));
    std::int64_t pid = joined->record()->progress.state.pid;
    if (pid == 0) {
      return fail(Code::kFailedPrecondition,
                  cat("cannot join ", name, " namespace of a non running container: Container ",
                      joined->id, " is not running"));
    }
    input.joined[name == std::string_view("net") ? "network" : name] =
        cat("/proc/", pid, "/ns/", name);
  }
  if (host.init.value_or(false) && host.pid_mode.empty()) {
    if (init_.empty()) {
      return fail(Code::kNotFound, "HostConfig.Init: the program dhow-init is not installed");
    }
    input.init = init_;
  }
  TRY_ASSIGN(input.shm, shm_of(record));
  TRY_ASSIGN(oci::Config config, make_spec(input));
  return oci::config_json(config);
}

Status ContainersImpl::fill_task(const ContainerRecord& record, task::CreateOptions& create,
                                 Fd& space) {
  TRY(make_shm(record));
  // With ids of its own the namespace has to belong to them, so that is the runtime's to make.
  if (remap_of(record.config.host) == nullptr) {
    TRY_ASSIGN(space, attach_networks(record, FdRef(-1)));
  } else {
    TRY(write_files(record));  // they are mounted already when there is a network
  }
  if (asks_resolver(record)) create.resolver = resolver_settings(record);
  TRY_ASSIGN(create.config, bundle_config(record, space));
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(record));
  TRY_ASSIGN(std::vector<snapshot::Mount> mounts, snapshot::to_mounts(plan));
  for (snapshot::Mount& mount : mounts) {
    rpc::Mount& made = create.rootfs.emplace_back();
    made.type = std::move(mount.type);
    made.source = std::move(mount.source);
    made.options = std::move(mount.options);
    if (const IdRemap* remap = remap_of(record.config.host)) {
      std::ranges::move(remap->mount_options(), std::back_inserter(made.options));
    }
  }
  return {};
}

Status ContainersImpl::create_task(Container& container, const ContainerRecord& record) {
  task::CreateOptions create;
  TRY_ASSIGN(create.runtime, runtime_of(record.config.host.runtime));
  TRY_ASSIGN(create.streams, streams_of(record, !create.runtime.shim.empty()));
  // It is given up when the container's init is in it: from then on it lives as long as that.
  Fd space;
  Status filled;
  bool is_filled = needs_host_mounts(record);
  if (is_filled) TRY(fill_task(record, create, space));
  create.complete = [&](task::CreateOptions& full) -> Status {
    if (!full.streams.in.empty()) TRY(make_input_fifo(full.streams.in));
    if (is_filled) return {};
    return filled = fill_task(record, full, space);
  };
  auto created = tasks_->create(key(container.id), create);
  // What the engine could not do is no fault of the runtime.
  TRY(std::move(filled));
  if (!created) return fail(start_failure(created.error()));
  auto attached = [&]() -> Status {
    if (remap_of(record.config.host) != nullptr) {
      TRY_ASSIGN(space, open_at(kCwd, cat("/proc/", *created, "/ns/net"), O_RDONLY));
      TRY(attach_networks(record, space));
    }
    return serve_local_ports(container.id, false);
  }();
  if (!attached) abandon_task(container);
  return attached;
}

Status ContainersImpl::connect_pending(Container& container) {
  std::list<std::shared_ptr<PendingAttach>> pending;
  {
    std::lock_guard lock(container.mutex);
    pending.swap(container.pending);
    container.io_ready = true;
  }
  std::string socket = tasks_->bundle(key(container.id)) + "/io.sock";
  for (const auto& one : pending) {
    one->call(connect_attach(socket, one->options));
  }
  return {};
}

void ContainersImpl::fail_pending(Container& container, const Error& error) {
  std::list<std::shared_ptr<PendingAttach>> pending;
  {
    std::lock_guard lock(container.mutex);
    pending.swap(container.pending);
    container.io_ready = false;
  }
  for (const auto& one : pending) one->call(std::unexpected(error));
}

void ContainersImpl::failed_start(Container& container, const Error& error) {
  fail_pending(container, error);
  ContainerRecord record = *container.record();
  record.progress.has_task = false;
  release_held(record);
  ContainerState& state = record.progress.state;
  state.error = error.message();
  state.exit_code = code_of_failure(error.message());
  state.pid = 0;
  // One that never ran stays "created"; docker has it so too.
  if (state.phase != Phase::kCreated) state.phase = Phase::kExited;
  bool goes = record.config.host.auto_remove;
  commit_or_warn(container, std::move(record), {});
  notify_waiters(container, true, false);
  if (!goes) return;
  auto found = find(container.id);
  if (found) std::ignore = remove_locked(*found, true);
}

void ContainersImpl::begin_run(ContainerRecord& record) {
  ContainerState& state = record.progress.state;
  state.phase = Phase::kRunning;
  state.started = metadata::now();
  state.exit_code = 0;
  state.oom_killed = false;
  state.error.clear();
  state.health.reset();
  if (is_probed(record)) {
    state.health = HealthState{.status = "starting", .failing_streak = 0, .log = {}};
  }
}

std::vector<Event> ContainersImpl::start_events(const ContainerRecord& record) const {
  std::vector<Event> events = volume_events(record, "mount");
  std::ranges::move(network_events(record, "connect"), std::back_inserter(events));
  events.push_back(make_event(record, "start"));
  return events;
}

Status ContainersImpl::start_locked(Container& container) {
  ContainerRecord record = *container.record();
  ContainerState& state = record.progress.state;
  TRY(adopt_host_name(container, record));
  {
    std::lock_guard lock(container.mutex);
    ++container.run;
    container.oom_seen = false;
    container.stopping = false;
  }
  // Before the task is made: a death in between leaves a row that says that one may be there.
  record.progress.has_task = true;
  record.progress.stopped_by_hand = false;
  state.error.clear();
  TRY(commit_record(container, record, {}));
  auto started = [&]() -> Result<pid_t> {
    TRY(create_task(container, record));
    TRY(connect_pending(container));
    auto pid = tasks_->start(key(container.id));
    if (!pid) {
      abandon_task(container);
      return fail(start_failure(pid.error()));
    }
    return pid;
  }();
  if (!started) {
    failed_start(container, started.error());
    return std::unexpected(std::move(started).error());
  }
  begin_run(record);
  state.pid = *started;
  std::vector<Event> events = start_events(record);
  return commit_record(container, std::move(record), std::move(events));
}

Result<bool> ContainersImpl::start(std::string_view ref) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  RecordPtr record = container->record();
  const ContainerState& state = record->progress.state;
  if (container->removed || state.phase == Phase::kRemoving || state.phase == Phase::kDead) {
    return fail(Code::kFailedPrecondition, "container is marked for removal and cannot be started");
  }
  if (state.phase == Phase::kPaused) {
    return fail(Code::kFailedPrecondition, "cannot start a paused container, try unpause instead");
  }
  if (state.phase == Phase::kRunning) return true;
  workers_.cancel(container->restart_timer);
  container->backoff = 0;
  // What a start that failed halfway has left.
  if (record->progress.has_task) abandon_task(*container);
  TRY(start_locked(*container));
  std::uint64_t run = container->run;
  watch_exit(container, run);
  begin_health(container);
  return false;
}

void ContainersImpl::watch_exit(const ContainerPtr& container, std::uint64_t run) {
  tasks_->watch_exit(key(container->id), {}, [this, container, run](Result<task::Exit> exit) {
    if (!exit && exit.error().code() == Code::kCancelled) return;
    auto kept = std::make_shared<Result<task::Exit>>(std::move(exit));
    workers_.post([this, container, run, kept] { handle_exit(container, run, *kept); });
  });
}

}  // namespace dhow::engine
