// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <limits>

#include "base/strings.h"
#include "runtime/cgroup/stats.h"

namespace dhow::cgroup {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kNanosecondsPerMicrosecond = 1'000;

// The file is missing, or can't be read (EOPNOTSUPP), when the kernel counts no pressure.
std::optional<Pressure> pressure(const Folder& folder, std::string_view file) {
  auto text = folder.read(file);
  return text ? parse_pressure(*text) : std::nullopt;
}

void add_cpu(const Folder& folder, Stats::Cpu& cpu) {
  if (auto text = folder.read("cpu.stat")) {
    auto value = [&text](std::string_view name) { return keyed_number(*text, name).value_or(0); };
    cpu.total = value("usage_usec") * kNanosecondsPerMicrosecond;
    cpu.user = value("user_usec") * kNanosecondsPerMicrosecond;
    cpu.kernel = value("system_usec") * kNanosecondsPerMicrosecond;
    cpu.periods = value("nr_periods");
    cpu.throttled_periods = value("nr_throttled");
    cpu.throttled_time = value("throttled_usec") * kNanosecondsPerMicrosecond;
  }
  cpu.pressure = pressure(folder, "cpu.pressure");
}

Status add_memory(const Folder& folder, Stats::Memory& memory) {
  auto text = folder.read("memory.stat");
  if (!text) return text.error().sys_errno() == ENOENT ? Status{} : fail(std::move(text).error());
  memory.raw = parse_keyed(*text);
  if (auto cache = memory.raw.find("file"); cache != memory.raw.end()) {
    memory.cache = cache->second;
  }
  if (auto kernel = memory.raw.find("kernel"); kernel != memory.raw.end()) {
    memory.kernel.usage = kernel->second;
  }
  TRY_ASSIGN(memory.usage.usage, folder.read_number("memory.current"));
  TRY_ASSIGN(memory.usage.limit, folder.read_number("memory.max"));
  memory.usage.max = folder.read_number("memory.peak").value_or(0);  // Linux 5.19
  if (auto events = folder.read("memory.events")) {
    memory.usage.failcnt = keyed_number(*events, "max").value_or(0);
  }
  memory.pressure = pressure(folder, "memory.pressure");
  auto swap = folder.read_number("memory.swap.current");
  if (!swap) return {};  // no swap accounting
  // v1 counts memory and swap together, and that is what readers of the layout expect.
  memory.swap.usage = *swap + memory.usage.usage;
  std::uint64_t limit = folder.read_number("memory.swap.max").value_or(kNoLimit);
  bool bounded = limit != kNoLimit && memory.usage.limit != kNoLimit;
  memory.swap.limit = bounded ? limit + memory.usage.limit : kNoLimit;
  if (auto events = folder.read("memory.swap.events")) {
    memory.swap.failcnt = keyed_number(*events, "max").value_or(0);
  }
  return {};
}

}  // namespace

Status add_stats_v2(const Folder& folder, Stats& stats) {
  add_cpu(folder, stats.cpu);
  TRY(add_memory(folder, stats.memory));
  TRY(add_pids(folder, stats));
  if (auto text = folder.read("io.stat")) parse_io_stat(*text, stats.block);
  stats.block.pressure = pressure(folder, "io.pressure");
  if (auto text = folder.read("cpuset.cpus.effective")) stats.cpuset.cpus = parse_list(*text);
  if (auto text = folder.read("cpuset.mems.effective")) stats.cpuset.mems = parse_list(*text);
  return add_hugetlb(folder, true, stats);
}

}  // namespace dhow::cgroup
