// SPDX-License-Identifier: Apache-2.0
#include "shim/cgroup_view.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/strings.h"
#include "rpc/cgroup_metrics.h"
#include "runtime/cgroup/folder.h"
#include "runtime/cgroup/host.h"
#include "runtime/cgroup/stats.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

using cgroup::Folder;
using cgroup::FsKind;
using cgroup::Location;
using cgroup::Stats;

bool is_unified(const Location& location) {
  return location.paths.size() == 1 && location.paths.begin()->first.empty();
}

using Numbers = std::map<std::string, std::uint64_t>;

std::uint64_t number_of(const Numbers& numbers, const char* name) {
  auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

rpc::cgroup1::MemoryEntry entry_of(const Stats::MemoryEntry& from) {
  return {from.limit, from.usage, from.max, from.failcnt};
}

rpc::cgroup1::MemoryStat memory_v1(const Stats::Memory& from) {
  rpc::cgroup1::MemoryStat to;
  const std::pair<std::uint64_t*, const char*> kFields[] = {
      {&to.cache, "cache"},
      {&to.rss, "rss"},
      {&to.rss_huge, "rss_huge"},
      {&to.mapped_file, "mapped_file"},
      {&to.dirty, "dirty"},
      {&to.writeback, "writeback"},
      {&to.pg_pg_in, "pgpgin"},
      {&to.pg_pg_out, "pgpgout"},
      {&to.pg_fault, "pgfault"},
      {&to.pg_maj_fault, "pgmajfault"},
      {&to.inactive_anon, "inactive_anon"},
      {&to.active_anon, "active_anon"},
      {&to.inactive_file, "inactive_file"},
      {&to.active_file, "active_file"},
      {&to.unevictable, "unevictable"},
      {&to.hierarchical_memory_limit, "hierarchical_memory_limit"},
      {&to.hierarchical_swap_limit, "hierarchical_memsw_limit"},
      {&to.total_cache, "total_cache"},
      {&to.total_rss, "total_rss"},
      {&to.total_rss_huge, "total_rss_huge"},
      {&to.total_mapped_file, "total_mapped_file"},
      {&to.total_dirty, "total_dirty"},
      {&to.total_writeback, "total_writeback"},
      {&to.total_pg_pg_in, "total_pgpgin"},
      {&to.total_pg_pg_out, "total_pgpgout"},
      {&to.total_pg_fault, "total_pgfault"},
      {&to.total_pg_maj_fault, "total_pgmajfault"},
      {&to.total_inactive_anon, "total_inactive_anon"},
      {&to.total_active_anon, "total_active_anon"},
      {&to.total_inactive_file, "total_inactive_file"},
      {&to.total_active_file, "total_active_file"},
      {&to.total_unevictable, "total_unevictable"}};
  for (const auto& [field, name] : kFields) *field = number_of(from.raw, name);
  to.usage = entry_of(from.usage);
  to.swap = entry_of(from.swap);
  to.kernel = entry_of(from.kernel);
  to.kernel_tcp = entry_of(from.kernel_tcp);
  return to;
}

rpc::cgroup1::BlkioStat blkio_v1(const Stats::Block& from) {
  rpc::cgroup1::BlkioStat to;
  const std::pair<std::vector<rpc::cgroup1::BlkioEntry>*, const char*> kTables[] = {
      {&to.io_service_bytes, "ioServiceBytesRecursive"},
      {&to.io_serviced, "ioServicedRecursive"},
      {&to.io_queued, "ioQueueRecursive"},
      {&to.io_service_time, "ioServiceTimeRecursive"},
      {&to.io_wait_time, "ioWaitTimeRecursive"},
      {&to.io_merged, "ioMergedRecursive"},
      {&to.io_time, "ioTimeRecursive"},
      {&to.sectors, "sectorsRecursive"}};
  for (const auto& [table, name] : kTables) {
    auto found = from.tables.find(name);
    if (found == from.tables.end()) continue;
    for (const Stats::BlockEntry& entry : found->second) {
      table->push_back({entry.op, {}, entry.major, entry.minor, entry.value});
    }
  }
  return to;
}

Result<Stats> stats_v1(const Location& location) {
  Stats stats;
  using Add = Status (*)(const Folder&, Stats&);
  const std::pair<const char*, Add> kControllers[] = {
      {"cpu", cgroup::add_cpu_v1},
      {"cpuacct", cgroup::add_cpuacct_v1},
      {"memory", cgroup::add_memory_v1},
      {"blkio", cgroup::add_blkio_v1},
      {"pids", cgroup::add_pids},
      {"hugetlb",
       [](const Folder& folder, Stats& to) { return cgroup::add_hugetlb(folder, false, to); }}};
  for (const auto& [name, add] : kControllers) {
    auto path = location.paths.find(name);
    if (path == location.paths.end()) continue;
    TRY_ASSIGN(Folder folder, Folder::open(path->second, FsKind::kV1));
    TRY(add(folder, stats));
  }
  return stats;
}

Result<rpc::Any> metrics_v1(const Location& location) {
  TRY_ASSIGN(Stats stats, stats_v1(location));
  rpc::cgroup1::Metrics metrics;
  for (const auto& [size, each] : stats.hugetlb) {
    metrics.hugetlb.push_back({each.usage, each.max, each.failcnt, size});
  }
  metrics.pids = {stats.pids_current, stats.pids_limit};
  const Stats::Cpu& cpu = stats.cpu;
  metrics.cpu.emplace();
  metrics.cpu->usage = {cpu.total, cpu.kernel, cpu.user, cpu.percpu};
  metrics.cpu->throttling = {cpu.periods, cpu.throttled_periods, cpu.throttled_time};
  metrics.memory = memory_v1(stats.memory);
  metrics.blkio = blkio_v1(stats.block);
  auto path = location.paths.find("memory");
  if (path != location.paths.end()) {
    auto folder = Folder::open(path->second, FsKind::kV1);
    auto text = folder ? folder->read("memory.oom_control") : Result<std::string>("");
    Numbers numbers = cgroup::parse_keyed(text.value_or(""));
    metrics.memory_oom_control = {number_of(numbers, "oom_kill_disable"),
                                  number_of(numbers, "under_oom"), number_of(numbers, "oom_kill")};
  }
  return rpc::pack(metrics);
}

rpc::cgroup2::MemoryStat memory_v2(const Stats::Memory& from) {
  rpc::cgroup2::MemoryStat to;
  const std::pair<std::uint64_t*, const char*> kFields[] = {
      {&to.anon, "anon"},
      {&to.file, "file"},
      {&to.kernel_stack, "kernel_stack"},
      {&to.slab, "slab"},
      {&to.sock, "sock"},
      {&to.shmem, "shmem"},
      {&to.file_mapped, "file_mapped"},
      {&to.file_dirty, "file_dirty"},
      {&to.file_writeback, "file_writeback"},
      {&to.anon_thp, "anon_thp"},
      {&to.inactive_anon, "inactive_anon"},
      {&to.active_anon, "active_anon"},
      {&to.inactive_file, "inactive_file"},
      {&to.active_file, "active_file"},
      {&to.unevictable, "unevictable"},
      {&to.slab_reclaimable, "slab_reclaimable"},
      {&to.slab_unreclaimable, "slab_unreclaimable"},
      {&to.pgfault, "pgfault"},
      {&to.pgmajfault, "pgmajfault"},
      {&to.workingset_refault, "workingset_refault_file"},
      {&to.workingset_activate, "workingset_activate_file"},
      {&to.workingset_nodereclaim, "workingset_nodereclaim"},
      {&to.pgrefill, "pgrefill"},
      {&to.pgscan, "pgscan"},
      {&to.pgsteal, "pgsteal"},
      {&to.pgactivate, "pgactivate"},
      {&to.pgdeactivate, "pgdeactivate"},
      {&to.pglazyfree, "pglazyfree"},
      {&to.pglazyfreed, "pglazyfreed"},
      {&to.thp_fault_alloc, "thp_fault_alloc"},
      {&to.thp_collapse_alloc, "thp_collapse_alloc"}};
  for (const auto& [field, name] : kFields) *field = number_of(from.raw, name);
  to.usage = from.usage.usage;
  to.usage_limit = from.usage.limit;
  to.max_usage = from.usage.max;
  to.swap_usage = from.swap.usage;
  to.swap_limit = from.swap.limit;
  to.swap_max_usage = from.swap.max;
  return to;
}

rpc::cgroup2::IoStat io_v2(const Folder& folder) {
  rpc::cgroup2::IoStat to;
  std::string text = folder.read("io.stat").value_or("");
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    auto device = split(line.substr(0, space), ':');
    if (space == std::string_view::npos || device.size() != 2) continue;
    rpc::cgroup2::IoEntry entry;
    entry.major = parse_number<std::uint64_t>(device[0]).value_or(0);
    entry.minor = parse_number<std::uint64_t>(device[1]).value_or(0);
    const std::pair<const char*, std::uint64_t*> kFields[] = {{"rbytes", &entry.rbytes},
                                                              {"wbytes", &entry.wbytes},
                                                              {"rios", &entry.rios},
                                                              {"wios", &entry.wios}};
    for (std::string_view word : split(line.substr(space + 1), ' ')) {
      for (const auto& [name, field] : kFields) {
        std::size_t size = std::string_view(name).size();
        if (!word.starts_with(name) || !word.substr(size).starts_with('=')) continue;
        *field = parse_number<std::uint64_t>(word.substr(size + 1)).value_or(0);
      }
    }
    to.usage.push_back(entry);
  }
  return to;
}

Result<rpc::Any> metrics_v2(const Location& location) {
  TRY_ASSIGN(Folder folder, Folder::open(location.paths.begin()->second, FsKind::kV2));
  Stats stats;
  TRY(cgroup::add_stats_v2(folder, stats));
  constexpr std::uint64_t kNsPerUs = 1000;
  rpc::cgroup2::Metrics metrics;
  metrics.pids = {stats.pids_current, stats.pids_limit};
  const Stats::Cpu& cpu = stats.cpu;
  metrics.cpu = {cpu.total / kNsPerUs, cpu.user / kNsPerUs,   cpu.kernel / kNsPerUs,
                 cpu.periods,          cpu.throttled_periods, cpu.throttled_time / kNsPerUs};
  metrics.memory = memory_v2(stats.memory);
  metrics.io = io_v2(folder);
  for (const auto& [size, each] : stats.hugetlb) {
    metrics.hugetlb.push_back({each.usage, each.max, size});
  }
  Numbers events = cgroup::parse_keyed(folder.read("memory.events").value_or(""));
  metrics.memory_events = {number_of(events, "low"), number_of(events, "high"),
                           number_of(events, "max"), number_of(events, "oom"),
                           number_of(events, "oom_kill")};
  return rpc::pack(metrics);
}

Result<std::unique_ptr<cgroup::Cgroup>> open_by_location(const Location& location) {
  return cgroup::open_cgroup(location, cgroup::Settings{});
}

}  // namespace

Result<Location> cgroups_of(pid_t pid) {
  TRY_ASSIGN(auto layout, cgroup::detect_layout({}));
  TRY_ASSIGN(std::string text, read_file(cat("/proc/", pid, "/cgroup")));
  auto theirs = cgroup::parse_proc_cgroup(text);
  TRY_ASSIGN(std::string own_text, read_file("/proc/self/cgroup"));
  auto own = cgroup::parse_proc_cgroup(own_text);
  Location location;
  auto add = [&](const cgroup::Hierarchy& hierarchy) {
    auto same = [&](const cgroup::Hierarchy& each) { return each.names == hierarchy.names; };
    auto found = std::ranges::find_if(theirs, same);
    if (found == theirs.end()) return;
    // One that it shares with the shim has been made for neither, and holds others as well.
    auto ours = std::ranges::find_if(own, same);
    if (ours != own.end() && ours->own == found->own) return;
    std::string path = found->own == "/" ? hierarchy.mount : cat(hierarchy.mount, found->own);
    if (hierarchy.names.empty()) location.paths[""] = path;
    for (const std::string& name : hierarchy.names) location.paths[name] = path;
  };
  for (const auto& hierarchy : layout.v1) add(hierarchy);
  if (layout.unified) add(*layout.unified);
  return location;
}

Result<std::vector<pid_t>> pids_of(const Location& location) {
  TRY_ASSIGN(auto cgroup, open_by_location(location));
  return cgroup->pids(true);
}

Result<std::vector<pid_t>> pids_beside(pid_t pid) {
  auto space_of = [](std::string_view process) {
    struct stat info{};
    bool known = ::stat(cat("/proc/", process, "/ns/pid").c_str(), &info) == 0;
    return known ? info.st_ino : 0;
  };
  const ino_t space = space_of(cat(pid));
  std::vector<pid_t> pids{pid};
  if (space == 0 || space == space_of("self")) return pids;
  TRY_ASSIGN(Fd proc, open_at(kCwd, "/proc", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(proc));
  for (const std::string& name : names) {
    auto number = parse_number<pid_t>(name);
    if (number && *number != pid && space_of(name) == space) pids.push_back(*number);
  }
  return pids;
}

Result<rpc::Any> metrics_of(const Location& location) {
  return is_unified(location) ? metrics_v2(location) : metrics_v1(location);
}

Result<cgroup::Cgroup::OomWatch> watch_oom_of(const Location& location) {
  TRY_ASSIGN(auto cgroup, open_by_location(location));
  return cgroup->watch_oom();
}

}  // namespace dhow::shim
