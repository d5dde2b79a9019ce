// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "metadata/lease_store.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kInterval = 30 * kSecond;
constexpr std::int64_t kTimeout = 30 * kSecond;
constexpr std::int64_t kStartInterval = 5 * kSecond;
constexpr std::int64_t kRetries = 3;
constexpr std::size_t kMaxOutput = 4096;
constexpr std::size_t kMaxLog = 5;
// An annotation for what podman has as --health-on-failure, and docker has not: none, kill, restart
// or stop.
constexpr const char* kActionNote = "io.dhow.health-on-failure";

std::int64_t or_default(std::int64_t value, std::int64_t other) {
  return value > 0 ? value : other;
}

// How long until the next probe. In the start period they may come more often.
std::int64_t pause_of(const ContainerRecord& record) {
  const HealthConfig& health = *record.config.config.healthcheck;
  const ContainerState& state = record.progress.state;
  bool starting = state.health && state.health->status == "starting" && health.start_period > 0 &&
                  metadata::now() - state.started < health.start_period;
  return starting ? or_default(health.start_interval, kStartInterval)
                  : or_default(health.interval, kInterval);
}

std::vector<std::string> command_of(const ContainerConfig& config) {
  const std::vector<std::string>& test = config.healthcheck->test;
  std::vector<std::string> words;
  if (test.front() == "CMD-SHELL") {
    words = config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
  }
  words.insert(words.end(), test.begin() + 1, test.end());
  return words;
}

// What comes until the end, or until that time; its beginning is kept. False: there was no end.
bool read_output(FdRef stream, Workers::Clock::time_point until, std::string& output) {
  char buffer[4096];
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Workers::Clock::now());
    pollfd poll{.fd = stream.get(), .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) == 0) {
      return false;
    }
    auto got = read_some(stream, buffer);
    if (!got || *got == 0) return true;
    output.append(buffer, std::min(*got, kMaxOutput - output.size()));
  }
}

}  // namespace

bool is_probed(const ContainerRecord& record) {
  const auto& health = record.config.config.healthcheck;
  return health && !health->test.empty() && health->test.front() != "NONE";
}

void ContainersImpl::begin_health(const ContainerPtr& container) {
  RecordPtr record = container->record();
  if (!is_probed(*record) || record->progress.state.phase != Phase::kRunning) return;
  plan_probe(container, container->run, pause_of(*record));
}

void ContainersImpl::end_health(Container& container) {
  std::lock_guard lock(container.mutex);
  workers_.cancel(container.health_timer);
  container.health_timer = 0;
}

void ContainersImpl::plan_probe(const ContainerPtr& container, std::uint64_t run,
                                std::int64_t delay) {
  auto time = Workers::Clock::now() + std::chrono::nanoseconds(delay);
  std::lock_guard lock(container->mutex);
  container->health_timer =
      workers_.post_at(time, [this, container, run] { probe(container, run); });
}

void ContainersImpl::probe(const ContainerPtr& container, std::uint64_t run) {
  RecordPtr record = container->record();
  {
    std::lock_guard lock(container->mutex);
    if (container->run != run || container->removed) return;
  }
  if (record->progress.state.phase != Phase::kRunning) return;
  HealthResult result;
  result.start = metadata::now();
  const HealthConfig& health = *record->config.config.healthcheck;
  ExecConfig config;
  config.cmd = command_of(record->config.config);
  config.attach_stdout = config.attach_stderr = true;
  auto exec = add_exec(*container, config);
  std::int64_t timeout = or_default(health.timeout, kTimeout);
  auto until = Workers::Clock::now() + std::chrono::nanoseconds(timeout);
  auto stream = exec ? run_exec(container, *exec, {.console_size = {}, .framed = false}, true)
                     : Result<Fd>(std::unexpected(exec.error()));
  if (!stream) {
    result.exit_code = -1;
    result.output = stream.error().message();
  } else {
    task::Key place = key(container->id);
    bool ended = read_output(*stream, until, result.output);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Workers::Clock::now());
    auto exit = ended
                    ? tasks_->wait(place, (*exec)->id, std::max(left, std::chrono::milliseconds(0)))
                    : Result<task::Exit>(fail(Code::kDeadlineExceeded, "no end"));
    if (exit) {
      result.exit_code = static_cast<int>(exit->status);
    } else if ((*exec)->exit_code) {
      result.exit_code = *(*exec)->exit_code;
    } else {
      std::ignore = tasks_->kill(place, (*exec)->id, 9);
      result.exit_code = -1;
      result.output = cat("Health check exceeded timeout (", timeout / kSecond, "s)",
                          result.output.empty() ? "" : ": ", result.output);
    }
  }
  if (exec) {
    std::lock_guard lock(container->mutex);
    container->execs.erase((*exec)->id);
  }
  result.end = metadata::now();
  settle_probe(container, run, std::move(result));
}

void ContainersImpl::settle_probe(const ContainerPtr& container, std::uint64_t run,
                                  HealthResult result) {
  std::string action;
  {
    std::lock_guard operation(container->operation);
    if (container->removed || container->run != run) return;
    ContainerRecord record = *container->record();
    ContainerState& state = record.progress.state;
    if (state.phase != Phase::kRunning || !state.health) return;
    HealthState& health = *state.health;
    const HealthConfig& config = *record.config.config.healthcheck;
    std::string before = health.status;
    bool in_start = config.start_period > 0 && before == "starting" &&
                    result.start - state.started < config.start_period;
    if (result.exit_code == 0) {
      health.failing_streak = 0;
      health.status = "healthy";
    } else if (!in_start) {
      ++health.failing_streak;
      if (health.failing_streak >= or_default(config.retries, kRetries)) {
        health.status = "unhealthy";
      }
    }
    health.log.push_back(std::move(result));
    if (health.log.size() > kMaxLog) health.log.erase(health.log.begin());
    std::vector<Event> events;
    if (health.status != before) {
      events.push_back(make_event(record, cat("health_status: ", health.status)));
      if (health.status == "unhealthy") {
        const TextMap& notes = record.config.host.annotations;
        if (auto found = notes.find(kActionNote); found != notes.end()) action = found->second;
      }
    }
    commit_or_warn(*container, std::move(record), std::move(events));
  }
  plan_probe(container, run, pause_of(*container->record()));
  if (action == "kill") std::ignore = kill(container->id, "KILL");
  if (action == "stop") std::ignore = stop(container->id, {});
  if (action == "restart") std::ignore = restart(container->id, {});
}

}  // namespace dhow::engine
