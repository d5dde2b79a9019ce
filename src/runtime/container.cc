// SPDX-License-Identifier: Apache-2.0
#include "runtime/container.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <optional>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/cgroup/wait.h"
#include "runtime/id_map.h"
#include "runtime/intel_rdt.h"

namespace dhow::runtime {

std::string_view status_name(ContainerStatus status) {
  switch (status) {
    case ContainerStatus::kCreating:
      return "creating";
    case ContainerStatus::kCreated:
      return "created";
    case ContainerStatus::kRunning:
      return "running";
    case ContainerStatus::kPaused:
      return "paused";
    case ContainerStatus::kStopped:
      return "stopped";
  }
  std::unreachable();
}

Status check_id(std::string_view id) {
  bool good = !id.empty() && id != "." && id != ".." && id.size() <= 1024 &&
              std::ranges::all_of(id, [](unsigned char c) {
                return std::isalnum(c) != 0 || c == '_' || c == '+' || c == '.' || c == '-';
              });
  if (good) return {};
  return fail(Code::kInvalidArgument, cat("invalid container ID format: ", quoted(id)));
}

namespace {

bool is_alive(const ProcessStat& stat, std::uint64_t start_time) {
  return stat.state != 'Z' && stat.state != 'X' && stat.start_time == start_time;
}

}  // namespace

bool process_alive(pid_t pid, std::uint64_t start_time) {
  if (pid <= 0) return false;
  auto stat = read_process_stat(pid);
  return stat && is_alive(*stat, start_time);
}

cgroup::Settings cgroup_settings(const Context& context, const Record& record) {
  cgroup::Settings settings;
  settings.kind = record.cgroup.kind;
  settings.container_id = record.id;
  settings.program_name = context.program_name;
  settings.annotations = record.annotations;
  auto identity = current_identity();
  settings.rootless = context.rootless.value_or(identity && identity->rootless());
  return settings;
}

Result<Container> Container::open(const Context& context, std::string_view id, bool locked) {
  TRY(check_id(id));
  TRY_ASSIGN(StateDir dir, StateDir::open(context.root, id));
  if (locked) TRY(dir.lock());
  auto record = dir.load();
  if (!record) {
    // Without a record yet, create is at its very beginning, or died there.
    if (record.error().sys_errno() == ENOENT)
      return fail(Code::kNotFound, "container does not exist");
    return fail(std::move(record).error());
  }
  return Container(context, std::move(dir), std::move(*record));
}

bool Container::init_alive() const { return process_alive(record_.pid, record_.start_time); }

Result<PidFd> Container::open_init() const {
  auto gone = [] { return fail(Code::kFailedPrecondition, "container not running"); };
  if (record_.pid <= 0) return gone();
  auto pidfd = PidFd::open(record_.pid);
  // Checked after it was opened: the descriptor can't move on to another process any more.
  if (!pidfd || !init_alive()) return gone();
  return pidfd;
}

Result<std::unique_ptr<cgroup::Cgroup>> Container::open_cgroup() const {
  return cgroup::open_cgroup(record_.cgroup, cgroup_settings(*context_, record_));
}

Result<ContainerStatus> Container::status() const {
  if (!init_alive()) {
    return record_.ready || record_.pid != 0 ? ContainerStatus::kStopped
                                             : ContainerStatus::kCreating;
  }
  if (!record_.ready) return ContainerStatus::kCreating;
  // Init holds the fifo open until its execve: no reader means that the program runs.
  auto gate = open_at(dir_.fd(), kGoFifo, O_WRONLY | O_NONBLOCK);
  if (gate) return ContainerStatus::kCreated;
  TRY_ASSIGN(auto cgroup, open_cgroup());
  auto freezer = cgroup->freezer_state();
  if (freezer && *freezer == cgroup::FreezerState::kFrozen) return ContainerStatus::kPaused;
  return ContainerStatus::kRunning;
}

Result<ContainerInfo> Container::info() const {
  TRY_ASSIGN(ContainerStatus status, this->status());
  ContainerInfo info;
  info.id = record_.id;
  info.status = status;
  info.pid = status == ContainerStatus::kStopped ? 0 : record_.pid;
  info.bundle = record_.bundle;
  info.rootfs = record_.rootfs;
  info.created = record_.created;
  info.annotations = record_.annotations;
  info.owner_uid = record_.owner_uid;
  info.systemd_scope = record_.cgroup.scope;
  return info;
}

oci::State hook_state(const Record& record, std::string_view status) {
  oci::State state;
  state.id = record.id;
  state.status = status;
  state.bundle = record.bundle;
  state.pid = status == "stopped" ? 0 : record.pid;
  state.annotations = record.annotations;
  return state;
}

namespace {

// Init, unless it has ended. One that can't be looked at (no descriptor is free, say) is not taken
// for dead: nobody would kill it, and the wait for its cgroup would be in vain.
Result<std::optional<PidFd>> open_living(const Record& record) {
  if (record.pid <= 0) return std::nullopt;
  // Gone, or somebody else's by now, which hides from this user (proc(5), hidepid) or is a thread.
  auto is_other = [](const Error& error) {
    int number = error.sys_errno();
    return error.code() == Code::kNotFound || number == ESRCH || number == EINVAL ||
           number == EPERM || number == EACCES;
  };
  auto pidfd = PidFd::open(record.pid);
  if (!pidfd && !is_other(pidfd.error())) return fail(std::move(pidfd).error());
  if (!pidfd) return std::nullopt;
  auto stat = read_process_stat(record.pid);
  if (!stat && !is_other(stat.error())) return fail(std::move(stat).error());
  if (!stat || !is_alive(*stat, record.start_time)) return std::nullopt;
  return std::move(*pidfd);
}

Status end_init(const Record& record) {
  TRY_ASSIGN(auto pidfd, open_living(record));
  if (!pidfd) return {};
  auto killed = pidfd->send_signal(SIGKILL);
  if (!killed && killed.error().sys_errno() != ESRCH) return killed;
  return {};
}

// Frozen processes take even SIGKILL only once they are thawed (v1), hence between kill and wait.
Status await_init(const Record& record) {
  constexpr int kTimeoutMs = 10'000;
  TRY_ASSIGN(auto pidfd, open_living(record));
  if (!pidfd) return {};
  TRY_ASSIGN(bool ended, pidfd->wait_exit(kTimeoutMs));
  if (ended) return {};
  return fail(Code::kDeadlineExceeded,
              cat("container init (pid ", record.pid, ") is still running after SIGKILL"));
}

// A create that died before its clone may have died before it saw that the cgroup is somebody
// else's: prepare() looks once more. A record with an init has passed it.
bool owns_cgroup(cgroup::Cgroup& cgroup, const Record& record) {
  if (record.pid != 0) return true;
  auto ours = cgroup.prepare(nullptr);
  // An init that was cloned just before may still be on its way out.
  constexpr int kEndsByItselfMs = 2000;
  for (cgroup::Backoff end(kEndsByItselfMs);
       !ours && ours.error().code() == Code::kFailedPrecondition && end.pause();) {
    ours = cgroup.prepare(nullptr);
  }
  if (!ours) log::warning(cat("the cgroup is left alone: ", ours.error().message()));
  return ours.has_value();
}

}  // namespace

Status destroy_container(const Context& context, const StateDir& dir, const Record& record) {
  TRY(end_init(record));
  TRY_ASSIGN(auto cgroup, cgroup::open_cgroup(record.cgroup, cgroup_settings(context, record)));
  if (owns_cgroup(*cgroup, record)) {
    auto thawed = cgroup->thaw();
    if (!thawed) log::debug(cat("thaw before removal: ", thawed.error().message()));
    TRY(await_init(record));
    TRY(cgroup->destroy());
  }
  if (!record.rdt_group.empty() || !record.rdt_monitor.empty()) {
    TRY(remove_rdt_groups(record.rdt_group, record.rdt_monitor));
  }
  return dir.remove();
}

}  // namespace dhow::runtime
