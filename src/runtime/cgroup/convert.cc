// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/convert.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace dhow::cgroup {

std::uint64_t cpu_weight_from_shares(std::uint64_t shares) {
  if (shares == 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262'144) return 10'000;
  double l = std::log2(static_cast<double>(shares));
  double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
  // Without the rounding, 10^2 computed as 100.00000000000001 would become 101.
  double weight = std::pow(10.0, exponent);
  return static_cast<std::uint64_t>(std::ceil(weight - 1e-9));
}

std::uint64_t io_weight_from_blkio(std::uint16_t weight) {
  if (weight == 0) return 0;
  std::uint64_t clamped = std::clamp<std::uint64_t>(weight, 10, 1000);
  return 1 + (clamped - 10) * 9999 / 990;
}

std::optional<std::string> limit_text(std::optional<std::int64_t> value) {
  if (value.value_or(0) == 0) return std::nullopt;
  return *value == -1 ? std::string("max") : cat(*value);
}

Result<std::optional<std::string>> swap_max_text(const oci::MemoryLimits& memory) {
  std::int64_t limit = memory.limit.value_or(0);
  std::int64_t both = memory.swap.value_or(0);
  // As on v1, where no limit on memory takes that of memory+swap away too.
  if (limit == -1 && both == 0) return std::optional<std::string>("max");
  if (both == 0) return std::optional<std::string>();
  if (both == -1) return std::optional<std::string>("max");
  if (limit == 0 || limit == -1) {
    return fail(Code::kInvalidArgument, "unable to set swap limit without memory limit");
  }
  if (limit < 0) return fail(Code::kInvalidArgument, cat("invalid memory value: ", limit));
  if (both < limit) {
    return fail(Code::kInvalidArgument, "memory+swap limit should be >= memory limit");
  }
  return std::optional<std::string>(cat(both - limit));
}

std::string pids_max_text(std::int64_t limit) {
  if (limit < 0) return "max";
  return cat(std::max<std::int64_t>(limit, 1));
}

bool wants_memory(const oci::Resources& resources) {
  if (!resources.memory) return false;
  const oci::MemoryLimits& memory = *resources.memory;
  return memory.limit.value_or(0) != 0 || memory.reservation.value_or(0) != 0 ||
         memory.swap.value_or(0) != 0 || memory.swappiness.has_value() ||
         memory.disable_oom_killer.value_or(false);
}

bool wants_cpu(const oci::Resources& resources) {
  if (!resources.cpu) return false;
  const oci::CpuLimits& cpu = *resources.cpu;
  return cpu.shares.value_or(0) != 0 || cpu.quota.value_or(0) != 0 || cpu.period.value_or(0) != 0 ||
         cpu.burst.has_value() || cpu.idle.has_value() || cpu.realtime_period.value_or(0) != 0 ||
         cpu.realtime_runtime.value_or(0) != 0;
}

bool wants_cpuset(const oci::Resources& resources) {
  return resources.cpu && (!resources.cpu->cpus.empty() || !resources.cpu->mems.empty());
}

bool wants_block_io(const oci::Resources& resources) {
  if (!resources.block_io) return false;
  const oci::BlockIoLimits& io = *resources.block_io;
  return io.weight.value_or(0) != 0 || io.leaf_weight.value_or(0) != 0 ||
         !io.weight_device.empty() || !io.throttle_read_bps_device.empty() ||
         !io.throttle_write_bps_device.empty() || !io.throttle_read_iops_device.empty() ||
         !io.throttle_write_iops_device.empty();
}

bool wants_network(const oci::Resources& resources) {
  return resources.network &&
         (resources.network->class_id.value_or(0) != 0 || !resources.network->priorities.empty());
}

bool wants_any_limit(const oci::Resources& resources) {
  return wants_memory(resources) || wants_cpu(resources) || wants_cpuset(resources) ||
         wants_block_io(resources) || wants_network(resources) ||
         resources.pids_limit.has_value() || !resources.hugepage_limits.empty() ||
         !resources.rdma.empty() || !resources.unified.empty();
}

}  // namespace dhow::cgroup
