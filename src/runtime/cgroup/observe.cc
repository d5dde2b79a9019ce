// SPDX-License-Identifier: Apache-2.0
// What the managers tell about a running container: its numbers and its OOM kills.
#include <cerrno>

#include "base/strings.h"
#include "runtime/cgroup/oom.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/v1.h"
#include "runtime/cgroup/v2.h"

namespace dhow::cgroup {

Result<std::string> V1Cgroup::stats_json() {
  using Add = Status (*)(const Folder&, Stats&);
  struct Source {
    std::string_view controller;
    Add add;
  };
  constexpr Source kSources[] = {{"cpuacct", add_cpuacct_v1}, {"cpu", add_cpu_v1},
                                 {"cpuset", add_cpuset_v1},   {"memory", add_memory_v1},
                                 {"pids", add_pids},          {"blkio", add_blkio_v1}};
  Stats stats;
  for (const Source& source : kSources) {
    if (path_of(source.controller) == nullptr) continue;
    TRY_ASSIGN(Folder folder, open(source.controller));
    TRY(source.add(folder, stats));
  }
  bool v2_hugetlb = path_of("hugetlb") == nullptr;
  if (path_of(v2_hugetlb ? "" : "hugetlb") != nullptr) {
    TRY_ASSIGN(Folder folder, open(v2_hugetlb ? "" : "hugetlb"));
    TRY(add_hugetlb(folder, v2_hugetlb, stats));
  }
  return stats_text(stats);
}

Result<Cgroup::OomWatch> V1Cgroup::watch_oom() {
  if (path_of("memory") == nullptr) {
    return fail(Code::kUnimplemented, "watch memory: memory is not controlled");
  }
  TRY_ASSIGN(Folder folder, open("memory"));
  return watch_oom_v1(folder);
}

Result<std::uint64_t> V1Cgroup::oom_kill_count() {
  if (path_of("memory") == nullptr) {
    return fail(Code::kUnimplemented, "count OOM kills: memory is not controlled");
  }
  TRY_ASSIGN(Folder folder, open("memory"));
  return read_oom_kills(folder, false);
}

Result<std::string> V2Cgroup::stats_json() {
  TRY_ASSIGN(Folder folder, open());
  Stats stats;
  TRY(add_stats_v2(folder, stats));
  return stats_text(stats);
}

Result<Cgroup::OomWatch> V2Cgroup::watch_oom() {
  TRY_ASSIGN(Folder folder, open());
  return watch_oom_v2(folder);
}

Result<std::uint64_t> V2Cgroup::oom_kill_count() {
  TRY_ASSIGN(Folder folder, open());
  auto count = read_oom_kills(folder, true);
  if (!count && count.error().sys_errno() == ENOENT) {
    return fail(Code::kUnimplemented, "count OOM kills: memory is not controlled");
  }
  return count;
}

}  // namespace dhow::cgroup
