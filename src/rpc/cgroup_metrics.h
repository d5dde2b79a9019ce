// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// What Stats answers with: io.containerd.cgroups.v1 and v2, fields as in the files metrics.proto of
// containerd's cgroups project. A limit that isn't set is the largest number. Bytes, unless said.
namespace dhow::rpc {

// The same in both.
struct PidsStat {
  std::uint64_t current = 0;
  std::uint64_t limit = 0;  // 0: none
  void fields(Codec& codec) { codec(1, current)(2, limit); }
};

struct RdmaEntry {
  std::string device = {};
  std::uint32_t hca_handles = 0;
  std::uint32_t hca_objects = 0;
  void fields(Codec& codec) { codec(1, device)(2, hca_handles)(3, hca_objects); }
};
struct RdmaStat {
  std::vector<RdmaEntry> current = {};
  std::vector<RdmaEntry> limit = {};
  void fields(Codec& codec) { codec(1, current)(2, limit); }
};

}  // namespace dhow::rpc

namespace dhow::rpc::cgroup1 {

struct HugetlbStat {
  std::uint64_t usage = 0, max = 0, failcnt = 0;
  std::string pagesize = {};  // "2MB"
  void fields(Codec& codec) { codec(1, usage)(2, max)(3, failcnt)(4, pagesize); }
};

// Nanoseconds.
struct CpuUsage {
  std::uint64_t total = 0, kernel = 0, user = 0;
  std::vector<std::uint64_t> per_cpu = {};
  void fields(Codec& codec) { codec(1, total)(2, kernel)(3, user)(4, per_cpu); }
};
struct Throttle {
  std::uint64_t periods = 0, throttled_periods = 0;
  std::uint64_t throttled_time = 0;  // nanoseconds
  void fields(Codec& codec) { codec(1, periods)(2, throttled_periods)(3, throttled_time); }
};
struct CpuStat {
  std::optional<CpuUsage> usage = {};
  std::optional<Throttle> throttling = {};
  void fields(Codec& codec) { codec(1, usage)(2, throttling); }
};

struct MemoryEntry {
  std::uint64_t limit = 0, usage = 0, max = 0, failcnt = 0;
  void fields(Codec& codec) { codec(1, limit)(2, usage)(3, max)(4, failcnt); }
};
// memory.stat, and the four counters of the controller.
struct MemoryStat {
  std::uint64_t cache = 0, rss = 0, rss_huge = 0, mapped_file = 0, dirty = 0, writeback = 0;
  std::uint64_t pg_pg_in = 0, pg_pg_out = 0, pg_fault = 0, pg_maj_fault = 0;
  std::uint64_t inactive_anon = 0, active_anon = 0, inactive_file = 0, active_file = 0;
  std::uint64_t unevictable = 0, hierarchical_memory_limit = 0, hierarchical_swap_limit = 0;
  std::uint64_t total_cache = 0, total_rss = 0, total_rss_huge = 0, total_mapped_file = 0;
  std::uint64_t total_dirty = 0, total_writeback = 0, total_pg_pg_in = 0, total_pg_pg_out = 0;
  std::uint64_t total_pg_fault = 0, total_pg_maj_fault = 0, total_inactive_anon = 0;
  std::uint64_t total_active_anon = 0, total_inactive_file = 0, total_active_file = 0;
  std::uint64_t total_unevictable = 0;
  std::optional<MemoryEntry> usage, swap, kernel, kernel_tcp;
  void fields(Codec& codec) {
    codec(1, cache)(2, rss)(3, rss_huge)(4, mapped_file)(5, dirty)(6, writeback)(7, pg_pg_in);
    codec(8, pg_pg_out)(9, pg_fault)(10, pg_maj_fault)(11, inactive_anon)(12, active_anon);
    codec(13, inactive_file)(14, active_file)(15, unevictable)(16, hierarchical_memory_limit);
    codec(17, hierarchical_swap_limit)(18, total_cache)(19, total_rss)(20, total_rss_huge);
    codec(21, total_mapped_file)(22, total_dirty)(23, total_writeback)(24, total_pg_pg_in);
    codec(25, total_pg_pg_out)(26, total_pg_fault)(27, total_pg_maj_fault);
    codec(28, total_inactive_anon)(29, total_active_anon)(30, total_inactive_file);
    codec(31, total_active_file)(32, total_unevictable);
    codec(33, usage)(34, swap)(35, kernel)(36, kernel_tcp);
  }
};
struct MemoryOomControl {
  std::uint64_t oom_kill_disable = 0, under_oom = 0, oom_kill = 0;
  void fields(Codec& codec) { codec(1, oom_kill_disable)(2, under_oom)(3, oom_kill); }
};

struct BlkioEntry {
  std::string op = {};      // "Read", "Write", …
  std::string device = {};  // "/dev/sda" where known
  std::uint64_t major = 0, minor = 0, value = 0;
  void fields(Codec& codec) { codec(1, op)(2, device)(3, major)(4, minor)(5, value); }
};
struct BlkioStat {
  std::vector<BlkioEntry> io_service_bytes, io_serviced, io_queued, io_service_time;
  std::vector<BlkioEntry> io_wait_time, io_merged, io_time, sectors;
  void fields(Codec& codec) {
    codec(1, io_service_bytes)(2, io_serviced)(3, io_queued)(4, io_service_time);
    codec(5, io_wait_time)(6, io_merged)(7, io_time)(8, sectors);
  }
};

struct NetworkStat {
  std::string name = {};
  std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
  void fields(Codec& codec) {
    codec(1, name)(2, rx_bytes)(3, rx_packets)(4, rx_errors)(5, rx_dropped);
    codec(6, tx_bytes)(7, tx_packets)(8, tx_errors)(9, tx_dropped);
  }
};

// How many tasks are in each state (taskstats).
struct CgroupStats {
  std::uint64_t sleeping = 0, running = 0, stopped = 0, uninterruptible = 0, io_wait = 0;
  void fields(Codec& codec) {
    codec(1, sleeping)(2, running)(3, stopped)(4, uninterruptible)(5, io_wait);
  }
};

struct Metrics {
  static constexpr std::string_view kName = "io.containerd.cgroups.v1.Metrics";
  std::vector<HugetlbStat> hugetlb = {};
  std::optional<PidsStat> pids = {};
  std::optional<CpuStat> cpu = {};
  std::optional<MemoryStat> memory = {};
  std::optional<BlkioStat> blkio = {};
  std::optional<RdmaStat> rdma = {};
  std::vector<NetworkStat> network = {};
  std::optional<CgroupStats> cgroup_stats = {};
  std::optional<MemoryOomControl> memory_oom_control = {};
  void fields(Codec& codec) {
    codec(1, hugetlb)(2, pids)(3, cpu)(4, memory)(5, blkio)(6, rdma)(7, network);
    codec(8, cgroup_stats)(9, memory_oom_control);
  }
};

}  // namespace dhow::rpc::cgroup1

namespace dhow::rpc::cgroup2 {

// Microseconds and counts.
struct CpuStat {
  std::uint64_t usage_usec = 0, user_usec = 0, system_usec = 0;
  std::uint64_t nr_periods = 0, nr_throttled = 0, throttled_usec = 0;
  void fields(Codec& codec) {
    codec(1, usage_usec)(2, user_usec)(3, system_usec)(4, nr_periods)(5, nr_throttled);
    codec(6, throttled_usec);
  }
};

// memory.stat, memory.current and its neighbours.
struct MemoryStat {
  std::uint64_t anon = 0, file = 0, kernel_stack = 0, slab = 0, sock = 0, shmem = 0;
  std::uint64_t file_mapped = 0, file_dirty = 0, file_writeback = 0, anon_thp = 0;
  std::uint64_t inactive_anon = 0, active_anon = 0, inactive_file = 0, active_file = 0;
  std::uint64_t unevictable = 0, slab_reclaimable = 0, slab_unreclaimable = 0;
  std::uint64_t pgfault = 0, pgmajfault = 0, workingset_refault = 0, workingset_activate = 0;
  std::uint64_t workingset_nodereclaim = 0, pgrefill = 0, pgscan = 0, pgsteal = 0;
  std::uint64_t pgactivate = 0, pgdeactivate = 0, pglazyfree = 0, pglazyfreed = 0;
  std::uint64_t thp_fault_alloc = 0, thp_collapse_alloc = 0;
  std::uint64_t usage = 0, usage_limit = 0, swap_usage = 0, swap_limit = 0;
  std::uint64_t max_usage = 0, swap_max_usage = 0;
  void fields(Codec& codec) {
    codec(1, anon)(2, file)(3, kernel_stack)(4, slab)(5, sock)(6, shmem)(7, file_mapped);
    codec(8, file_dirty)(9, file_writeback)(10, anon_thp)(11, inactive_anon)(12, active_anon);
    codec(13, inactive_file)(14, active_file)(15, unevictable)(16, slab_reclaimable);
    codec(17, slab_unreclaimable)(18, pgfault)(19, pgmajfault)(20, workingset_refault);
    codec(21, workingset_activate)(22, workingset_nodereclaim)(23, pgrefill)(24, pgscan);
    codec(25, pgsteal)(26, pgactivate)(27, pgdeactivate)(28, pglazyfree)(29, pglazyfreed);
    codec(30, thp_fault_alloc)(31, thp_collapse_alloc)(32, usage)(33, usage_limit);
    codec(34, swap_usage)(35, swap_limit)(36, max_usage)(37, swap_max_usage);
  }
};

struct MemoryEvents {
  std::uint64_t low = 0, high = 0, max = 0, oom = 0, oom_kill = 0;
  void fields(Codec& codec) { codec(1, low)(2, high)(3, max)(4, oom)(5, oom_kill); }
};

struct IoEntry {
  std::uint64_t major = 0, minor = 0, rbytes = 0, wbytes = 0, rios = 0, wios = 0;
  void fields(Codec& codec) { codec(1, major)(2, minor)(3, rbytes)(4, wbytes)(5, rios)(6, wios); }
};
struct IoStat {
  std::vector<IoEntry> usage = {};
  void fields(Codec& codec) { codec(1, usage); }
};

struct HugetlbStat {
  std::uint64_t current = 0, max = 0;
  std::string pagesize = {};  // "2MB"
  void fields(Codec& codec) { codec(1, current)(2, max)(3, pagesize); }
};

struct Metrics {
  static constexpr std::string_view kName = "io.containerd.cgroups.v2.Metrics";
  std::optional<PidsStat> pids = {};
  std::optional<CpuStat> cpu = {};
  std::optional<MemoryStat> memory = {};
  std::optional<RdmaStat> rdma = {};
  std::optional<IoStat> io = {};
  std::vector<HugetlbStat> hugetlb = {};
  std::optional<MemoryEvents> memory_events = {};
  void fields(Codec& codec) {
    codec(1, pids)(2, cpu)(4, memory)(5, rdma)(6, io)(7, hugetlb)(8, memory_events);
  }
};

}  // namespace dhow::rpc::cgroup2
