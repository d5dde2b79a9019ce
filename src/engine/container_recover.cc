// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/programs.h"
#include "metadata/lease_store.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using rpc::task::ProcessStatus;

}  // namespace

Status ContainersImpl::load_rows() {
  std::vector<ContainerRecord> records;
  TRY(stores_.database.read([&](metadata::Transaction& transaction) -> Status {
    // One that can't be read keeps nobody else from being seen, and is kept with all that it has.
    auto unreadable = [this](UnreadableRow row) {
      log::error(cat("container ", row.id,
                     ": its row in the database can't be read, and stays: ", row.reason.message()));
      by_name_.emplace(std::move(row.name), row.id);
      unreadable_.insert(std::move(row.id));
    };
    TRY_ASSIGN(records, ContainerRows(transaction, options_.name_space).list(unreadable));
    return {};
  }));
  for (ContainerRecord& record : records) {
    if (!record.facts.mounts) {
      TRY_CONTEXT(convert_volumes(record), cat("volumes of container ", record.id));
    }
    by_name_.emplace(record.name, record.id);
    if (!record.config.host.links.empty()) has_links_ = true;
    std::string id = record.id;
    by_id_.emplace(id, std::make_shared<Container>(std::move(record)));
  }
  return {};
}

// A shim that lives, or what became of one that doesn't.
void ContainersImpl::settle_recovered(const task::Recovered& recovered) {
  if (recovered.key.name_space != options_.name_space) return;
  if (unreadable_.contains(recovered.key.id)) return;
  auto found = find(recovered.key.id);
  if (!found) {
    // A create that died before its row: nobody asked for it.
    std::ignore = tasks_->cleanup(recovered.key);
    return;
  }
  const ContainerPtr& container = *found;
  ContainerRecord record = *container->record();
  ContainerState& state = record.progress.state;
  if (recovered.lost) {
    if (state.has_process()) {
      log::warning(cat("container ", record.id,
                       ": its shim has ended without it: taken as ended with ",
                       recovered.lost->status));
      settle_exit(container, ending_of(*recovered.lost));
    }
    return;
  }
  if (!record.progress.has_task) {
    // Its end has been written down, and the engine died before the task went.
    std::ignore = tasks_->cleanup(recovered.key);
    return;
  }
  ProcessStatus status = recovered.state ? recovered.state->status : ProcessStatus::kUnknown;
  if (status == ProcessStatus::kCreated) {
    // A start that died halfway: it never ran.
    abandon_task(*container);
    return;
  }
  // It runs, or has ended while nobody watched: the end then comes at once.
  container->io_ready = true;
  ++container->run;
  std::vector<Event> events;
  if (!state.has_process()) {
    // Started, and the engine died before it was written down, and before anybody was told.
    events = start_events(record);
    begin_run(record);
  }
  if (recovered.state) {
    state.pid = recovered.state->pid;
    state.phase = status == ProcessStatus::kPaused ? Phase::kPaused : Phase::kRunning;
  }
  record.progress.has_task = true;
  std::ignore = commit_record(*container, std::move(record), std::move(events));
  watch_exit(container, container->run);
  begin_health(container);
}

// After all shims have been heard: what the row says and nobody backs.
void ContainersImpl::settle_row(const ContainerPtr& container) {
  std::lock_guard operation(container->operation);
  ContainerRecord record = *container->record();
  ContainerState& state = record.progress.state;
  if (container->io_ready || container->removed) return;
  if (state.has_process()) {
    // Neither shim nor bundle: the machine has been off.
    log::warning(cat("container ", record.id, ": nothing is left of its task: taken as ended with ",
                     task::kLostStatus));
    settle_exit(container, {task::kLostStatus, metadata::now()});
    return;
  }
  if (record.progress.has_task) {
    abandon_task(*container);
    record = *container->record();
  }
  if (state.phase == Phase::kExited && record.config.host.auto_remove) {
    std::ignore = remove_locked(container, true);
    return;
  }
  const std::string& policy = record.config.host.restart_policy.name;
  bool again =
      state.phase == Phase::kRestarting || (policy == "always" && state.phase == Phase::kExited);
  if (!again) return;
  if (state.phase != Phase::kRestarting) {
    record.progress.state.phase = Phase::kRestarting;
    std::ignore = commit_record(*container, std::move(record), {});
  }
  plan_restart(container);
}

// Folders and snapshots of containers that have no row.
Status ContainersImpl::drop_strays() {
  TRY(make_dirs(options_.root + "/containers", 0710));
  TRY_ASSIGN(Fd parent, open_at(kCwd, options_.root + "/containers", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(parent));
  for (const std::string& name : names) {
    if (!has_row(name)) std::ignore = remove_tree(parent, name);
  }
  TRY_ASSIGN(std::vector<snapshot::Info> snapshots, stores_.images.snapshots.list());
  constexpr std::string_view kPrefix = "container/";
  for (const snapshot::Info& info : snapshots) {
    if (!info.name.starts_with(kPrefix)) continue;
    // Behind the id may come which view of another image it is.
    std::string id = info.name.substr(kPrefix.size());
    if (!has_row(id.substr(0, id.find('/')))) {
      std::ignore = stores_.images.snapshots.remove(info.name);
    }
  }
  workers_.post([this] { std::ignore = stores_.images.snapshots.empty_trash(); });
  return {};
}

Status ContainersImpl::open() {
  struct stat info{};
  TRY_ASSIGN(remap_, resolve_remap(options_.userns_remap));
  TRY_ASSIGN(SeccompProfile seccomp, engine_seccomp_profile(options_.seccomp_profile));
  seccomp_ = std::make_unique<SeccompFilters>(std::move(seccomp));
  unified_ = ::stat("/sys/fs/cgroup/cgroup.controllers", &info) == 0;
  init_ = find_program(options_.init, "dhow-init");
  shim_ = find_program(options_.shim, "containerd-shim-dhow-v1");
  TRY(load_rows());
  task::TasksOptions tasks;
  tasks.state = options_.state;
  tasks.shim_program = shim_;
  tasks.on_event = [this](const rpc::events::Envelope& envelope) { on_event(envelope); };
  TRY_ASSIGN(tasks_, open_tasks_(std::move(tasks)));
  TRY_ASSIGN(std::vector<task::Recovered> recovered, tasks_->recover());
  for (const task::Recovered& one : recovered) settle_recovered(one);
  TRY(settle_networks());
  TRY(drop_strays());
  drop_stray_run_files();
  stores_.volumes.drop_forsaken({});
  for (const ContainerPtr& container : all()) settle_row(container);
  unmount_stray_volumes();
  return {};
}

}  // namespace dhow::engine
