// SPDX-License-Identifier: Apache-2.0
// What is done to containers that exist: start, kill, delete, pause, resume, state, list, ps,
// update.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/log.h"
#include "base/strings.h"
#include "oci/validate.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/runtime.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

Status check_startable(const Container& container) {
  TRY_ASSIGN(ContainerStatus status, container.status());
  switch (status) {
    case ContainerStatus::kCreated:
      return {};
    case ContainerStatus::kStopped:
      return fail(Code::kFailedPrecondition, "cannot start a container that has stopped");
    case ContainerStatus::kRunning:
      return fail(Code::kFailedPrecondition, "cannot start an already running container");
    default:
      return fail(Code::kFailedPrecondition,
                  cat("cannot start a container in the ", status_name(status), " state"));
  }
}

// Init's end of the fifo `result` closes by execve, or with a message.
struct Gate {
  Fd result;
  Fd go;
};

Result<Gate> find_gate(FdRef dir) {
  Gate gate;
  TRY_ASSIGN(gate.result, open_at(dir, kResultFifo, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(gate.go, open_at(dir, kGoFifo, O_WRONLY | O_NONBLOCK));
  return gate;
}

Status open_gate(Fd go) { return write_all(go, "0"); }

// `failure`: all that came through the fifo.
Status remove_gate(FdRef dir, std::string_view failure) {
  for (std::string_view name : {kGoFifo, kResultFifo}) {
    std::ignore = ::unlinkat(dir.get(), std::string(name).c_str(), 0);  // of no more use either way
  }
  if (failure.empty()) return {};
  return fail(Code::kFailedPrecondition,
              cat("unable to start container process: error during container init: ", failure));
}

Status pass_gate(const Container& container) {
  const Fd& dir = container.dir().fd();
  TRY_ASSIGN(Gate gate, find_gate(dir));
  if (::fcntl(gate.result.get(), F_SETFL, 0) != 0) return fail_errno(errno, "fcntl");
  TRY(open_gate(std::move(gate.go)));
  TRY_ASSIGN(std::string failure, read_all(gate.result));
  return remove_gate(dir, failure);
}

}  // namespace

Result<std::optional<Starting>> Starting::prepare(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, false));
  TRY_ASSIGN(bool is_ours, container.dir().try_lock());
  if (!is_ours || container.record().late_hooks) return std::nullopt;
  TRY(check_startable(container));
  Starting starting;
  // The lock is of the open file, and so of the copy too.
  TRY_ASSIGN(starting.folder_, container.dir().fd().duplicate());
  TRY_ASSIGN(Gate gate, find_gate(starting.folder_));
  starting.result_ = std::move(gate.result);
  starting.go_ = std::move(gate.go);
  return starting;
}

Status Starting::begin() { return open_gate(std::move(go_)); }

std::optional<Status> Starting::go_on() {
  char buffer[512];
  while (true) {
    ssize_t size = ::read(result_.get(), buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return std::nullopt;
    if (size < 0) return fail_errno(errno, "read how the container starts");
    if (size == 0) return remove_gate(folder_, failure_);
    failure_.append(buffer, static_cast<std::size_t>(size));
  }
}

Status start(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY(check_startable(container));
  if (!container.record().late_hooks) return pass_gate(container);
  TRY_ASSIGN(oci::Config config, container.dir().load_config());
  TRY(pass_gate(container));
  auto hooked = run_hooks("poststart", config.hooks.poststart,
                          hook_state(container.record(), "running"), {}, container.record().bundle);
  if (hooked) return {};
  auto init = container.open_init();
  if (init) std::ignore = init->send_signal(SIGKILL);  // it may have ended by itself
  return hooked;
}

Status kill(const Context& context, std::string_view id, int signal, bool all) {
  TRY_ASSIGN(Container container, Container::open(context, id, false));
  auto init = container.open_init();
  const Record& record = container.record();
  if (all || (!record.own_pid_namespace && signal == SIGKILL)) {
    // Without a pid namespace of its own, its processes don't end with init.
    TRY_ASSIGN(auto cgroup, container.open_cgroup());
    if (cgroup->exists()) {
      TRY(cgroup->kill_all(signal));
      if (all || init) return {};
    }
    if (all) return {};
  }
  if (!init) return fail(std::move(init).error());
  auto sent = init->send_signal(signal);
  if (!sent) {
    if (sent.error().sys_errno() == ESRCH) {
      return fail(Code::kFailedPrecondition, "container not running");
    }
    return sent;
  }
  if (signal == SIGKILL) {
    // A frozen process only dies once it is thawed.
    TRY_ASSIGN(auto cgroup, container.open_cgroup());
    auto state = cgroup->freezer_state();
    if (state && *state == cgroup::FreezerState::kFrozen) TRY(cgroup->thaw());
  }
  return {};
}

namespace {

// What is left of a create that died before its first record: only the folder.
Status remove_broken(const Context& context, std::string_view id) {
  TRY_ASSIGN(StateDir dir, StateDir::open(context.root, id));
  TRY(dir.lock());
  return dir.remove();
}

Status check_removable(const Container& container, bool force) {
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (force || status == ContainerStatus::kStopped || status == ContainerStatus::kCreated)
    return {};
  return fail(Code::kFailedPrecondition, cat("cannot delete container ", container.record().id,
                                             " that is not stopped: ", status_name(status)));
}

}  // namespace

Status remove(const Context& context, std::string_view id, bool force) {
  if (force) {
    // A create that hangs holds the lock: its init goes first, then it fails and lets go.
    auto busy = Container::open(context, id, false);
    if (busy && !busy->record().ready) {
      if (auto init = busy->open_init()) std::ignore = init->send_signal(SIGKILL);
    }
  }
  auto container = Container::open(context, id, true);
  if (!container) {
    if (!force || container.error().code() != Code::kNotFound) {
      return fail(std::move(container).error());
    }
    TRY(check_id(id));
    auto removed = remove_broken(context, id);
    if (!removed && removed.error().code() == Code::kNotFound) return {};
    return removed;
  }
  TRY(check_removable(*container, force));
  // Looked for before the folder goes.
  std::optional<oci::Config> config;
  if (container->record().late_hooks) {
    if (auto loaded = container->dir().load_config()) config = std::move(*loaded);
  }
  oci::State state = hook_state(container->record(), "stopped");
  TRY(destroy_container(context, container->dir(), container->record()));
  if (config) {
    run_hooks_warning("poststop", config->hooks.poststop, state, container->record().bundle);
  }
  return {};
}

Status pause(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status != ContainerStatus::kRunning && status != ContainerStatus::kCreated) {
    return fail(Code::kFailedPrecondition, "container not running");
  }
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  return cgroup->freeze();
}

Status resume(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status != ContainerStatus::kPaused)
    return fail(Code::kFailedPrecondition, "container not paused");
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  return cgroup->thaw();
}

Result<ContainerInfo> state(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, false));
  return container.info();
}

Result<std::vector<ContainerInfo>> list(const Context& context) {
  TRY_ASSIGN(auto names, list_state_dirs(context.root));
  std::vector<ContainerInfo> result;
  for (const std::string& name : names) {
    auto container = Container::open(context, name, false);
    if (!container) {
      if (container.error().code() != Code::kNotFound) {
        log::warning(cat("list: ", container.error().message()));
      }
      continue;
    }
    auto info = container->info();
    if (info) {
      result.push_back(std::move(*info));
    } else {
      log::warning(cat("list: container ", quoted(name), ": ", info.error().message()));
    }
  }
  return result;
}

Result<std::vector<pid_t>> processes(const Context& context, std::string_view id) {
  TRY_ASSIGN(Container container, Container::open(context, id, false));
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  return cgroup->pids(true);
}

Status update(const Context& context, std::string_view id, const oci::Resources& resources) {
  TRY(oci::validate_resources(resources, "$"));
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status == ContainerStatus::kStopped) {
    return fail(Code::kFailedPrecondition, "container not running");
  }
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  return cgroup->update(resources);
}

Status update_rdt(const Context& context, std::string_view id, const RdtUpdate& update) {
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(oci::Config config, container.dir().load_config());
  return update_rdt_group(id, config.linux.intel_rdt.value_or(oci::IntelRdt{}),
                          update.l3_cache_schema, update.mem_bw_schema);
}

Status add_mounts(const Context& context, std::string_view id,
                  const std::vector<oci::Mount>& mounts) {
  TRY(oci::validate_mounts(mounts, "$"));
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(PidFd init, container.open_init());
  return rootfs::add_mounts(container.record().pid, mounts);
}

Status remove_mounts(const Context& context, std::string_view id,
                     const std::vector<oci::Mount>& mounts) {
  TRY(oci::validate_mounts(mounts, "$"));
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY_ASSIGN(PidFd init, container.open_init());
  return rootfs::remove_mounts(container.record().pid, mounts);
}

}  // namespace dhow::runtime
