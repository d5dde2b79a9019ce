// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/systemd_properties.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/gvariant.h"
#include "runtime/cgroup/stats.h"

namespace dhow::cgroup {
namespace {

constexpr std::uint64_t kInfinity = std::numeric_limits<std::uint64_t>::max();

using Properties = std::vector<UnitProperty>;

std::uint64_t limit_number(std::int64_t value) {
  return value < 0 ? kInfinity : static_cast<std::uint64_t>(value);
}

void add_number(Properties& properties, std::string_view name, std::uint64_t value) {
  properties.emplace_back(name, DbusValue::uint64(value));
}

Status add_memory(Properties& properties, const oci::MemoryLimits& memory, bool unified) {
  if (memory.limit.value_or(0) != 0) {
    add_number(properties, unified ? "MemoryMax" : "MemoryLimit", limit_number(*memory.limit));
  }
  if (!unified) return {};
  if (memory.reservation.value_or(0) != 0) {
    add_number(properties, "MemoryLow", limit_number(*memory.reservation));
  }
  TRY_ASSIGN(auto swap, swap_max_text(memory));
  if (swap) {
    add_number(properties, "MemorySwapMax",
               *swap == "max" ? kInfinity : parse_number<std::uint64_t>(*swap).value_or(0));
  }
  return {};
}

using Version = std::function<Result<int>()>;

Status add_cpu(Properties& properties, const oci::CpuLimits& cpu, bool unified,
               const Version& version) {
  bool idle = unified && cpu.idle.value_or(0) == 1;
  if (idle) {
    TRY_ASSIGN(int number, version());
    // From 252 on a weight of 0 means idle.
    if (number >= 252) add_number(properties, "CPUWeight", 0);
  } else if (cpu.shares.value_or(0) != 0) {
    add_number(properties, unified ? "CPUWeight" : "CPUShares",
               unified ? cpu_weight_from_shares(*cpu.shares) : *cpu.shares);
  }
  std::uint64_t period = cpu.period.value_or(0);
  std::int64_t quota = cpu.quota.value_or(0);
  if (period != 0) {
    TRY_ASSIGN(int number, version());
    if (number >= 242) add_number(properties, "CPUQuotaPeriodUSec", period);
  }
  if (quota != 0 || period != 0) {
    add_number(properties, "CPUQuotaPerSecUSec", quota_per_second(quota, period));
  }
  return {};
}

Status add_cpuset(Properties& properties, const oci::CpuLimits& cpu, const Version& version) {
  if (cpu.cpus.empty() && cpu.mems.empty()) return {};
  TRY_ASSIGN(int number, version());
  if (number < 244) return {};
  if (!cpu.cpus.empty()) {
    TRY_ASSIGN(auto bits, list_bits(cpu.cpus));
    properties.emplace_back("AllowedCPUs", DbusValue::bytes(bits));
  }
  if (!cpu.mems.empty()) {
    TRY_ASSIGN(auto bits, list_bits(cpu.mems));
    properties.emplace_back("AllowedMemoryNodes", DbusValue::bytes(bits));
  }
  return {};
}

std::optional<std::uint64_t> number_or_max(std::string_view text) {
  if (trim(text) == "max") return kInfinity;
  return parse_number<std::uint64_t>(trim(text));
}

// "max 100000" or "50000 100000" or "50000".
Status add_unified_bandwidth(Properties& properties, std::string_view text,
                             const Version& version) {
  auto fields = split(trim(text), ' ');
  std::int64_t quota = fields[0] == "max" ? -1 : parse_number<std::int64_t>(fields[0]).value_or(0);
  oci::CpuLimits cpu;
  cpu.quota = quota;
  cpu.period = fields.size() > 1 ? parse_number<std::uint64_t>(fields[1]).value_or(0) : 100'000;
  if (quota == 0 || *cpu.period == 0) {
    return fail(Code::kInvalidArgument,
                cat("unified resource \"cpu.max\": bad value ", quoted(text)));
  }
  return add_cpu(properties, cpu, true, version);
}

Status add_unified(Properties& properties, const oci::StringMap& unified, const Version& version) {
  struct Known {
    std::string_view file;
    std::string_view property;
  };
  constexpr Known kKnown[] = {{"cpu.weight", "CPUWeight"},         {"memory.high", "MemoryHigh"},
                              {"memory.low", "MemoryLow"},         {"memory.min", "MemoryMin"},
                              {"memory.max", "MemoryMax"},         {"pids.max", "TasksMax"},
                              {"memory.swap.max", "MemorySwapMax"}};
  for (const auto& [file, value] : unified) {
    if (file == "cpu.max") TRY(add_unified_bandwidth(properties, value, version));
    if (file == "cpuset.cpus" || file == "cpuset.mems") {
      oci::CpuLimits cpu;
      (file == "cpuset.cpus" ? cpu.cpus : cpu.mems) = value;
      TRY(add_cpuset(properties, cpu, version));
    }
    for (const Known& known : kKnown) {
      if (known.file != file) continue;
      auto number = number_or_max(value);
      if (!number) {
        return fail(Code::kInvalidArgument,
                    cat("unified resource ", quoted(file), ": bad value ", quoted(value)));
      }
      add_number(properties, known.property, *number);
    }
  }
  return {};
}

// The name of a major in /proc/devices: "pts" for character devices 136.
std::string major_name(std::string_view proc_devices, char type, std::uint32_t major) {
  bool right_part = false;
  for (std::string_view line : split(proc_devices, '\n')) {
    if (line.ends_with("devices:")) {
      right_part = line.starts_with(type == 'c' ? "Character" : "Block");
      continue;
    }
    std::string_view text = trim(line);
    std::size_t space = text.find(' ');
    if (!right_part || space == std::string_view::npos) continue;
    if (parse_number<std::uint32_t>(text.substr(0, space)) == major) {
      return std::string(trim(text.substr(space + 1)));
    }
  }
  return {};
}

std::string device_name(const DevicePolicyRule& rule, char type, std::string_view proc_devices) {
  std::string_view kind = type == 'c' ? "char" : "block";
  if (!rule.major) return rule.minor ? std::string() : cat(kind, "-*");
  if (rule.minor) return cat("/dev/", kind, "/", *rule.major, ":", *rule.minor);
  std::string name = major_name(proc_devices, type, *rule.major);
  return name.empty() ? name : cat(kind, "-", name);
}

}  // namespace

std::uint64_t quota_per_second(std::int64_t quota, std::uint64_t period) {
  constexpr std::uint64_t kSecond = 1'000'000;
  constexpr std::uint64_t kPercent = 10'000;
  if (quota <= 0) return kInfinity;
  if (period == 0) period = 100'000;
  std::uint64_t exact = static_cast<std::uint64_t>(quota) * kSecond / period;
  return (exact + kPercent - 1) / kPercent * kPercent;
}

Result<std::vector<std::uint8_t>> list_bits(std::string_view list) {
  std::vector<std::uint8_t> bits;
  auto numbers = parse_list(list);
  if (numbers.empty()) {
    return fail(Code::kInvalidArgument, cat("bad list of processors or nodes ", quoted(list)));
  }
  for (std::uint64_t number : numbers) {
    if (number >= 65'536) {
      return fail(Code::kInvalidArgument, cat("bad list of processors or nodes ", quoted(list)));
    }
    if (number / 8 >= bits.size()) bits.resize(number / 8 + 1);
    bits[number / 8] = static_cast<std::uint8_t>(bits[number / 8] | (1U << (number % 8)));
  }
  return bits;
}

Result<Properties> limit_properties(const oci::Resources& resources, bool unified,
                                    const Version& version) {
  Properties properties;
  if (resources.memory) TRY(add_memory(properties, *resources.memory, unified));
  if (resources.cpu) {
    TRY(add_cpu(properties, *resources.cpu, unified, version));
    TRY(add_cpuset(properties, *resources.cpu, version));
  }
  if (resources.pids_limit) {
    std::int64_t limit = *resources.pids_limit;
    add_number(
        properties, "TasksMax",
        limit < 0 ? kInfinity : static_cast<std::uint64_t>(std::max<std::int64_t>(limit, 1)));
  }
  if (resources.block_io && resources.block_io->weight.value_or(0) != 0) {
    std::uint16_t weight = *resources.block_io->weight;
    if (unified) {
      add_number(properties, "IOWeight", io_weight_from_blkio(weight));
    } else {
      add_number(properties, "BlockIOWeight", weight);
    }
  }
  if (unified) TRY(add_unified(properties, resources.unified, version));
  return properties;
}

Properties device_properties(const DevicePolicy& policy, std::string_view proc_devices) {
  Properties properties;
  // systemd has no "everything but": then it is kept out, and the rules are in force by ours alone.
  std::vector<DbusValue> allowed;
  bool expressible = !policy.default_allow;
  for (const DevicePolicyRule& rule : policy.rules) {
    if (!rule.allow) continue;
    for (char type : {'c', 'b'}) {
      if (rule.type != 'a' && rule.type != type) continue;
      std::string name = device_name(rule, type, proc_devices);
      std::string text = device_rule_text(rule, type);
      // A major that no driver has needs no rule.
      if (name.empty() && rule.major) continue;
      if (name.empty()) expressible = false;
      allowed.push_back(DbusValue::structure(
          {DbusValue::string(name), DbusValue::string(text.substr(text.rfind(' ') + 1))}));
    }
  }
  properties.emplace_back("DevicePolicy", DbusValue::string(expressible ? "strict" : "auto"));
  if (!expressible) allowed.clear();
  properties.emplace_back("DeviceAllow", DbusValue::array("(ss)", std::move(allowed)));
  return properties;
}

Result<Properties> annotation_properties(const oci::StringMap& annotations) {
  constexpr std::string_view kPrefix = "org.systemd.property.";
  Properties properties;
  for (const auto& [key, value] : annotations) {
    if (!key.starts_with(kPrefix)) continue;
    TRY_ASSIGN(UnitProperty property,
               parse_unit_property(std::string_view(key).substr(kPrefix.size()), value));
    properties.push_back(std::move(property));
  }
  return properties;
}

}  // namespace dhow::cgroup
