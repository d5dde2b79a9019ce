// SPDX-License-Identifier: Apache-2.0
#include "oci/validate.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

Status check_device_rules(const std::vector<DeviceRule>& rules, std::string_view path) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const DeviceRule& rule = rules[i];
    if (rule.access.find_first_not_of("rwm") != std::string::npos) {
      return invalid(cat(path, ".devices[", i, "].access"),
                     cat(quoted(rule.access), " is not of r, w and m"));
    }
    if (rule.major.value_or(0) < -1) {
      return invalid(cat(path, ".devices[", i, "].major"), "must be at least -1");
    }
    if (rule.minor.value_or(0) < -1) {
      return invalid(cat(path, ".devices[", i, "].minor"), "must be at least -1");
    }
  }
  return {};
}

Status check_memory(const MemoryLimits& memory, std::string_view path) {
  const std::pair<std::string_view, std::int64_t> amounts[] = {
      {".limit", memory.limit.value_or(0)},
      {".reservation", memory.reservation.value_or(0)},
      {".swap", memory.swap.value_or(0)},
  };
  for (const auto& [name, amount] : amounts) {
    if (amount < -1) return invalid(cat(path, name), cat(amount, " is less than -1"));
  }
  std::int64_t limit = memory.limit.value_or(0);
  std::int64_t swap = memory.swap.value_or(0);
  if (limit > 0 && swap > 0 && swap < limit) {
    return invalid(cat(path, ".swap"), cat("memory and swap together, ", swap,
                                           ", are less than the memory limit ", limit));
  }
  if (std::uint64_t swappiness = memory.swappiness.value_or(0); swappiness > 100) {
    return invalid(cat(path, ".swappiness"), cat(swappiness, " is not from 0 to 100"));
  }
  return {};
}

// The bounds of the kernel's bandwidth control: 1 ms and up, a period of at most 1 s. 0 is what
// engines send for unset, and every negative quota lifts the limit.
Status check_cpu(const CpuLimits& cpu, std::string_view path) {
  if (std::int64_t quota = cpu.quota.value_or(0); quota > 0 && quota < 1000) {
    return invalid(cat(path, ".quota"), cat(quota, " is less than 1000 microseconds"));
  }
  std::uint64_t period = cpu.period.value_or(0);
  if (period != 0 && (period < 1000 || period > 1'000'000)) {
    return invalid(cat(path, ".period"), cat(period, " is not from 1000 to 1000000 microseconds"));
  }
  if (std::int64_t idle = cpu.idle.value_or(0); idle != 0 && idle != 1) {
    return invalid(cat(path, ".idle"), cat(idle, " is not 0 or 1"));
  }
  if (!is_list(cpu.cpus)) {
    return invalid(cat(path, ".cpus"), cat(quoted(cpu.cpus), " is no list of CPUs"));
  }
  if (!is_list(cpu.mems)) {
    return invalid(cat(path, ".mems"), cat(quoted(cpu.mems), " is no list of memory nodes"));
  }
  return {};
}

// 0 is what engines send for unset.
bool is_weight(std::optional<std::uint16_t> weight) {
  return !weight || *weight == 0 || (*weight >= 10 && *weight <= 1000);
}

Status check_throttles(const std::vector<ThrottleDevice>& devices, std::string_view path,
                       std::string_view name) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].major < 0 || devices[i].minor < 0) {
      return invalid(cat(path, name, "[", i, "]"), "a device number is negative");
    }
  }
  return {};
}

Status check_block_io(const BlockIoLimits& io, std::string_view path) {
  if (!is_weight(io.weight)) {
    return invalid(cat(path, ".weight"), cat(*io.weight, " is not from 10 to 1000"));
  }
  if (!is_weight(io.leaf_weight)) {
    return invalid(cat(path, ".leafWeight"), cat(*io.leaf_weight, " is not from 10 to 1000"));
  }
  for (std::size_t i = 0; i < io.weight_device.size(); ++i) {
    const WeightDevice& device = io.weight_device[i];
    if (device.major < 0 || device.minor < 0) {
      return invalid(cat(path, ".weightDevice[", i, "]"), "a device number is negative");
    }
    if (!is_weight(device.weight) || !is_weight(device.leaf_weight)) {
      return invalid(cat(path, ".weightDevice[", i, "]"), "a weight is not from 10 to 1000");
    }
  }
  TRY(check_throttles(io.throttle_read_bps_device, path, ".throttleReadBpsDevice"));
  TRY(check_throttles(io.throttle_write_bps_device, path, ".throttleWriteBpsDevice"));
  TRY(check_throttles(io.throttle_read_iops_device, path, ".throttleReadIOPSDevice"));
  return check_throttles(io.throttle_write_iops_device, path, ".throttleWriteIOPSDevice");
}

// As the kernel names hugetlb files: [1-9][0-9]*[KMG]B.
bool is_page_size(std::string_view text) {
  std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view unit = text.substr(digits);
  return digits != 0 && text[0] != '0' && (unit == "KB" || unit == "MB" || unit == "GB");
}

Status check_hugepages(const std::vector<HugepageLimit>& limits, std::string_view path) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (!is_page_size(limits[i].page_size)) {
      return invalid(cat(path, ".hugepageLimits[", i, "].pageSize"),
                     cat(quoted(limits[i].page_size), " is no page size such as \"2MB\""));
    }
  }
  return {};
}

// A name that goes into a line of a cgroup file.
bool is_word(std::string_view name) {
  return !name.empty() && name.find_first_of(" \t\r\n\v\f") == std::string_view::npos;
}

Status check_named_devices(const Resources& resources, std::string_view path) {
  if (resources.network) {
    const auto& priorities = resources.network->priorities;
    for (std::size_t i = 0; i < priorities.size(); ++i) {
      if (!is_word(priorities[i].name)) {
        return invalid(cat(path, ".network.priorities[", i, "].name"),
                       cat(quoted(priorities[i].name), " is no name of a network device"));
      }
    }
  }
  for (const auto& [name, limit] : resources.rdma) {
    if (!is_word(name)) {
      return invalid(cat(path, ".rdma"), cat(quoted(name), " is no name of an RDMA device"));
    }
  }
  return {};
}

// CONTROLLER.PARAMETER, and nothing that leads out of the cgroup.
Status check_unified(const StringMap& unified, std::string_view path) {
  for (const auto& [name, value] : unified) {
    if (name.find('/') != std::string::npos) {
      return invalid(cat(path, ".unified"), cat(quoted(name), " must be a file name (no slashes)"));
    }
    std::size_t dot = name.find('.');
    if (dot == 0 || dot == std::string::npos) {
      return invalid(cat(path, ".unified"),
                     cat(quoted(name), " must be in the form CONTROLLER.PARAMETER"));
    }
  }
  return {};
}

}  // namespace

Status validate_resources(const Resources& resources, std::string_view path) {
  TRY(check_device_rules(resources.devices, path));
  if (resources.memory) TRY(check_memory(*resources.memory, cat(path, ".memory")));
  if (resources.cpu) TRY(check_cpu(*resources.cpu, cat(path, ".cpu")));
  if (resources.block_io) TRY(check_block_io(*resources.block_io, cat(path, ".blockIO")));
  TRY(check_hugepages(resources.hugepage_limits, path));
  TRY(check_named_devices(resources, path));
  return check_unified(resources.unified, path);
}

}  // namespace dhow::oci
