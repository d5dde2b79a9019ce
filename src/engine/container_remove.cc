// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/strings.h"
#include "engine/container_filter.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

std::unexpected<Error> still_runs(const ContainerRecord& record) {
  Phase phase = record.progress.state.phase;
  std::string what = phase == Phase::kPaused ? "is paused and must be unpaused first"
                                             : cat("is ", phase_name(phase));
  return fail(Code::kFailedPrecondition,
              cat("cannot remove container ", quoted("/" + record.name), ": container ", what,
                  ": stop the container before removing or force remove"));
}

bool has_volumes(const ContainerRecord& record) {
  return std::ranges::any_of(record.mounts(),
                             [](const WantedMount& mount) { return mount.type == "volume"; });
}

}  // namespace

Status ContainersImpl::rename(std::string_view ref, std::string_view name) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  if (name.empty()) {
    return fail(Code::kInvalidArgument, "Neither old nor new names may be empty");
  }
  std::lock_guard operation(container->operation);
  ContainerRecord record = *container->record();
  std::string wanted(name.starts_with('/') ? name.substr(1) : name);
  if (record.name == wanted) {
    return fail(Code::kInvalidArgument,
                "Renaming a container with the same name as its current name");
  }
  TRY_ASSIGN(std::string taken, reserve_name(std::string(name), container->id));
  std::string old = std::exchange(record.name, taken);
  auto written = stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(ContainerRows(transaction, options_.name_space).set_name(record));
    return Events::append(transaction, make_event(record, "rename", {{"oldName", "/" + old}}));
  });
  release_name(written ? old : taken);
  TRY(written);
  container->set_record(std::make_shared<const ContainerRecord>(std::move(record)));
  tell_neighbours(networks_of(container->id));
  stores_.events.notify();
  return {};
}

// The row goes first: what a death leaves of the rest has no row, and is dropped at the next start.
Status ContainersImpl::remove_row(const ContainerPtr& container, bool volumes,
                                  std::vector<Event> events) {
  RecordPtr record = container->record();
  events.push_back(make_event(*record, "destroy"));
  TRY(stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(ContainerRows(transaction, options_.name_space).remove(container->id));
    if (has_volumes(*record)) TRY(Volumes::release(transaction, container->id, !volumes));
    for (const Event& event : events) TRY(Events::append(transaction, event));
    return {};
  }));
  {
    std::unique_lock lock(mutex_);
    by_id_.erase(container->id);
    by_name_.erase(record->name);
    for (const auto& [id, exec] : container->execs) execs_.erase(id);
  }
  {
    std::lock_guard lock(container->mutex);
    container->removed = true;
  }
  stores_.events.notify();
  drop_stored(*record, volumes);
  notify_waiters(*container, true, true);
  fail_pending(*container, Error(Code::kNotFound, cat("No such container: ", container->id)));
  return {};
}

void ContainersImpl::drop_stored(const ContainerRecord& record, bool volumes) {
  if (auto gone = stores_.images.snapshots.remove(record.snapshot());
      !gone && gone.error().code() != Code::kNotFound) {
    log::warning(cat("container ", record.id, ": ", gone.error().message()));
  }
  drop_image_views(record);
  if (volumes && has_volumes(record)) stores_.volumes.drop_forsaken(record.id);
}

void ContainersImpl::drop_files(const ContainerRecord& record) {
  auto parent = open_at(kCwd, options_.root + "/containers", O_RDONLY | O_DIRECTORY);
  auto gone = parent ? remove_tree(*parent, record.id) : Status(fail(parent.error()));
  if (!gone) log::warning(cat("container ", record.id, ": ", gone.error().message()));
  empty_trash_soon();
}

// Once for all that go within that time: each emptying is a transaction that is synced.
void ContainersImpl::empty_trash_soon() {
  constexpr std::chrono::milliseconds kDelay{200};
  if (empties_trash_.exchange(true)) return;
  workers_.post_at(Workers::Clock::now() + kDelay, [this] {
    empties_trash_ = false;
    std::ignore = stores_.images.snapshots.empty_trash();
  });
}

Status ContainersImpl::remove_locked(const ContainerPtr& container, bool volumes) {
  RecordPtr record = container->record();
  workers_.cancel(container->restart_timer);
  std::vector<Event> events;
  if (record->progress.has_task) {
    TRY_ASSIGN(task::Exit exit, tasks_->cleanup(key(container->id)));
    if (record->progress.state.has_process()) {
      // It did not end in time when it was asked to.
      ContainerRecord ended = *record;
      ended.progress.state.exit_code = static_cast<int>(exit.status);
      ended.progress.state.finished = metadata::now();
      events = end_events(ended);
    }
    release_held(*record);
  } else {
    drop_run_files(container->id);
    detach_networks(container->id);
  }
  TRY(remove_row(container, volumes, std::move(events)));
  drop_files(*record);
  return {};
}

Status ContainersImpl::remove_ended(const ContainerPtr& container, const ContainerRecord& ended,
                                    std::vector<Event> events) {
  container->set_record(std::make_shared<const ContainerRecord>(ended));
  release_held(ended);
  TRY(remove_row(container, true, std::move(events)));
  drop_task(*container);
  drop_files(ended);
  return {};
}

Status ContainersImpl::remove(std::string_view ref, const RemoveOptions& options) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  const ContainerState state = container->record()->progress.state;
  if (state.is_running()) {
    if (!options.force) return still_runs(*container->record());
    {
      std::lock_guard lock(container->mutex);
      container->stopping = true;
    }
    if (state.has_process()) {
      std::ignore = send_signal(*container, SIGKILL);
      wait_end(*container, 10);
    }
  }
  std::lock_guard operation(container->operation);
  if (container->removed) return {};
  // Somebody has started it meanwhile.
  RecordPtr record = container->record();
  if (!options.force && record->progress.state.is_running()) return still_runs(*record);
  return remove_locked(container, options.volumes);
}

Result<PruneAnswer> ContainersImpl::prune(const Filters& filters) {
  TRY_ASSIGN(PruneFilter filter, PruneFilter::parse(filters));
  PruneAnswer answer;
  for (const ContainerPtr& container : all()) {
    RecordPtr record = container->record();
    if (record->progress.state.is_running() || !filter.matches(*record)) continue;
    auto usage = stores_.images.snapshots.usage(record->snapshot());
    if (auto removed = remove(container->id, {.force = false, .volumes = false}); !removed) {
      // It was started meanwhile, or somebody else removed it.
      continue;
    }
    if (usage) answer.reclaimed += usage->bytes;
    answer.removed.push_back(container->id);
  }
  Event event;
  event.type = "container";
  event.action = "prune";
  event.attributes = {{"reclaimed", cat(answer.reclaimed)}};
  std::ignore = stores_.events.publish(std::move(event));
  return answer;
}

}  // namespace dhow::engine
