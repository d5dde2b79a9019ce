// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/contender.h"
#include "bench/wire.h"

namespace dhow::bench {

// All measurements of one runtime in one case; `error` says why there are fewer than asked for.
struct Series {
  std::string contender;
  std::vector<LaunchReply> samples;
  std::string error;
};

struct CaseResult {
  std::string key;    // stable name, for JSON and for comparisons
  std::string title;  // what was measured, for people
  std::vector<Series> series;
};

// No smaller memory limit is tried.
inline constexpr long kSmallestLimitKib = 256;

// The smallest memory limit that a runtime started a container with.
struct MemoryFloor {
  std::string contender;
  std::string payload;
  long limit_kib = 0;  // 0: not even the largest limit was enough
  std::string error;
};

struct ParallelResult {
  std::string contender;
  int containers = 0;
  double seconds = 0;
  double cpu_ms = 0;  // user + system of all commands, for each container
  // What was there after a slice, minus what was there before it, all slices together.
  int mounts = 0;
  int cgroups = 0;
  int state_entries = 0;
  int processes = 0;
  std::string error;
};

// Descriptors of a running container's first process; the three standard ones are expected.
struct InheritedFds {
  std::string contender;
  int count = 0;
};

using Contenders = std::vector<Contender>;

struct CaseLabel {
  std::string key;
  std::string title;
};

// Takes one measurement for each label.
using Sampler = std::function<Result<std::vector<LaunchReply>>(Contender&, int round)>;

// Rounds of A, B, C, A, B, C, ...; who begins changes with each round. The first kWarmupRounds do
// not count. A runtime that fails is left out from then on; only an interrupt is an error.
inline constexpr int kWarmupRounds = 3;
Result<std::vector<CaseResult>> interleave(Contenders& contenders, int rounds,
                                           const std::vector<CaseLabel>& labels,
                                           const Sampler& sampler);

// The cases. Each sets up and wipes its own containers; all fail on an interrupt only.
Result<std::vector<CaseResult>> measure_run(Contenders& contenders, int rounds);
Result<std::vector<CaseResult>> measure_run_no_seccomp(Contenders& contenders, int rounds);
Result<std::vector<CaseResult>> measure_run_user_namespace(Contenders& contenders, int rounds);
Result<std::vector<CaseResult>> measure_mounts(Contenders& contenders, int rounds);
Result<std::vector<CaseResult>> measure_lifecycle(Contenders& contenders, int rounds);
Result<std::vector<CaseResult>> measure_exec_and_state(Contenders& contenders, int rounds,
                                                       std::vector<InheritedFds>& inherited);
Result<std::vector<CaseResult>> measure_list(Contenders& contenders, int rounds);
Result<std::vector<MemoryFloor>> measure_memory_floor(Contenders& contenders);
Result<std::vector<ParallelResult>> measure_parallel(Contenders& contenders,
                                                     const Interrupt& interrupt);

}  // namespace dhow::bench
