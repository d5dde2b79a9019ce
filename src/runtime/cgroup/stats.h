// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// As the kernel prints it: "0.12" (psi.rst). Not inside of Stats: whether it can be made without
// values is known only at the end of the outermost class, and std::optional asks before.
struct Pressure {
  struct Line {
    std::string avg10 = "0", avg60 = "0", avg300 = "0";
    std::uint64_t total = 0;  // microseconds
  };
  Line some, full;
};

// The numbers of an event of type "stats", in the units of runc: nanoseconds and bytes.
struct Stats {
  struct Cpu {
    std::uint64_t total = 0, kernel = 0, user = 0;
    std::vector<std::uint64_t> percpu, percpu_kernel, percpu_user;
    std::uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
    std::optional<Pressure> pressure;
  };
  struct Cpuset {
    std::vector<std::uint64_t> cpus, mems;
    std::uint64_t cpu_exclusive = 0, mem_hardwall = 0, mem_exclusive = 0, memory_migrate = 0;
    std::uint64_t memory_spread_page = 0, memory_spread_slab = 0, memory_pressure = 0;
    std::uint64_t sched_load_balance = 0;
    std::int64_t sched_relax_domain_level = 0;
  };
  struct MemoryEntry {
    std::uint64_t limit = 0, usage = 0, max = 0, failcnt = 0;
  };
  struct Memory {
    std::uint64_t cache = 0;
    MemoryEntry usage, swap, kernel, kernel_tcp;
    std::map<std::string, std::uint64_t> raw;
    std::optional<Pressure> pressure;
  };
  struct BlockEntry {
    std::uint64_t major = 0, minor = 0;
    std::string op;
    std::uint64_t value = 0;
  };
  struct Block {
    // By the JSON name: "ioServiceBytesRecursive", ...
    std::map<std::string, std::vector<BlockEntry>> tables;
    std::optional<Pressure> pressure;
  };
  struct Hugetlb {
    std::uint64_t usage = 0, max = 0, failcnt = 0;
  };

  Cpu cpu;
  Cpuset cpuset;
  Memory memory;
  std::uint64_t pids_current = 0, pids_limit = 0;  // limit 0: none
  Block block;
  std::map<std::string, Hugetlb> hugetlb;
};

// The layout of runc's `events --stats`: zeros are left out where runc does.
std::string stats_text(const Stats& stats);

// Each adds what the folder has; files of controllers that are off are passed over.
Status add_cpu_v1(const Folder& folder, Stats& stats);
Status add_cpuacct_v1(const Folder& folder, Stats& stats);
Status add_cpuset_v1(const Folder& folder, Stats& stats);
Status add_memory_v1(const Folder& folder, Stats& stats);
Status add_blkio_v1(const Folder& folder, Stats& stats);
Status add_pids(const Folder& folder, Stats& stats);  // the same on v1 and v2
Status add_hugetlb(const Folder& folder, bool v2, Stats& stats);
Status add_stats_v2(const Folder& folder, Stats& stats);

// A cpu list as in cpuset(7): "0-2,7".
std::vector<std::uint64_t> parse_list(std::string_view text);
std::optional<Pressure> parse_pressure(std::string_view text);
// One line a device: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...".
void parse_io_stat(std::string_view text, Stats::Block& block);
// Every "name number" of a flat keyed file.
std::map<std::string, std::uint64_t> parse_keyed(std::string_view text);

}  // namespace dhow::cgroup
