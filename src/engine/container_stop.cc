// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <algorithm>
#include <optional>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/spec/resources.h"
#include "oci/config_codec.h"

namespace dhow::engine {
namespace {

constexpr std::int64_t kStopTimeout = 10;  // seconds, docker's
// What a kill is given to work, and more would not help. Seconds.
constexpr std::int64_t kKillTimeout = 10;

constexpr std::string_view kSignals[] = {
    "",     "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS"};
constexpr int kFirstRealTime = 34;  // as glibc counts
constexpr int kLastSignal = 64;

std::unexpected<Error> not_running(const std::string& id) {
  return fail(Code::kFailedPrecondition, cat("container ", id, " is not running"));
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
  if (auto number = parse_number<int>(text)) {
    return *number > 0 && *number <= kLastSignal ? number : std::nullopt;
  }
  std::string name = upper_text(text);
  std::string_view plain = name;
  if (plain.starts_with("SIG")) plain.remove_prefix(3);
  if (plain == "IOT") plain = "ABRT";
  if (plain == "CLD") plain = "CHLD";
  if (plain == "POLL") plain = "IO";
  if (plain.starts_with("RTMIN") || plain.starts_with("RTMAX")) {
    bool from_start = plain.starts_with("RTMIN");
    int offset = 0;
    if (plain.size() > 5) {
      auto more = parse_number<int>(plain.substr(6));
      if (!more || plain[5] != (from_start ? '+' : '-')) return std::nullopt;
      offset = *more;
    }
    int signal = from_start ? kFirstRealTime + offset : kLastSignal - offset;
    return signal >= kFirstRealTime && signal <= kLastSignal ? std::optional(signal) : std::nullopt;
  }
  const auto* found = std::ranges::find(kSignals, plain);
  if (plain.empty() || found == std::end(kSignals)) return std::nullopt;
  return static_cast<int>(found - std::begin(kSignals));
}

Status ContainersImpl::send_signal(Container& container, int signal) {
  RecordPtr record = container.record();
  if (!record->progress.state.has_process()) return not_running(container.id);
  // In front of the signal: what it does comes after it.
  publish(*record, "kill", {{"signal", cat(signal)}});
  auto sent = tasks_->kill(key(container.id), {}, signal);
  // One that has just ended, or whose shim has: its end is on its way.
  if (!sent &&
      (sent.error().code() == Code::kNotFound || sent.error().code() == Code::kUnavailable)) {
    return not_running(container.id);
  }
  TRY(sent);
  // A process that is frozen takes the signal when it is thawed.
  if (record->progress.state.phase == Phase::kPaused && signal == SIGKILL) {
    std::ignore = tasks_->resume(key(container.id));
  }
  return {};
}

bool ContainersImpl::wait_end(Container& container, std::optional<std::int64_t> seconds) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
  };
  auto shared = std::make_shared<Shared>();
  auto waiter = std::make_shared<Waiter>(WaitCondition::kNextExit, [shared](const WaitAnswer&) {
    std::lock_guard lock(shared->mutex);
    shared->ended = true;
    shared->changed.notify_all();
  });
  {
    std::lock_guard lock(container.mutex);
    container.waiters.push_back(waiter);
  }
  // Its record says so before what it held is free: whoever settles the exit has the lock until
  // then.
  auto has_settled = [&] {
    if (container.record()->progress.state.has_process()) return false;
    std::lock_guard operation(container.operation);
    return true;
  };
  // It may have ended before the waiter was there.
  if (has_settled()) return true;
  std::unique_lock lock(shared->mutex);
  auto ended = [&] { return shared->ended; };
  if (seconds) {
    shared->changed.wait_for(lock, std::chrono::seconds(*seconds), ended);
  } else {
    shared->changed.wait(lock, ended);
  }
  if (shared->ended) return true;
  lock.unlock();
  return has_settled();
}

Result<bool> ContainersImpl::stop_container(const ContainerPtr& container,
                                            const StopOptions& options) {
  RecordPtr record;
  {
    std::unique_lock operation(container->operation);
    record = container->record();
    if (record->progress.state.phase == Phase::kRestarting) {
      // It waits for its next start: that is taken away.
      workers_.cancel(container->restart_timer);
      ContainerRecord changed = *record;
      changed.progress.state.phase = Phase::kExited;
      changed.progress.stopped_by_hand = true;
      std::vector<Event> events = {make_event(changed, "stop")};
      TRY(commit_record(*container, std::move(changed), std::move(events)));
      notify_waiters(*container, true, false);
      return false;
    }
    if (!record->progress.state.has_process()) return true;
    std::lock_guard lock(container->mutex);
    container->stopping = true;
  }
  const ContainerConfig& config = record->config.config;
  std::string text = !options.signal.empty()       ? options.signal
                     : !config.stop_signal.empty() ? config.stop_signal
                                                   : "SIGTERM";
  auto signal = parse_signal(text);
  if (!signal) return fail(Code::kInvalidArgument, cat("Invalid signal: ", text));
  std::int64_t timeout = options.timeout.value_or(config.stop_timeout.value_or(kStopTimeout));
  if (record->progress.state.phase == Phase::kPaused) std::ignore = unpause(container->id);
  auto sent = send_signal(*container, *signal);
  // A shim that hangs does no better the next time, and whoever asked wants to know.
  if (!sent && sent.error().code() == Code::kDeadlineExceeded) {
    return std::unexpected(
        std::move(sent).error().add_context(cat("cannot stop container: ", container->id)));
  }
  bool ended = false;
  if (sent || sent.error().code() == Code::kFailedPrecondition) {
    ended = wait_end(*container, timeout < 0 ? std::nullopt : std::optional(timeout));
  }
  if (!ended) {
    std::ignore = send_signal(*container, SIGKILL);
    if (!wait_end(*container, kKillTimeout)) {
      // Its processes are stuck in the kernel, or frozen by somebody else, or its shim is stuck.
      std::ignore = tasks_->resume(key(container->id));
      TRY(tasks_->kill(key(container->id), {}, SIGKILL, true));
      if (!wait_end(*container, kKillTimeout)) {
        return fail(Code::kDeadlineExceeded,
                    cat("container ", container->id,
                        ": tried to kill container, but did not receive an exit event"));
      }
    }
  }
  publish(*container->record(), "stop");
  return false;
}

Result<bool> ContainersImpl::stop(std::string_view ref, const StopOptions& options) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  return stop_container(container, options);
}

Status ContainersImpl::restart(std::string_view ref, const StopOptions& options) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  auto keep = [&](bool kept) {
    std::lock_guard lock(container->mutex);
    container->kept = kept;
  };
  // With --rm its end would take it away: it has to survive this one.
  keep(true);
  Cleanup unkeep([&] { keep(false); });
  auto again = [&]() -> Status {
    TRY(stop_container(container, options));
    TRY(start(container->id));
    return {};
  };
  TRY_CONTEXT(again(), cat("Cannot restart container ", ref));
  publish(*container->record(), "restart");
  return {};
}

Status ContainersImpl::kill(std::string_view ref, std::string_view text) {
  std::string context = cat("cannot kill container: ", ref);
  auto found = find(ref);
  if (!found) return fail(std::move(found).error().add_context(context));
  const ContainerPtr& container = *found;
  int signal = SIGKILL;
  if (!text.empty()) {
    auto parsed = parse_signal(text);
    if (!parsed) return fail(Code::kInvalidArgument, cat("Invalid signal: ", text));
    signal = *parsed;
  }
  RecordPtr record = container->record();
  if (record->progress.state.phase == Phase::kRestarting && signal == SIGKILL) {
    TRY(stop_container(container, {}));
    return {};
  }
  std::string stop_signal = record->config.config.stop_signal;
  // A kill by hand is a stop to the restart policy; other signals are for the program.
  if (signal == SIGKILL || signal == parse_signal(stop_signal.empty() ? "TERM" : stop_signal)) {
    std::lock_guard lock(container->mutex);
    container->stopping = true;
  }
  auto sent = send_signal(*container, signal);
  if (!sent) {
    {
      std::lock_guard lock(container->mutex);
      container->stopping = false;
    }
    return std::unexpected(std::move(sent).error().add_context(context));
  }
  if (signal == SIGKILL) wait_end(*container, kKillTimeout);
  return {};
}

Status ContainersImpl::pause(std::string_view ref) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  ContainerRecord record = *container->record();
  if (record.progress.state.phase == Phase::kPaused) {
    return fail(Code::kFailedPrecondition, cat("container ", container->id, " is already paused"));
  }
  if (record.progress.state.phase == Phase::kRestarting) {
    return fail(
        Code::kFailedPrecondition,
        cat("Container ", container->id, " is restarting, wait until the container is running"));
  }
  if (record.progress.state.phase != Phase::kRunning) return not_running(container->id);
  TRY_CONTEXT(tasks_->pause(key(container->id)), cat("cannot pause container ", container->id));
  end_health(*container);
  record.progress.state.phase = Phase::kPaused;
  std::vector<Event> events = {make_event(record, "pause")};
  return commit_record(*container, std::move(record), std::move(events));
}

Status ContainersImpl::unpause(std::string_view ref) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  ContainerRecord record = *container->record();
  if (record.progress.state.phase != Phase::kPaused) {
    return fail(Code::kFailedPrecondition, cat("container ", container->id, " is not paused"));
  }
  TRY_CONTEXT(tasks_->resume(key(container->id)), cat("cannot resume container ", container->id));
  record.progress.state.phase = Phase::kRunning;
  std::vector<Event> events = {make_event(record, "unpause")};
  TRY(commit_record(*container, std::move(record), std::move(events)));
  begin_health(container);
  return {};
}

Result<std::vector<std::string>> ContainersImpl::update(std::string_view ref,
                                                        const HostConfig& changes) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  ContainerRecord record = *container->record();
  HostConfig& host = record.config.host;
  TRY(merge_resources(host.resources, changes.resources));
  if (!changes.restart_policy.name.empty()) {
    if (host.auto_remove && changes.restart_policy.name != "no") {
      return fail(
          Code::kInvalidArgument,
          "Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
    host.restart_policy = changes.restart_policy;
    std::vector<std::string> warnings;
    TRY(check_config(record.config, options_, warnings));
  }
  if (record.progress.state.has_process()) {
    TRY_ASSIGN(oci::Resources resources, spec_resources(host.resources));
    TRY_CONTEXT(tasks_->update(key(container->id), oci::resources_json(resources)),
                cat("Cannot update container ", container->id));
  }
  TRY(stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(ContainerRows(transaction, options_.name_space).set_config(record));
    return Events::append(transaction, make_event(record, "update"));
  }));
  container->set_record(std::make_shared<const ContainerRecord>(std::move(record)));
  stores_.events.notify();
  return std::vector<std::string>();
}

Status ContainersImpl::resize(std::string_view ref, std::uint32_t height, std::uint32_t width) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  if (!record->progress.state.has_process()) return not_running(container->id);
  TRY(tasks_->resize(key(container->id), {}, width, height));
  publish(*record, "resize", {{"height", cat(height)}, {"width", cat(width)}});
  return {};
}

}  // namespace dhow::engine
