// SPDX-License-Identifier: Apache-2.0
// How little memory a container may have: the runtime's own set-up runs within the limit.

#include "base/log.h"
#include "base/strings.h"
#include "bench/cases.h"

namespace dhow::bench {
namespace {

constexpr long kLargestKib = 16 << 10;
constexpr long kPrecisionKib = 32;
// A limit counts as enough when this many runs in a row succeed.
constexpr int kTries = 3;

struct Payload {
  const char* name;
  std::vector<std::string> args;
};

Result<bool> starts_with_limit(Contender& contender, const Payload& payload, long limit_kib) {
  TRY_ASSIGN(const std::string bundle,
             contender.write_bundle(
                 "floor", {.args = payload.args, .memory_limit = std::int64_t{limit_kib} << 10}));
  for (int i = 0; i < kTries; ++i) {
    const auto reply = contender.invoke({"run", "--bundle", bundle, cat("floor-", i)});
    if (reply) continue;
    if (reply.error().code() == Code::kCancelled) return fail(reply.error());
    contender.wipe();
    return false;
  }
  return true;
}

Result<MemoryFloor> find_floor(Contender& contender, const Payload& payload) {
  MemoryFloor floor{.contender = contender.name(), .payload = payload.name, .error = {}};
  TRY_ASSIGN(const bool enough, starts_with_limit(contender, payload, kLargestKib));
  if (!enough) {
    floor.error = contender.last_output();
    return floor;
  }
  // Invariant: `high` is enough; nothing below `low` is known to be.
  long low = kSmallestLimitKib;
  long high = kLargestKib;
  TRY_ASSIGN(const bool smallest, starts_with_limit(contender, payload, kSmallestLimitKib));
  if (smallest) high = kSmallestLimitKib;
  while (high - low > kPrecisionKib) {
    const long middle = (low + high) / 2;
    TRY_ASSIGN(const bool works, starts_with_limit(contender, payload, middle));
    (works ? high : low) = middle;
  }
  floor.limit_kib = high;
  return floor;
}

}  // namespace

Result<std::vector<MemoryFloor>> measure_memory_floor(Contenders& contenders) {
  const Payload payloads[] = {{"static true", {"/bin/true"}},
                              {"busybox true", {"/bin/busybox", "true"}}};
  std::vector<MemoryFloor> floors;
  for (const Payload& payload : payloads) {
    for (Contender& contender : contenders) {
      auto floor = find_floor(contender, payload);
      if (floor) {
        floors.push_back(std::move(*floor));
      } else if (floor.error().code() == Code::kCancelled) {
        return fail(floor.error());
      } else {
        floors.push_back({.contender = contender.name(),
                          .payload = payload.name,
                          .error = floor.error().message()});
      }
    }
  }
  return floors;
}

}  // namespace dhow::bench
