// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "metadata/lease_store.h"

namespace dhow::engine {
namespace {

// Docker's: the pause before a restart doubles from the first to the longest, and begins anew for
// one that ran for a while. Nanoseconds.
constexpr std::int64_t kFirstPause = 100'000'000;
constexpr std::int64_t kLongestPause = 60'000'000'000;
constexpr std::int64_t kLongEnough = 10'000'000'000;

// Nanoseconds from its start to its end.
std::int64_t run_time(const ContainerState& state) {
  return state.started == 0 ? 0 : std::max<std::int64_t>(state.finished - state.started, 0);
}

}  // namespace

void ContainersImpl::notify_waiters(Container& container, bool ended, bool gone) {
  WaitAnswer answer;
  std::vector<std::shared_ptr<Waiter>> ready;
  {
    std::lock_guard lock(container.mutex);
    for (auto it = container.waiters.begin(); it != container.waiters.end();) {
      bool holds = gone || (ended && (*it)->condition != WaitCondition::kRemoved);
      if (holds) ready.push_back(*it);
      it = holds ? container.waiters.erase(it) : std::next(it);
    }
  }
  RecordPtr record = container.record();
  answer.exit_code = record->progress.state.exit_code;
  // The error of a start is told by the start.
  for (const auto& waiter : ready) waiter->call(answer);
}

void ContainersImpl::handle_exit(const ContainerPtr& container, std::uint64_t run,
                                 const Result<task::Exit>& exit) {
  std::lock_guard operation(container->operation);
  {
    std::lock_guard lock(container->mutex);
    if (container->removed || container->run != run) return;
  }
  end_health(*container);
  task::Exit last{.status = task::kLostStatus, .at = {}};
  if (exit) last = *exit;
  if (!exit) {
    // The shim died: what is left of it may know more, and has to go.
    log::warning(cat("container ", container->id,
                     ": its end was not told by its shim: ", exit.error().message()));
    if (auto cleaned = tasks_->cleanup(key(container->id))) last = *cleaned;
  }
  bool oom = false;
  {
    std::lock_guard lock(container->mutex);
    oom = container->oom_seen;
  }
  settle_exit(container, ending_of(last, oom));
}

void ContainersImpl::release_held(const ContainerRecord& record) {
  drop_run_files(record.id);
  release_volumes(record);
  detach_networks(record.id);
}

void ContainersImpl::drop_task(Container& container) {
  auto removed = tasks_->remove(key(container.id));
  if (removed || removed.error().code() == Code::kNotFound) return;
  cleanup_or_warn(container);
}

void ContainersImpl::cleanup_or_warn(const Container& container) {
  if (auto cleaned = tasks_->cleanup(key(container.id)); !cleaned) {
    log::warning(cat("container ", container.id, ": clean up: ", cleaned.error().message()));
  }
}

void ContainersImpl::commit_or_warn(Container& container, ContainerRecord record,
                                    std::vector<Event> events) {
  if (auto written = commit_record(container, std::move(record), std::move(events)); !written) {
    log::warning(cat("container ", container.id, ": ", written.error().message()));
  }
}

void ContainersImpl::abandon_task(Container& container) {
  // The row first: a death in between leaves a process that was killed, and whose status the next
  // engine would take for the container's own.
  ContainerRecord record = *container.record();
  record.progress.has_task = false;
  commit_or_warn(container, std::move(record), {});
  cleanup_or_warn(container);
}

bool ContainersImpl::wants_restart(const Container& container, const ContainerRecord& record,
                                   int status) const {
  if (container.stopping || record.progress.stopped_by_hand) return false;
  const RestartPolicy& policy = record.config.host.restart_policy;
  if (policy.name == "always" || policy.name == "unless-stopped") return true;
  return policy.name == "on-failure" && status != 0 &&
         (policy.maximum_retry_count == 0 ||
          record.progress.restart_count < policy.maximum_retry_count);
}

ContainersImpl::Ending ContainersImpl::ending_of(const task::Exit& exit, bool oom) {
  std::int64_t at = rpc::nanoseconds(exit.at);
  return {static_cast<int>(exit.status), at > 0 ? at : metadata::now(), oom};
}

std::vector<Event> ContainersImpl::end_events(const ContainerRecord& record) const {
  std::vector<Event> events;
  events.push_back(
      make_event(record, "die",
                 {{"exitCode", cat(record.progress.state.exit_code)},
                  {"execDuration", cat(run_time(record.progress.state) / 1'000'000'000)}}));
  std::ranges::move(volume_events(record, "unmount"), std::back_inserter(events));
  std::ranges::move(network_events(record, "disconnect"), std::back_inserter(events));
  return events;
}

void ContainersImpl::settle_exit(const ContainerPtr& container, const Ending& ending) {
  ContainerRecord record = *container->record();
  ContainerState& state = record.progress.state;
  record.progress.has_task = false;
  state.pid = 0;
  state.exit_code = ending.status;
  state.finished = ending.at;
  state.oom_killed = ending.oom;
  bool again = false;
  bool kept = false;
  {
    std::lock_guard lock(container->mutex);
    kept = container->kept;
    if (container->stopping) record.progress.stopped_by_hand = true;
    again = wants_restart(*container, record, ending.status);
    container->stopping = false;
    container->io_ready = false;
    if (again) {
      bool anew = container->backoff == 0 || run_time(state) >= kLongEnough;
      container->backoff = anew ? kFirstPause : std::min(container->backoff * 2, kLongestPause);
    }
    for (auto& [id, exec] : container->execs) {
      if (!exec->running) continue;
      exec->running = false;
      exec->exit_code = task::kLostStatus;
    }
  }
  state.phase = again ? Phase::kRestarting : Phase::kExited;
  if (again) ++record.progress.restart_count;
  bool goes = record.config.host.auto_remove && !again && !kept;
  std::vector<Event> events;
  if (ending.ran) events = end_events(record);
  if (goes) {
    auto gone = remove_ended(container, record, events);
    if (gone) return;
    log::warning(cat("container ", container->id, ": remove: ", gone.error().message()));
  }
  commit_or_warn(*container, std::move(record), std::move(events));
  // Only now: until the row has it, the exit status is the shim's to keep.
  release_held(*container->record());
  drop_task(*container);
  notify_waiters(*container, true, false);
  if (again) plan_restart(container);
}

void ContainersImpl::plan_restart(const ContainerPtr& container) {
  auto time = Workers::Clock::now() + std::chrono::nanoseconds(container->backoff);
  container->restart_timer = workers_.post_at(time, [this, container] {
    std::lock_guard operation(container->operation);
    if (container->removed || container->record()->progress.state.phase != Phase::kRestarting) {
      return;
    }
    if (auto started = start_locked(*container); !started) {
      log::warning(cat("container ", container->id, ": restart: ", started.error().message()));
      // It counts as an end, so that the policy says how it goes on.
      if (!container->removed) {
        settle_exit(container, {.status = container->record()->progress.state.exit_code,
                                .at = metadata::now(),
                                .ran = false});
      }
      return;
    }
    watch_exit(container, container->run);
    begin_health(container);
  });
}

void ContainersImpl::on_event(const rpc::events::Envelope& envelope) {
  if (envelope.topic != "/tasks/oom" || !envelope.event) return;
  auto oom = rpc::unpack<rpc::events::TaskOom>(*envelope.event);
  if (!oom) return;
  auto found = find(oom->container_id);
  if (!found) return;
  {
    std::lock_guard lock((*found)->mutex);
    (*found)->oom_seen = true;
  }
  ContainerPtr container = *found;
  workers_.post([this, container] { publish(*container->record(), "oom"); });
}

}  // namespace dhow::engine
