// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>
#include <utility>

#include "base/strings.h"
#include "runtime/cgroup/stats.h"

namespace dhow::cgroup {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

std::uint64_t number_or_0(const Folder& folder, std::string_view file) {
  return folder.read_number(file).value_or(0);
}

// An entry without its usage file belongs to accounting that is off.
Stats::MemoryEntry memory_entry(const Folder& folder, std::string_view prefix) {
  Stats::MemoryEntry entry;
  auto usage = folder.read_number(cat(prefix, "usage_in_bytes"));
  if (!usage) return entry;
  entry.usage = *usage;
  entry.max = number_or_0(folder, cat(prefix, "max_usage_in_bytes"));
  entry.failcnt = number_or_0(folder, cat(prefix, "failcnt"));
  entry.limit = number_or_0(folder, cat(prefix, "limit_in_bytes"));
  return entry;
}

// Lines "8:0 Read 4096" or "8:0 12"; the last line, "Total N", is of no device.
std::vector<Stats::BlockEntry> block_entries(std::string_view text) {
  std::vector<Stats::BlockEntry> entries;
  for (std::string_view line : split(text, '\n')) {
    auto fields = split(line, ' ');
    std::size_t colon = fields[0].find(':');
    if (colon == std::string_view::npos || fields.size() < 2) continue;
    auto major = parse_number<std::uint64_t>(fields[0].substr(0, colon));
    auto minor = parse_number<std::uint64_t>(fields[0].substr(colon + 1));
    auto value = parse_number<std::uint64_t>(fields.back());
    if (!major || !minor || !value) continue;
    entries.push_back({*major, *minor, fields.size() > 2 ? std::string(fields[1]) : "", *value});
  }
  return entries;
}

bool add_block_table(const Folder& folder, std::string_view file, std::string_view name,
                     Stats& stats) {
  auto text = folder.read(file);
  if (!text) return false;
  auto entries = block_entries(*text);
  if (entries.empty()) return false;
  stats.block.tables[std::string(name)] = std::move(entries);
  return true;
}

}  // namespace

Status add_cpu_v1(const Folder& folder, Stats& stats) {
  auto text = folder.read("cpu.stat");
  if (!text) return {};
  stats.cpu.periods = keyed_number(*text, "nr_periods").value_or(0);
  stats.cpu.throttled_periods = keyed_number(*text, "nr_throttled").value_or(0);
  stats.cpu.throttled_time = keyed_number(*text, "throttled_time").value_or(0);
  return {};
}

Status add_cpuacct_v1(const Folder& folder, Stats& stats) {
  TRY_ASSIGN(stats.cpu.total, folder.read_number("cpuacct.usage"));
  if (auto text = folder.read("cpuacct.stat")) {
    auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    std::uint64_t length = kNanosecondsPerSecond / ticks;
    stats.cpu.user = keyed_number(*text, "user").value_or(0) * length;
    stats.cpu.kernel = keyed_number(*text, "system").value_or(0) * length;
  }
  if (auto text = folder.read("cpuacct.usage_percpu")) {
    for (std::string_view field : split(*text, ' ')) {
      if (auto value = parse_number<std::uint64_t>(field)) stats.cpu.percpu.push_back(*value);
    }
  }
  auto text = folder.read("cpuacct.usage_all");  // Linux 4.7
  if (!text) return {};
  for (std::string_view line : split(*text, '\n')) {
    auto fields = split(line, ' ');
    if (fields.size() != 3) continue;
    auto user = parse_number<std::uint64_t>(fields[1]);
    auto kernel = parse_number<std::uint64_t>(fields[2]);
    if (!user || !kernel) continue;
    stats.cpu.percpu_user.push_back(*user);
    stats.cpu.percpu_kernel.push_back(*kernel);
  }
  return {};
}

Status add_cpuset_v1(const Folder& folder, Stats& stats) {
  Stats::Cpuset& cpuset = stats.cpuset;
  if (auto text = folder.read("cpuset.cpus")) cpuset.cpus = parse_list(*text);
  if (auto text = folder.read("cpuset.mems")) cpuset.mems = parse_list(*text);
  cpuset.cpu_exclusive = number_or_0(folder, "cpuset.cpu_exclusive");
  cpuset.mem_hardwall = number_or_0(folder, "cpuset.mem_hardwall");
  cpuset.mem_exclusive = number_or_0(folder, "cpuset.mem_exclusive");
  cpuset.memory_migrate = number_or_0(folder, "cpuset.memory_migrate");
  cpuset.memory_spread_page = number_or_0(folder, "cpuset.memory_spread_page");
  cpuset.memory_spread_slab = number_or_0(folder, "cpuset.memory_spread_slab");
  cpuset.memory_pressure = number_or_0(folder, "cpuset.memory_pressure");
  cpuset.sched_load_balance = number_or_0(folder, "cpuset.sched_load_balance");
  if (auto text = folder.read("cpuset.sched_relax_domain_level")) {
    cpuset.sched_relax_domain_level = parse_number<std::int64_t>(*text).value_or(0);
  }
  return {};
}

Status add_memory_v1(const Folder& folder, Stats& stats) {
  Stats::Memory& memory = stats.memory;
  TRY_ASSIGN(std::string text, folder.read("memory.stat"));
  memory.raw = parse_keyed(text);
  if (auto cache = memory.raw.find("cache"); cache != memory.raw.end()) {
    memory.cache = cache->second;
  }
  memory.usage = memory_entry(folder, "memory.");
  memory.swap = memory_entry(folder, "memory.memsw.");
  memory.kernel = memory_entry(folder, "memory.kmem.");
  memory.kernel_tcp = memory_entry(folder, "memory.kmem.tcp.");
  return {};
}

Status add_blkio_v1(const Folder& folder, Stats& stats) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kTables = {{
      {"sectors_recursive", "sectorsRecursive"},
      {"io_service_bytes_recursive", "ioServiceBytesRecursive"},
      {"io_serviced_recursive", "ioServicedRecursive"},
      {"io_queued_recursive", "ioQueueRecursive"},
      {"io_service_time_recursive", "ioServiceTimeRecursive"},
      {"io_wait_time_recursive", "ioWaitTimeRecursive"},
      {"io_merged_recursive", "ioMergedRecursive"},
      {"time_recursive", "ioTimeRecursive"},
  }};
  // One scheduler at a time counts: BFQ, or CFQ until Linux 5.0. Without either, the throttling
  // layer still counts the first two.
  for (auto [file, name] : kTables) {
    bool found = add_block_table(folder, cat("blkio.bfq.", file), name, stats) ||
                 add_block_table(folder, cat("blkio.", file), name, stats);
    if (!found && (file == "io_service_bytes_recursive" || file == "io_serviced_recursive")) {
      add_block_table(folder, cat("blkio.throttle.", file), name, stats);
    }
  }
  return {};
}

}  // namespace dhow::cgroup
