// SPDX-License-Identifier: Apache-2.0
// Many containers, several at a time, and what is left when all are gone.

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "bench/cases.h"
#include "sys/process.h"

namespace dhow::bench {
namespace {

constexpr int kContainers = 200;
constexpr int kWorkers = 8;
// The containers come in slices of this size, interleaved between the runtimes.
constexpr int kSlice = 50;

double now_seconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Takes containers through create, start, kill, delete, one command at a time.
class Worker {
 public:
  Worker(Contender& contender, Launcher launcher)
      : contender_(&contender), launcher_(std::move(launcher)) {}

  const Fd& socket() const { return launcher_.socket(); }
  bool busy() const { return step_ < kSteps; }
  double cpu_us() const { return cpu_us_; }

  Status begin(std::string id) {
    id_ = std::move(id);
    step_ = 0;
    return next();
  }

  // Takes the answer to the running command and gives the next one, if any.
  Status advance() {
    TRY_ASSIGN(const LaunchReply reply, launcher_.receive());
    cpu_us_ += static_cast<double>(reply.user_us + reply.system_us);
    const int code = exit_code_from_wait_status(reply.status);
    if (code != 0) {
      return fail(Code::kUnknown, cat(contender_->name(), ": step ", step_, " of container ",
                                      quoted(id_), ": ", contender_->last_output()));
    }
    ++step_;
    // The kernel needs microseconds to end a killed process: not worth a state of its own.
    if (step_ == kDelete) TRY(contender_->wait_stopped(id_));
    return busy() ? next() : Status();
  }

 private:
  static constexpr int kDelete = 3;
  static constexpr int kSteps = 4;

  Status next() {
    const std::vector<std::string> steps[kSteps] = {
        {"create", "--bundle", bundle(), "--pid-file", contender_->pid_file(id_), id_},
        {"start", id_},
        {"kill", id_, "KILL"},
        {"delete", id_}};
    return launcher_.send(contender_->command(steps[step_]));
  }
  std::string bundle() const {
    return cat(contender_->workspace().root(), "/contenders/", contender_->name(), "/bundles/",
               id_);
  }

  Contender* contender_;
  Launcher launcher_;
  std::string id_;
  int step_ = kSteps;
  double cpu_us_ = 0;
};

// Waits for a worker's answer and handles all that are there.
Status advance_some(std::vector<Worker>& workers, const Interrupt& interrupt) {
  std::vector<pollfd> polled;
  for (const Worker& worker : workers) {
    polled.push_back(
        {.fd = worker.busy() ? worker.socket().get() : -1, .events = POLLIN, .revents = 0});
  }
  constexpr int kTimeoutMs = 30'000;
  const int ready = poll(polled.data(), polled.size(), kTimeoutMs);
  if (ready < 0) return fail_errno(errno, "poll");
  if (ready == 0) return fail(Code::kDeadlineExceeded, "no command ended within 30 s");
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (polled[i].revents == 0) continue;
    TRY(interrupt.wait_readable(workers[i].socket(), 0));
    TRY(workers[i].advance());
  }
  return {};
}

// Runs the containers `first` up to `first + kSlice`; returns once all are deleted.
Status run_slice(std::vector<Worker>& workers, int first, const Interrupt& interrupt) {
  int next = first;
  for (;;) {
    for (Worker& worker : workers) {
      if (worker.busy() || next == first + kSlice) continue;
      TRY(worker.begin(cat("parallel-", next++)));
    }
    if (std::ranges::none_of(workers, &Worker::busy)) return {};
    TRY(advance_some(workers, interrupt));
  }
}

// Adds what a runtime holds at this moment, times `sign`, to its result.
void count_leaks(Contender& contender, ParallelResult& result, int sign) {
  reap_orphans();
  result.mounts += sign * count_mounts(contender.launcher().pid());
  result.cgroups += sign * count_cgroups(contender.cgroup());
  result.state_entries += sign * static_cast<int>(contender.leftovers().size());
  result.processes += sign * static_cast<int>(children_of(getpid()).size());
}

// One slice of one runtime, measured. Only an interrupt is an error.
Status measure_slice(Contender& contender, std::vector<Worker>& workers, int first,
                     const Interrupt& interrupt, ParallelResult& result) {
  count_leaks(contender, result, -1);
  const double begin = now_seconds();
  const Status status = run_slice(workers, first, interrupt);
  if (!status && status.error().code() == Code::kCancelled) return status;
  result.seconds += now_seconds() - begin;
  result.containers += kSlice;
  count_leaks(contender, result, 1);
  double cpu_us = 0;
  for (const Worker& worker : workers) cpu_us += worker.cpu_us();
  result.cpu_ms = cpu_us / 1e3 / result.containers;
  if (!status) {
    log::warning(cat("parallel: ", status.error().message()));
    result.error = status.error().message();
    workers.clear();  // also ends the commands that still run
    contender.wipe();
  }
  return {};
}

Result<std::vector<Worker>> start_workers(Contender& contender) {
  for (int i = 0; i < kContainers; ++i) {
    TRY(contender.write_bundle(cat("parallel-", i), {.args = {"/bin/true", "wait"}}));
  }
  std::vector<Worker> workers;
  for (int i = 0; i < kWorkers; ++i) {
    TRY_ASSIGN(Launcher launcher, contender.start_launcher(0, true));
    workers.emplace_back(contender, std::move(launcher));
  }
  return workers;
}

}  // namespace

Result<std::vector<ParallelResult>> measure_parallel(Contenders& contenders,
                                                     const Interrupt& interrupt) {
  std::vector<ParallelResult> results;
  std::vector<std::vector<Worker>> workers;
  for (Contender& contender : contenders) {
    TRY_ASSIGN(auto own, start_workers(contender));
    workers.push_back(std::move(own));
    results.push_back({.contender = contender.name(), .error = {}});
  }
  for (int first = 0; first < kContainers; first += kSlice) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!results[i].error.empty()) continue;
      TRY(measure_slice(contenders[i], workers[i], first, interrupt, results[i]));
    }
  }
  return results;
}

}  // namespace dhow::bench
