// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "engine/attach_socket.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "metadata/lease_store.h"
#include "oci/config_codec.h"

namespace dhow::engine {
namespace {

std::string exec_error(const Error& cause) {
  std::string text = cause.message();
  if (text.find("OCI runtime exec failed") == std::string::npos) {
    text = cat("OCI runtime exec failed: exec failed: ", text);
  }
  return text;
}

}  // namespace

Result<std::shared_ptr<Exec>> ContainersImpl::add_exec(Container& container,
                                                       const ExecConfig& config) {
  auto exec = std::make_shared<Exec>();
  TRY_ASSIGN(exec->id, make_id());
  exec->container = container.id;
  exec->config = config;
  std::lock_guard lock(container.mutex);
  container.execs.emplace(exec->id, exec);
  return exec;
}

Result<std::string> ContainersImpl::create_exec(std::string_view ref, const ExecConfig& config) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  const ContainerState& state = record->progress.state;
  if (config.cmd.empty()) return fail(Code::kInvalidArgument, "No exec command specified");
  if (state.phase == Phase::kPaused) {
    return fail(Code::kFailedPrecondition,
                cat("container ", container->id, " is paused, unpause the container before exec"));
  }
  if (state.phase == Phase::kRestarting) {
    return fail(
        Code::kFailedPrecondition,
        cat("Container ", container->id, " is restarting, wait until the container is running"));
  }
  if (!state.has_process()) {
    return fail(Code::kFailedPrecondition, cat("container ", container->id, " is not running"));
  }
  TRY_ASSIGN(std::shared_ptr<Exec> exec, add_exec(*container, config));
  {
    std::unique_lock lock(mutex_);
    execs_.emplace(exec->id, container);
  }
  publish(*record, cat("exec_create: ", join(config.cmd, " ")), {{"execID", exec->id}});
  return exec->id;
}

Result<std::shared_ptr<Exec>> ContainersImpl::find_exec(std::string_view id) const {
  std::shared_ptr<Container> container;
  {
    std::shared_lock lock(mutex_);
    if (auto found = execs_.find(id); found != execs_.end()) container = found->second.lock();
  }
  if (container) {
    std::lock_guard lock(container->mutex);
    auto found = container->execs.find(std::string(id));
    if (found != container->execs.end()) return found->second;
  }
  return fail(Code::kNotFound, cat("No such exec instance: ", id));
}

void ContainersImpl::watch_exec(const ContainerPtr& container, const std::shared_ptr<Exec>& exec,
                                bool quiet) {
  tasks_->watch_exit(
      key(container->id), exec->id, [this, container, exec, quiet](Result<task::Exit> exit) {
        if (!exit && exit.error().code() == Code::kCancelled) return;
        {
          std::lock_guard lock(container->mutex);
          exec->running = false;
          exec->exit_code = static_cast<int>(exit ? exit->status : task::kLostStatus);
        }
        workers_.post([this, container, exec, quiet] {
          std::ignore = tasks_->remove(key(container->id), exec->id);
          // Of most there is none.
          std::ignore = ::unlink((exec_socket(*container, *exec) + ".stdin").c_str());
          if (quiet) return;
          publish(*container->record(), "exec_die",
                  {{"execID", exec->id}, {"exitCode", cat(exec->exit_code.value_or(0))}});
          // Kept for those who ask how it ended, for a while.
          workers_.post_at(Workers::Clock::now() + std::chrono::minutes(5),
                           [this, container, exec] {
                             {
                               std::unique_lock lock(mutex_);
                               execs_.erase(exec->id);
                             }
                             std::lock_guard lock(container->mutex);
                             container->execs.erase(exec->id);
                           });
        });
      });
}

std::string ContainersImpl::exec_socket(const Container& container, const Exec& exec) const {
  return cat(tasks_->bundle(key(container.id)), "/", exec.id, ".io.sock");
}

Result<task::ExecOptions> ContainersImpl::exec_request(const ContainerRecord& record,
                                                       const Exec& exec,
                                                       const ExecStartOptions& options,
                                                       const std::string& socket) const {
  const ExecConfig& config = exec.config;
  const std::string& user = config.user.empty() ? record.config.config.user : config.user;
  TRY_ASSIGN(ContainerUser resolved, user_of(record, user));
  TRY_ASSIGN(std::vector<std::string> links, link_variables(record));
  TRY_ASSIGN(oci::Process process, exec_process(record, options_, resolved, config, links));
  const auto& size = options.console_size ? options.console_size : config.console_size;
  if (config.tty && size && size->size() == 2) {
    process.console_size = oci::ConsoleSize{.height = static_cast<std::uint64_t>((*size)[0]),
                                            .width = static_cast<std::uint64_t>((*size)[1])};
  }
  TRY_ASSIGN(RuntimeChoice runtime, choice_of(record.config.host.runtime));
  task::ExecOptions wanted{exec.id, oci::process_json(process), {.terminal = config.tty}};
  if (options.detach) return wanted;
  TextMap query = {{"driver", "none"}};
  if (config.attach_stdin) {
    query["stdin"] = "1";
    query["stdin-once"] = "1";
  }
  if (runtime.shim.empty()) {
    wanted.streams.out = io_uri(socket, query);
    return wanted;
  }
  if (config.attach_stdin && !config.tty) {
    return fail(
        Code::kUnimplemented,
        cat("AttachStdin: without a terminal no input comes through the shim ", runtime.shim));
  }
  // Whoever keeps the streams is started with the process, and reads nothing before we are there.
  query["await"] = "1";
  wanted.streams = foreign_streams(shim_, socket, query, config.tty, config.attach_stdin);
  if (!wanted.streams.in.empty()) TRY(make_input_fifo(wanted.streams.in));
  return wanted;
}

Result<Fd> ContainersImpl::run_exec(const ContainerPtr& container,
                                    const std::shared_ptr<Exec>& exec,
                                    const ExecStartOptions& options, bool quiet) {
  RecordPtr record = container->record();
  const ExecConfig& config = exec->config;
  std::string socket = exec_socket(*container, *exec);
  TRY_ASSIGN(task::ExecOptions wanted, exec_request(*record, *exec, options, socket));
  bool attaches_late = wanted.streams.out.starts_with("binary:");
  TRY(tasks_->exec(key(container->id), wanted));
  auto begun = [&]() -> Result<Fd> {
    Fd connection;
    auto attach = [&]() -> Status {
      TRY_ASSIGN(connection, connect_attach(socket, {.standard_input = config.attach_stdin,
                                                     .standard_output = config.attach_stdout,
                                                     .standard_error = config.attach_stderr,
                                                     .framed = options.framed && !config.tty}));
      return {};
    };
    if (!options.detach && !attaches_late) TRY(attach());
    TRY_ASSIGN(pid_t pid, tasks_->start(key(container->id), exec->id));
    if (attaches_late) TRY(attach());
    std::lock_guard lock(container->mutex);
    exec->pid = pid;
    exec->running = true;
    exec->started_at = metadata::now();
    return connection;
  }();
  if (!begun) {
    std::ignore = tasks_->remove(key(container->id), exec->id);
    std::string text = exec_error(begun.error());
    std::lock_guard lock(container->mutex);
    exec->exit_code = lower_text(text).find("permission denied") != std::string::npos ? 126 : 127;
    return fail(Code::kInvalidArgument, text);
  }
  if (!quiet) {
    publish(*record, cat("exec_start: ", join(config.cmd, " ")), {{"execID", exec->id}});
  }
  watch_exec(container, exec, quiet);
  return begun;
}

Result<Fd> ContainersImpl::start_exec(std::string_view id, const ExecStartOptions& options) {
  TRY_ASSIGN(std::shared_ptr<Exec> exec, find_exec(id));
  auto container = find(exec->container);
  if (!container) return fail(Code::kNotFound, cat("No such exec instance: ", id));
  const ContainerState state = (*container)->record()->progress.state;
  if (state.phase == Phase::kPaused) {
    return fail(Code::kFailedPrecondition, cat("Container ", exec->container,
                                               " is paused, unpause the container before exec"));
  }
  if (!state.has_process()) {
    return fail(Code::kFailedPrecondition, cat("container ", exec->container, " is not running"));
  }
  {
    std::lock_guard lock((*container)->mutex);
    if (exec->exit_code) {
      return fail(Code::kFailedPrecondition, cat("exec instance ", id, " has already been run"));
    }
    if (std::exchange(exec->started, true)) {
      return fail(Code::kFailedPrecondition,
                  cat("Error: Exec command ", id, " is already running"));
    }
  }
  auto begun = run_exec(*container, exec, options, false);
  if (begun) return begun;
  // As docker has it for all that keeps a command from being begun.
  constexpr int kNotInvoked = 126;
  std::lock_guard lock((*container)->mutex);
  if (!exec->exit_code) exec->exit_code = kNotInvoked;
  return begun;
}

Result<ExecState> ContainersImpl::inspect_exec(std::string_view id) const {
  TRY_ASSIGN(std::shared_ptr<Exec> exec, find_exec(id));
  ExecState state;
  state.id = exec->id;
  state.container = exec->container;
  state.config = exec->config;
  auto container = find(exec->container);
  if (!container) return fail(Code::kNotFound, cat("No such exec instance: ", id));
  std::unique_lock lock((*container)->mutex);
  if (exec->running) {
    // Who has seen its streams end asks how it has ended, and may be faster than the news of that.
    lock.unlock();
    auto now = tasks_->state(key(exec->container), exec->id);
    lock.lock();
    if (now && now->status == rpc::task::ProcessStatus::kStopped && exec->running) {
      exec->running = false;
      exec->exit_code = static_cast<int>(now->exit_status);
    }
  }
  state.running = exec->running;
  state.exit_code = exec->exit_code;
  state.pid = exec->pid;
  return state;
}

Status ContainersImpl::resize_exec(std::string_view id, std::uint32_t height, std::uint32_t width) {
  TRY_ASSIGN(std::shared_ptr<Exec> exec, find_exec(id));
  return tasks_->resize(key(exec->container), exec->id, width, height);
}

}  // namespace dhow::engine
