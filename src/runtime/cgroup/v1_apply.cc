// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <limits>

#include "base/strings.h"
#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/v1.h"

namespace dhow::cgroup {
namespace {

Status write_if_set(const Folder& folder, std::string_view file,
                    std::optional<std::int64_t> value) {
  if (value.value_or(0) == 0) return {};
  return folder.write(file, cat(*value));
}

Status set_memory_limit(const Folder& folder, std::int64_t limit) {
  auto written = folder.write("memory.limit_in_bytes", cat(limit));
  if (written || written.error().sys_errno() != EBUSY) return written;
  auto usage = folder.read_number("memory.usage_in_bytes");
  auto peak = folder.read_number("memory.max_usage_in_bytes");
  if (!usage || !peak) return written;
  return fail(Error(Code::kFailedPrecondition, EBUSY,
                    cat("unable to set memory limit to ", limit, " (current usage: ", *usage,
                        ", peak usage: ", *peak, ")")));
}

// The kernel keeps limit <= limit of memory+swap at every moment: a growing pair is written from
// the larger one down, a shrinking pair from the smaller one up.
Status set_memory_and_swap(const Folder& folder, const oci::MemoryLimits& memory) {
  std::int64_t limit = memory.limit.value_or(0);
  std::int64_t swap = memory.swap.value_or(0);
  if (limit == -1 && swap == 0 && folder.has("memory.memsw.limit_in_bytes")) swap = -1;
  bool swap_first = false;
  if (limit != 0 && swap != 0) {
    TRY_ASSIGN(std::uint64_t current, folder.read_number("memory.limit_in_bytes"));
    swap_first = swap == -1 || current < static_cast<std::uint64_t>(swap);
  }
  if (swap_first) TRY(write_if_set(folder, "memory.memsw.limit_in_bytes", swap));
  if (limit != 0) TRY(set_memory_limit(folder, limit));
  if (!swap_first) TRY(write_if_set(folder, "memory.memsw.limit_in_bytes", swap));
  return {};
}

Status check_before_update(const Folder& folder, const oci::MemoryLimits& memory) {
  if (!memory.check_before_update.value_or(false)) return {};
  TRY_ASSIGN(std::uint64_t usage, folder.read_number("memory.usage_in_bytes"));
  std::int64_t limit = memory.limit.value_or(0);
  if (limit <= 0 || static_cast<std::uint64_t>(limit) > usage) return {};
  return fail(Code::kFailedPrecondition,
              cat("rejecting memory limit ", limit, " <= usage ", usage));
}

Status apply_memory(const Folder& folder, const oci::MemoryLimits& memory) {
  TRY(check_before_update(folder, memory));
  TRY(set_memory_and_swap(folder, memory));
  // The limits of kernel memory are deprecated (Linux 5.4) and left alone.
  TRY(write_if_set(folder, "memory.soft_limit_in_bytes", memory.reservation));
  if (memory.disable_oom_killer.value_or(false)) TRY(folder.write("memory.oom_control", "1"));
  if (!memory.swappiness || *memory.swappiness == std::numeric_limits<std::uint64_t>::max()) {
    return {};
  }
  if (*memory.swappiness > 100) {
    return fail(Code::kInvalidArgument, cat("invalid memory swappiness value: ", *memory.swappiness,
                                            " (valid range is 0-100)"));
  }
  return folder.write("memory.swappiness", cat(*memory.swappiness));
}

// The kernel clamps shares without a word.
Status set_shares(const Folder& folder, std::uint64_t shares) {
  TRY(folder.write("cpu.shares", cat(shares)));
  TRY_ASSIGN(std::uint64_t now, folder.read_number("cpu.shares"));
  if (shares > now) {
    return fail(Code::kInvalidArgument, cat("the maximum allowed cpu-shares is ", now));
  }
  if (shares < now) {
    return fail(Code::kInvalidArgument, cat("the minimum allowed cpu-shares is ", now));
  }
  return {};
}

// Period, quota and burst bound each other (quota/period against the parent, burst <= quota), so
// what the kernel refuses with the old quota is tried again with the new one.
Status set_bandwidth(const Folder& folder, const oci::CpuLimits& cpu) {
  bool quota = cpu.quota.value_or(0) != 0;
  bool again_period = false;
  bool again_burst = false;
  auto period_text = cat(cpu.period.value_or(0));
  if (cpu.period.value_or(0) != 0) {
    auto written = folder.write("cpu.cfs_period_us", period_text);
    if (!written && !(quota && written.error().sys_errno() == EINVAL)) return written;
    again_period = !written;
  }
  if (cpu.burst) {
    auto written = folder.write("cpu.cfs_burst_us", cat(*cpu.burst));
    if (!written && !(quota && written.error().sys_errno() == EINVAL)) return written;
    again_burst = !written;
  }
  if (quota) TRY(folder.write("cpu.cfs_quota_us", cat(*cpu.quota)));
  if (again_period) TRY(folder.write("cpu.cfs_period_us", period_text));
  if (again_burst) TRY(folder.write("cpu.cfs_burst_us", cat(*cpu.burst)));
  return {};
}

Status apply_cpu(const Folder& folder, const oci::CpuLimits& cpu) {
  // An idle cgroup has no shares to set (Linux 5.15).
  bool leaves_idle = cpu.idle && *cpu.idle == 0;
  if (leaves_idle) TRY(folder.write("cpu.idle", "0"));
  if (cpu.shares.value_or(0) != 0 && cpu.idle.value_or(0) == 0) {
    TRY(set_shares(folder, *cpu.shares));
  }
  TRY(set_bandwidth(folder, cpu));
  if (cpu.idle && !leaves_idle) {
    folder.keep_old_value("cpu.shares");  // not known any more when it is idle
    TRY(folder.write("cpu.idle", cat(*cpu.idle)));
  }
  if (cpu.realtime_period.value_or(0) != 0) {
    TRY(folder.write("cpu.rt_period_us", cat(*cpu.realtime_period)));
  }
  return write_if_set(folder, "cpu.rt_runtime_us", cpu.realtime_runtime);
}

Status apply_cpuset(const Folder& folder, const oci::CpuLimits& cpu) {
  if (!cpu.cpus.empty()) TRY(folder.write("cpuset.cpus", cpu.cpus));
  if (!cpu.mems.empty()) TRY(folder.write("cpuset.mems", cpu.mems));
  return {};
}

Status write_throttles(const Folder& folder, std::string_view file,
                       const std::vector<oci::ThrottleDevice>& devices) {
  for (const oci::ThrottleDevice& device : devices) {
    TRY(folder.write(file, cat(device.major, ":", device.minor, " ", device.rate)));
  }
  return {};
}

Status apply_blkio(const Folder& folder, const oci::BlockIoLimits& io) {
  // CFQ had the plain names until Linux 5.0; BFQ has its own.
  bool weights = io.weight.value_or(0) != 0 || !io.weight_device.empty();
  std::string_view prefix = "blkio.";
  if (weights && !folder.has("blkio.weight") && folder.has("blkio.bfq.weight")) {
    prefix = "blkio.bfq.";
  }
  if (io.weight.value_or(0) != 0) TRY(folder.write(cat(prefix, "weight"), cat(*io.weight)));
  if (io.leaf_weight.value_or(0) != 0) {
    TRY(folder.write("blkio.leaf_weight", cat(*io.leaf_weight)));
  }
  for (const oci::WeightDevice& device : io.weight_device) {
    std::string number = cat(device.major, ":", device.minor, " ");
    if (device.weight.value_or(0) != 0) {
      TRY(folder.write(cat(prefix, "weight_device"), cat(number, *device.weight)));
    }
    if (device.leaf_weight.value_or(0) != 0) {
      TRY(folder.write("blkio.leaf_weight_device", cat(number, *device.leaf_weight)));
    }
  }
  TRY(write_throttles(folder, "blkio.throttle.read_bps_device", io.throttle_read_bps_device));
  TRY(write_throttles(folder, "blkio.throttle.write_bps_device", io.throttle_write_bps_device));
  TRY(write_throttles(folder, "blkio.throttle.read_iops_device", io.throttle_read_iops_device));
  return write_throttles(folder, "blkio.throttle.write_iops_device", io.throttle_write_iops_device);
}

Status apply_hugetlb(const Folder& folder, const std::vector<oci::HugepageLimit>& limits) {
  for (const oci::HugepageLimit& limit : limits) {
    TRY(folder.write(cat("hugetlb.", limit.page_size, ".limit_in_bytes"), cat(limit.limit)));
    // Reservations are counted apart since Linux 5.7.
    auto reserved =
        folder.write(cat("hugetlb.", limit.page_size, ".rsvd.limit_in_bytes"), cat(limit.limit));
    if (!reserved && reserved.error().sys_errno() != ENOENT) return reserved;
  }
  return {};
}

Status apply_net_prio(const Folder& folder, const oci::NetworkLimits& network) {
  for (const oci::InterfacePriority& entry : network.priorities) {
    TRY(folder.write("net_prio.ifpriomap", cat(entry.name, " ", entry.priority)));
  }
  return {};
}

}  // namespace

Status apply_rdma(const Folder& folder, const std::map<std::string, oci::RdmaLimit>& limits) {
  for (const auto& [device, limit] : limits) {
    std::string line = device;
    if (limit.hca_handles) line += cat(" hca_handle=", *limit.hca_handles);
    if (limit.hca_objects) line += cat(" hca_object=", *limit.hca_objects);
    TRY(folder.write("rdma.max", line));
  }
  return {};
}

bool wants_v1(std::string_view controller, const oci::Resources& resources) {
  if (controller == "memory") return wants_memory(resources);
  if (controller == "cpu") return wants_cpu(resources);
  if (controller == "cpuset") return wants_cpuset(resources);
  if (controller == "pids") return resources.pids_limit.has_value();
  if (controller == "blkio") return wants_block_io(resources);
  if (controller == "hugetlb") return !resources.hugepage_limits.empty();
  if (controller == "net_cls") {
    return resources.network && resources.network->class_id.value_or(0) != 0;
  }
  if (controller == "net_prio") {
    return resources.network && !resources.network->priorities.empty();
  }
  return controller == "rdma" && !resources.rdma.empty();
}

Status apply_v1(std::string_view controller, const Folder& folder,
                const oci::Resources& resources) {
  if (controller == "memory") return apply_memory(folder, *resources.memory);
  if (controller == "cpu") return apply_cpu(folder, *resources.cpu);
  if (controller == "cpuset") return apply_cpuset(folder, *resources.cpu);
  if (controller == "pids") return folder.write("pids.max", pids_max_text(*resources.pids_limit));
  if (controller == "blkio") return apply_blkio(folder, *resources.block_io);
  if (controller == "hugetlb") return apply_hugetlb(folder, resources.hugepage_limits);
  if (controller == "net_cls") {
    return folder.write("net_cls.classid", cat(*resources.network->class_id));
  }
  if (controller == "net_prio") return apply_net_prio(folder, *resources.network);
  if (controller == "rdma") return apply_rdma(folder, resources.rdma);
  return {};
}

Status fill_cpuset(const Folder& parent, const Folder& child) {
  for (std::string_view file : {"cpuset.cpus", "cpuset.mems"}) {
    TRY_ASSIGN(std::string own, child.read(file));
    if (!own.empty()) continue;
    TRY_ASSIGN(std::string inherited, parent.read(file));
    if (inherited.empty()) {
      // Someone made the parent and left it empty: it takes what the one above has.
      std::string path = parent.path();
      auto above = Folder::open(path.substr(0, path.rfind('/')), parent.kind());
      if (!above) {
        return fail(Code::kFailedPrecondition,
                    cat("fill ", quoted(cat(child.path(), "/", file)), ": the root has none"));
      }
      TRY(fill_cpuset(*above, parent));
      TRY_ASSIGN(inherited, parent.read(file));
    }
    TRY(child.write(file, inherited));
  }
  return {};
}

}  // namespace dhow::cgroup
