// SPDX-License-Identifier: Apache-2.0
// The part of Creation in which two processes work at once: the runtime and the container's init.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/attend.h"
#include "runtime/container.h"
#include "runtime/creation.h"
#include "runtime/hooks.h"
#include "runtime/intel_rdt.h"
#include "runtime/net_devices.h"
#include "runtime/sync.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {

Status Creation::spawn(const Fd* console) {
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_SEQPACKET));
  parent_sync_ = std::move(pair.first);
  child_sync_ = std::move(pair.second);
  SpawnInit request{namespaces_,
                    config_.linux,
                    identity_,
                    parent_sync_,
                    child_sync_,
                    join_.unified_dir ? std::optional<int>(join_.unified_dir->get()) : std::nullopt,
                    join_.self_join_files,
                    empty_mount_ns_ ? &*empty_mount_ns_ : nullptr};
  TRY_ASSIGN(init_, spawn_init(request));
  if (init_.pid == 0) {
    // Nothing of the host's that this process doesn't need (CVE-2016-9962, CVE-2024-21626).
    parent_sync_.reset();
    dir_.reset();
    join_ = {};
    empty_mount_ns_.reset();
    init::InitPlan plan{.config = config_,
                        .process = *config_.process,
                        .namespaces = namespaces_,
                        .rootfs = *rootfs_,
                        .seccomp = seccomp_ ? &*seccomp_ : nullptr,
                        .landlock = landlock_ ? &*landlock_ : nullptr,
                        .sync = child_sync_,
                        .console_socket = console,
                        .gate = std::move(gate_),
                        .state = hook_state(record_, "creating"),
                        .bundle = record_.bundle,
                        .new_keyring = !options_.no_new_keyring,
                        .preserved_fds = preserved_fds_,
                        .listen_fds = listen_fds_,
                        .notify_socket = notify_.has_value()};
    init::run_container_init(plan);
  }
  child_sync_.reset();
  gate_ = {};
  join_ = {};
  return {};
}

Status Creation::apply_limits(pid_t pid) {
  if (config_.linux.resources) {
    TRY_CONTEXT(cgroup_->apply(*config_.linux.resources), "error setting cgroup config");
  }
  if (config_.linux.intel_rdt) {
    TRY_ASSIGN(auto groups, create_rdt_groups(record_.id, *config_.linux.intel_rdt, pid));
    record_.rdt_group = groups.group;
    record_.rdt_monitor = groups.monitor;
  }
  return {};
}

// Only now: the device nodes of the root filesystem are the runtime's work, which no rule for the
// container hinders.
Status Creation::limit_devices() {
  if (!config_.linux.resources) return {};
  TRY_CONTEXT(cgroup_->apply_devices(*config_.linux.resources), "error setting cgroup config");
  return {};
}

Status Creation::finish_cgroup() {
  TRY_CONTEXT(cgroup_->enter_delegated(init_.pid), "error setting cgroup config");
  TRY(limit_devices());
  if (options_.on_init) options_.on_init(init_.pid);
  return {};
}

Status Creation::run_early_hooks() {
  oci::State state = hook_state(record_, "creating");
  TRY(run_hooks("prestart", config_.hooks.prestart, state, {}, record_.bundle));
  return run_hooks("createRuntime", config_.hooks.create_runtime, state, {}, record_.bundle);
}

Status Creation::attend() {
  TRY_ASSIGN(ProcessStat stat, read_process_stat(init_.pid));
  record_.pid = init_.pid;
  record_.start_time = stat.start_time;
  const oci::Resources* resources = config_.linux.resources ? &*config_.linux.resources : nullptr;
  TRY(cgroup_->attach(init_.pid, resources));
  record_.cgroup = cgroup_->location();
  TRY(dir_->save(record_));  // hooks may ask for the state, and a crash leaves whom to kill
  TRY(send_sync(parent_sync_, MessageType::kGo, init_.pid));
  TRY(apply_limits(init_.pid));
  if (!config_.linux.net_devices.empty()) {
    TRY(move_net_devices(config_.linux.net_devices, init_.pid));
  }
  Attendance attendance{.config = config_,
                        .process = *config_.process,
                        .json_path = "$.process",
                        .state = hook_state(record_, "creating"),
                        .cloned = init_,
                        .sync = parent_sync_,
                        .rootless = identity_.rootless(),
                        .failure_context = "error during container init",
                        .on_mounts_done = [this] { return finish_cgroup(); },
                        .on_early_hooks = [this] { return run_early_hooks(); }};
  return attend_process(attendance);
}

Status Creation::make_place() {
  TRY(make_state());
  return make_cgroup();
}

Status Creation::admit(pid_t helper) {
  const oci::Resources* resources = config_.linux.resources ? &*config_.linux.resources : nullptr;
  TRY(cgroup_->attach(helper, resources));
  record_.cgroup = cgroup_->location();
  TRY(apply_limits(helper));
  return dir_->save(record_);
}

Status Creation::adopt(pid_t init) {
  TRY_ASSIGN(init_.pidfd, PidFd::open(init));
  init_.pid = init;
  TRY_ASSIGN(ProcessStat stat, read_process_stat(init));
  record_.pid = init;
  record_.start_time = stat.start_time;
  return dir_->save(record_);
}

Status Creation::release_to_gate() const { return send_sync(parent_sync_, MessageType::kStart); }

Status Creation::start_now() {
  TRY_CONTEXT(start_process(parent_sync_),
              "unable to start container process: error during container init");
  return {};
}

}  // namespace dhow::runtime
