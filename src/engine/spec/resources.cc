// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/resources.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include "base/strings.h"
#include "engine/spec/invalid.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr std::int64_t kMinMemory = 6 << 20;  // of docker: less doesn't start
constexpr std::int64_t kNanoCpu = 1'000'000'000;
constexpr std::uint64_t kCpuPeriod = 100'000;  // microseconds

Status check_memory(ResourceConfig& resources) {
  std::int64_t memory = resources.memory;
  std::int64_t swap = resources.memory_swap;
  if (memory != 0 && memory < kMinMemory) return invalid("Minimum memory limit allowed is 6MB");
  if (memory > 0 && swap > 0 && swap < memory) {
    return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (memory == 0 && swap > 0) {
    return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (memory > 0 && swap == 0) resources.memory_swap = memory * 2;
  if (resources.memory_swappiness == -1) resources.memory_swappiness.reset();
  if (resources.memory_swappiness &&
      (*resources.memory_swappiness < 0 || *resources.memory_swappiness > 100)) {
    return invalid(cat("Invalid value: ", *resources.memory_swappiness,
                       ", valid memory swappiness range is 0-100"));
  }
  if (resources.memory_reservation > 0 && resources.memory_reservation < kMinMemory) {
    return invalid("Minimum memory reservation allowed is 6MB");
  }
  if (memory > 0 && resources.memory_reservation > 0 && memory < resources.memory_reservation) {
    return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  return {};
}

// Whether the text is a list of numbers and ranges ("0-2,5"), as far as `take` agrees with each.
template <typename Take>
bool read_number_list(std::string_view text, Take take) {
  constexpr std::uint32_t kMost = 8192;  // CPUs that a kernel can be built for
  for (std::string_view part : split(trim(text), ',')) {
    std::size_t dash = part.find('-');
    auto first = parse_number<std::uint32_t>(part.substr(0, dash));
    auto last =
        dash == std::string_view::npos ? first : parse_number<std::uint32_t>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kMost) return false;
    for (std::uint32_t number = *first; number <= *last; ++number) take(number);
  }
  return true;
}

// CPUs or memory nodes that somebody asks for, beside those that the machine has.
struct CpusetPart {
  const std::string& wanted;
  std::string_view name;  // "cpus"
  std::string_view what;  // "CPUs"
  const char* online;
};

Status check_cpuset(const CpusetPart& part) {
  if (part.wanted.empty()) return {};
  std::set<std::uint32_t> wanted;
  if (!read_number_list(part.wanted, [&](std::uint32_t one) { wanted.insert(one); })) {
    return invalid(cat("Invalid value ", part.wanted, " for cpuset ", part.name));
  }
  auto text = read_file(part.online);
  if (!text) return {};  // without /sys the cgroup decides
  bool known = read_number_list(*text, [&](std::uint32_t one) { wanted.erase(one); });
  if (!known || wanted.empty()) return {};
  return invalid(cat("Requested ", part.what, " are not available - requested ", part.wanted,
                     ", available: ", trim(*text)));
}

Status check_cpu(const ResourceConfig& resources) {
  if (resources.nano_cpus > 0 && resources.cpu_period > 0) {
    return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set.");
  }
  if (resources.nano_cpus > 0 && resources.cpu_quota > 0) {
    return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set.");
  }
  std::int64_t online = std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L);
  if (resources.nano_cpus < 0 || resources.nano_cpus > online * kNanoCpu) {
    return invalid(cat("range of CPUs is from 0.01 to ", online, ".00, as there are only ", online,
                       " CPUs available"));
  }
  if (resources.cpu_shares < 0) {
    return invalid(
        cat("invalid CPU shares (", resources.cpu_shares, "): value must be a positive integer"));
  }
  if (resources.cpu_period != 0 &&
      (resources.cpu_period < 1000 || resources.cpu_period > 1'000'000)) {
    return invalid(
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (resources.cpu_quota > 0 && resources.cpu_quota < 1000) {
    return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  }
  TRY(check_cpuset({resources.cpuset_cpus, "cpus", "CPUs", "/sys/devices/system/cpu/online"}));
  return check_cpuset(
      {resources.cpuset_mems, "mems", "memory nodes", "/sys/devices/system/node/online"});
}

// The number of the device that the file is.
Result<dev_t> device_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return fail_errno(errno, path);
  if (!S_ISBLK(info.st_mode)) {
    return invalid(cat(path, ": not a block device"));
  }
  return info.st_rdev;
}

Result<std::vector<oci::ThrottleDevice>> throttles(
    const std::vector<ThrottleDeviceConfig>& wanted) {
  std::vector<oci::ThrottleDevice> result;
  for (const ThrottleDeviceConfig& one : wanted) {
    TRY_ASSIGN(dev_t number, device_of(one.path));
    result.push_back({.major = static_cast<std::int64_t>(major(number)),
                      .minor = static_cast<std::int64_t>(minor(number)),
                      .rate = one.rate});
  }
  return result;
}

Status add_block_io(const ResourceConfig& resources, oci::Resources& out) {
  oci::BlockIoLimits limits;
  if (resources.blkio_weight > 0) limits.weight = resources.blkio_weight;
  for (const WeightDeviceConfig& one : resources.blkio_weight_device) {
    TRY_ASSIGN(dev_t number, device_of(one.path));
    oci::WeightDevice device;
    device.major = static_cast<std::int64_t>(major(number));
    device.minor = static_cast<std::int64_t>(minor(number));
    device.weight = one.weight;
    limits.weight_device.push_back(device);
  }
  TRY_ASSIGN(limits.throttle_read_bps_device, throttles(resources.blkio_device_read_bps));
  TRY_ASSIGN(limits.throttle_write_bps_device, throttles(resources.blkio_device_write_bps));
  TRY_ASSIGN(limits.throttle_read_iops_device, throttles(resources.blkio_device_read_iops));
  TRY_ASSIGN(limits.throttle_write_iops_device, throttles(resources.blkio_device_write_iops));
  bool any =
      limits.weight || !limits.weight_device.empty() || !limits.throttle_read_bps_device.empty() ||
      !limits.throttle_write_bps_device.empty() || !limits.throttle_read_iops_device.empty() ||
      !limits.throttle_write_iops_device.empty();
  if (any) out.block_io = std::move(limits);
  return {};
}

void add_memory(const ResourceConfig& resources, oci::Resources& out) {
  oci::MemoryLimits limits;
  if (resources.memory > 0) limits.limit = resources.memory;
  if (resources.memory_reservation > 0) limits.reservation = resources.memory_reservation;
  if (resources.memory_swap != 0 && resources.memory > 0) limits.swap = resources.memory_swap;
  if (resources.kernel_memory > 0) limits.kernel = resources.kernel_memory;
  if (resources.kernel_memory_tcp > 0) limits.kernel_tcp = resources.kernel_memory_tcp;
  if (resources.memory_swappiness) {
    limits.swappiness = static_cast<std::uint64_t>(*resources.memory_swappiness);
  }
  if (resources.oom_kill_disable) limits.disable_oom_killer = resources.oom_kill_disable;
  bool any = limits.limit || limits.reservation || limits.swap || limits.kernel ||
             limits.kernel_tcp || limits.swappiness || limits.disable_oom_killer;
  if (any) out.memory = limits;
}

void add_cpu(const ResourceConfig& resources, oci::Resources& out) {
  oci::CpuLimits limits;
  if (resources.cpu_shares != 0) limits.shares = static_cast<std::uint64_t>(resources.cpu_shares);
  if (resources.nano_cpus > 0) {
    limits.period = kCpuPeriod;
    limits.quota = resources.nano_cpus * static_cast<std::int64_t>(kCpuPeriod) / kNanoCpu;
  }
  if (resources.cpu_period != 0) limits.period = static_cast<std::uint64_t>(resources.cpu_period);
  if (resources.cpu_quota != 0) limits.quota = resources.cpu_quota;
  if (resources.cpu_realtime_period != 0) {
    limits.realtime_period = static_cast<std::uint64_t>(resources.cpu_realtime_period);
  }
  if (resources.cpu_realtime_runtime != 0) limits.realtime_runtime = resources.cpu_realtime_runtime;
  limits.cpus = resources.cpuset_cpus;
  limits.mems = resources.cpuset_mems;
  bool any = limits.shares || limits.quota || limits.period || limits.realtime_period ||
             limits.realtime_runtime || !limits.cpus.empty() || !limits.mems.empty();
  if (any) out.cpu = std::move(limits);
}

constexpr std::string_view kRlimits[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                         "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                         "rss",     "rtprio",   "rttime", "sigpending", "stack"};

template <typename Value>
void replace_if_set(Value& value, const Value& change) {
  if (change != Value()) value = change;
}

}  // namespace

Status check_resources(ResourceConfig& resources, std::vector<std::string>& warnings) {
  TRY(check_memory(resources));
  TRY(check_cpu(resources));
  if (resources.blkio_weight > 0 &&
      (resources.blkio_weight < 10 || resources.blkio_weight > 1000)) {
    return invalid("Range of blkio weight is from 10 to 1000");
  }
  if (resources.oom_kill_disable.value_or(false) && resources.memory == 0) {
    warnings.emplace_back(
        "OOM killer is disabled for the container, but no memory limit is set, this can result in "
        "the system running out of resources.");
  }
  if (resources.kernel_memory > 0) {
    warnings.emplace_back("Specifying a kernel memory limit is deprecated and has no effect.");
    resources.kernel_memory = 0;
  }
  return {};
}

Result<oci::Resources> spec_resources(const ResourceConfig& resources) {
  oci::Resources out;
  add_memory(resources, out);
  add_cpu(resources, out);
  TRY(add_block_io(resources, out));
  if (resources.pids_limit) out.pids_limit = *resources.pids_limit > 0 ? *resources.pids_limit : -1;
  return out;
}

Result<std::vector<oci::Rlimit>> spec_rlimits(const std::vector<Ulimit>& own,
                                              const std::vector<Ulimit>& defaults) {
  std::vector<oci::Rlimit> result;
  auto has = [&](const std::string& type) {
    return std::ranges::any_of(result, [&](const oci::Rlimit& one) { return one.type == type; });
  };
  for (const std::vector<Ulimit>* list : {&own, &defaults}) {
    for (const Ulimit& one : *list) {
      if (std::ranges::find(kRlimits, one.name) == std::end(kRlimits)) {
        return invalid(cat("invalid ulimit type: ", one.name));
      }
      if (one.soft > one.hard && one.hard != -1) {
        return invalid(cat("ulimit soft limit must be less than or equal to hard limit: ", one.soft,
                           " > ", one.hard));
      }
      std::string type = cat("RLIMIT_", upper_text(one.name));
      if (has(type)) continue;
      // -1 is RLIM_INFINITY, which has all bits set.
      result.push_back({.type = type,
                        .hard = static_cast<std::uint64_t>(one.hard),
                        .soft = static_cast<std::uint64_t>(one.soft)});
    }
  }
  return result;
}

Status merge_resources(ResourceConfig& resources, const ResourceConfig& changes) {
  ResourceConfig merged = resources;
  if (changes.nano_cpus > 0) merged.cpu_period = merged.cpu_quota = 0;
  if (changes.cpu_period > 0 || changes.cpu_quota > 0) merged.nano_cpus = 0;
  // A larger memory limit alone would be over the swap limit.
  if (changes.memory > 0 && changes.memory_swap == 0 && merged.memory_swap > 0 &&
      changes.memory > merged.memory_swap) {
    return invalid(
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap "
        "at the same time");
  }
  replace_if_set(merged.blkio_weight, changes.blkio_weight);
  replace_if_set(merged.cpu_shares, changes.cpu_shares);
  replace_if_set(merged.nano_cpus, changes.nano_cpus);
  replace_if_set(merged.cpu_period, changes.cpu_period);
  replace_if_set(merged.cpu_quota, changes.cpu_quota);
  replace_if_set(merged.cpu_realtime_period, changes.cpu_realtime_period);
  replace_if_set(merged.cpu_realtime_runtime, changes.cpu_realtime_runtime);
  replace_if_set(merged.cpuset_cpus, changes.cpuset_cpus);
  replace_if_set(merged.cpuset_mems, changes.cpuset_mems);
  replace_if_set(merged.memory, changes.memory);
  replace_if_set(merged.memory_swap, changes.memory_swap);
  replace_if_set(merged.memory_reservation, changes.memory_reservation);
  replace_if_set(merged.pids_limit, changes.pids_limit);
  replace_if_set(merged.blkio_weight_device, changes.blkio_weight_device);
  replace_if_set(merged.blkio_device_read_bps, changes.blkio_device_read_bps);
  replace_if_set(merged.blkio_device_write_bps, changes.blkio_device_write_bps);
  replace_if_set(merged.blkio_device_read_iops, changes.blkio_device_read_iops);
  replace_if_set(merged.blkio_device_write_iops, changes.blkio_device_write_iops);
  std::vector<std::string> warnings;
  TRY(check_resources(merged, warnings));
  resources = std::move(merged);
  return {};
}

}  // namespace dhow::engine
