// SPDX-License-Identifier: Apache-2.0
#include "oci/json.h"
#include "runtime/cgroup/stats.h"

namespace dhow::cgroup {
namespace {

using oci::JsonWriter;

void number(JsonWriter& json, std::string_view name, std::uint64_t value) {
  json.key(name).number_unsigned(value);
}

void number_if_any(JsonWriter& json, std::string_view name, std::uint64_t value) {
  if (value != 0) number(json, name, value);
}

void list_if_any(JsonWriter& json, std::string_view name,
                 const std::vector<std::uint64_t>& values) {
  if (values.empty()) return;
  json.key(name).begin_array();
  for (std::uint64_t value : values) json.number_unsigned(value);
  json.end_array();
}

void pressure_line(JsonWriter& json, std::string_view name, const Pressure::Line& line) {
  json.key(name).begin_object();
  json.key("avg10").raw(line.avg10).key("avg60").raw(line.avg60).key("avg300").raw(line.avg300);
  number(json, "total", line.total);
  json.end_object();
}

void pressure_if_any(JsonWriter& json, const std::optional<Pressure>& pressure) {
  if (!pressure) return;
  json.key("psi").begin_object();
  pressure_line(json, "some", pressure->some);
  pressure_line(json, "full", pressure->full);
  json.end_object();
}

void write_cpu(JsonWriter& json, const Stats::Cpu& cpu) {
  json.key("cpu").begin_object();
  json.key("usage").begin_object();
  number_if_any(json, "total", cpu.total);
  list_if_any(json, "percpu", cpu.percpu);
  list_if_any(json, "percpu_kernel", cpu.percpu_kernel);
  list_if_any(json, "percpu_user", cpu.percpu_user);
  number(json, "kernel", cpu.kernel);
  number(json, "user", cpu.user);
  json.end_object();
  json.key("throttling").begin_object();
  number_if_any(json, "periods", cpu.periods);
  number_if_any(json, "throttledPeriods", cpu.throttled_periods);
  number_if_any(json, "throttledTime", cpu.throttled_time);
  json.end_object();
  pressure_if_any(json, cpu.pressure);
  json.end_object();
}

void write_cpuset(JsonWriter& json, const Stats::Cpuset& cpuset) {
  json.key("cpuset").begin_object();
  list_if_any(json, "cpus", cpuset.cpus);
  number(json, "cpu_exclusive", cpuset.cpu_exclusive);
  list_if_any(json, "mems", cpuset.mems);
  number(json, "mem_hardwall", cpuset.mem_hardwall);
  number(json, "mem_exclusive", cpuset.mem_exclusive);
  number(json, "memory_migrate", cpuset.memory_migrate);
  number(json, "memory_spread_page", cpuset.memory_spread_page);
  number(json, "memory_spread_slab", cpuset.memory_spread_slab);
  number(json, "memory_pressure", cpuset.memory_pressure);
  number(json, "sched_load_balance", cpuset.sched_load_balance);
  json.key("sched_relax_domain_level").number(cpuset.sched_relax_domain_level);
  json.end_object();
}

void write_memory_entry(JsonWriter& json, std::string_view name, const Stats::MemoryEntry& entry) {
  json.key(name).begin_object();
  number(json, "limit", entry.limit);
  number_if_any(json, "usage", entry.usage);
  number_if_any(json, "max", entry.max);
  number(json, "failcnt", entry.failcnt);
  json.end_object();
}

void write_memory(JsonWriter& json, const Stats::Memory& memory) {
  json.key("memory").begin_object();
  number_if_any(json, "cache", memory.cache);
  write_memory_entry(json, "usage", memory.usage);
  write_memory_entry(json, "swap", memory.swap);
  write_memory_entry(json, "kernel", memory.kernel);
  write_memory_entry(json, "kernelTCP", memory.kernel_tcp);
  if (!memory.raw.empty()) {
    json.key("raw").begin_object();
    for (const auto& [name, value] : memory.raw) number(json, name, value);
    json.end_object();
  }
  pressure_if_any(json, memory.pressure);
  json.end_object();
}

void write_block(JsonWriter& json, const Stats::Block& block) {
  json.key("blkio").begin_object();
  for (const auto& [name, entries] : block.tables) {
    if (entries.empty()) continue;
    json.key(name).begin_array();
    for (const Stats::BlockEntry& entry : entries) {
      json.begin_object();
      number_if_any(json, "major", entry.major);
      number_if_any(json, "minor", entry.minor);
      if (!entry.op.empty()) json.member("op", entry.op);
      number_if_any(json, "value", entry.value);
      json.end_object();
    }
    json.end_array();
  }
  pressure_if_any(json, block.pressure);
  json.end_object();
}

}  // namespace

std::string stats_text(const Stats& stats) {
  JsonWriter json;
  json.begin_object();
  write_cpu(json, stats.cpu);
  write_cpuset(json, stats.cpuset);
  write_memory(json, stats.memory);
  json.key("pids").begin_object();
  number_if_any(json, "current", stats.pids_current);
  number_if_any(json, "limit", stats.pids_limit);
  json.end_object();
  write_block(json, stats.block);
  json.key("hugetlb").begin_object();
  for (const auto& [size, entry] : stats.hugetlb) {
    json.key(size).begin_object();
    number_if_any(json, "usage", entry.usage);
    number_if_any(json, "max", entry.max);
    number(json, "failcnt", entry.failcnt);
    json.end_object();
  }
  json.end_object();
  // Neither is a matter of cgroups; the keys are part of the layout.
  json.key("intel_rdt").begin_object().end_object();
  json.key("network_interfaces").null();
  json.end_object();
  return json.text();
}

}  // namespace dhow::cgroup
