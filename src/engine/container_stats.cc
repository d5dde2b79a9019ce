// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "metadata/lease_store.h"
#include "rpc/cgroup_metrics.h"
#include "sys/file_io.h"
#include "sys/spawn.h"

namespace dhow::engine {
namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;
// A limit that is none: cgroup v1 rounds the largest number down to pages.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// What all processors together have been given so far: the first line of /proc/stat but for guests,
// whose time is counted with the user's.
std::uint64_t system_cpu() {
  auto text = read_file("/proc/stat", std::size_t{1} << 20);
  if (!text) return 0;
  std::uint64_t ticks = 0;
  int columns = 0;
  std::string_view first_line = std::string_view(*text).substr(0, text->find('\n'));
  for (std::string_view word : split(first_line, ' ')) {
    auto number = parse_number<std::uint64_t>(word);
    if (number && columns++ < 8) ticks += *number;
  }
  return ticks * (kNanoseconds / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
}

void fill(const rpc::PidsStat& pids, StatsSample& out) {
  out.pids_current = pids.current;
  if (pids.limit != 0 && pids.limit < kNoLimit) out.pids_limit = pids.limit;
}

void fill_memory(const rpc::cgroup1::MemoryStat& memory, StatsSample& out) {
  if (memory.usage) {
    out.memory_usage = memory.usage->usage;
    out.memory_max_usage = memory.usage->max;
    out.memory_limit = memory.usage->limit;
    out.memory_failcnt = memory.usage->failcnt;
  }
  auto& stats = out.memory_stats;
  stats = {{"cache", memory.cache},
           {"rss", memory.rss},
           {"rss_huge", memory.rss_huge},
           {"mapped_file", memory.mapped_file},
           {"dirty", memory.dirty},
           {"writeback", memory.writeback},
           {"pgpgin", memory.pg_pg_in},
           {"pgpgout", memory.pg_pg_out},
           {"pgfault", memory.pg_fault},
           {"pgmajfault", memory.pg_maj_fault},
           {"inactive_anon", memory.inactive_anon},
           {"active_anon", memory.active_anon},
           {"inactive_file", memory.inactive_file},
           {"active_file", memory.active_file},
           {"unevictable", memory.unevictable},
           {"hierarchical_memory_limit", memory.hierarchical_memory_limit},
           {"total_cache", memory.total_cache},
           {"total_rss", memory.total_rss},
           {"total_mapped_file", memory.total_mapped_file},
           {"total_inactive_anon", memory.total_inactive_anon},
           {"total_active_anon", memory.total_active_anon},
           {"total_inactive_file", memory.total_inactive_file},
           {"total_active_file", memory.total_active_file},
           {"total_unevictable", memory.total_unevictable}};
}

void fill_io(const std::vector<rpc::cgroup1::BlkioEntry>& from,
             std::vector<StatsSample::BlockIo>& out) {
  for (const rpc::cgroup1::BlkioEntry& entry : from) {
    out.push_back({entry.major, entry.minor, lower_text(entry.op), entry.value});
  }
}

void fill(const rpc::cgroup1::Metrics& metrics, StatsSample& out) {
  if (metrics.cpu && metrics.cpu->usage) {
    out.cpu_total = metrics.cpu->usage->total;
    out.cpu_user = metrics.cpu->usage->user;
    out.cpu_kernel = metrics.cpu->usage->kernel;
    out.cpu_each = metrics.cpu->usage->per_cpu;
  }
  if (metrics.cpu && metrics.cpu->throttling) {
    out.throttling_periods = metrics.cpu->throttling->periods;
    out.throttled_periods = metrics.cpu->throttling->throttled_periods;
    out.throttled_time = metrics.cpu->throttling->throttled_time;
  }
  if (metrics.memory) fill_memory(*metrics.memory, out);
  if (metrics.blkio) {
    fill_io(metrics.blkio->io_service_bytes, out.io_bytes);
    fill_io(metrics.blkio->io_serviced, out.io_operations);
  }
  if (metrics.pids) fill(*metrics.pids, out);
}

void fill(const rpc::cgroup2::Metrics& metrics, StatsSample& out) {
  out.unified = true;
  if (metrics.cpu) {
    out.cpu_total = metrics.cpu->usage_usec * 1000;
    out.cpu_user = metrics.cpu->user_usec * 1000;
    out.cpu_kernel = metrics.cpu->system_usec * 1000;
    out.throttling_periods = metrics.cpu->nr_periods;
    out.throttled_periods = metrics.cpu->nr_throttled;
    out.throttled_time = metrics.cpu->throttled_usec * 1000;
  }
  if (metrics.memory) {
    const rpc::cgroup2::MemoryStat& memory = *metrics.memory;
    out.memory_usage = memory.usage;
    out.memory_limit = memory.usage_limit;
    out.memory_stats = {{"anon", memory.anon},
                        {"file", memory.file},
                        {"kernel_stack", memory.kernel_stack},
                        {"slab", memory.slab},
                        {"sock", memory.sock},
                        {"shmem", memory.shmem},
                        {"file_mapped", memory.file_mapped},
                        {"file_dirty", memory.file_dirty},
                        {"file_writeback", memory.file_writeback},
                        {"inactive_anon", memory.inactive_anon},
                        {"active_anon", memory.active_anon},
                        {"inactive_file", memory.inactive_file},
                        {"active_file", memory.active_file},
                        {"unevictable", memory.unevictable},
                        {"pgfault", memory.pgfault},
                        {"pgmajfault", memory.pgmajfault}};
  }
  if (metrics.io) {
    for (const rpc::cgroup2::IoEntry& entry : metrics.io->usage) {
      out.io_bytes.push_back({entry.major, entry.minor, "read", entry.rbytes});
      out.io_bytes.push_back({entry.major, entry.minor, "write", entry.wbytes});
      out.io_operations.push_back({entry.major, entry.minor, "read", entry.rios});
      out.io_operations.push_back({entry.major, entry.minor, "write", entry.wios});
    }
  }
  if (metrics.pids) fill(*metrics.pids, out);
}

// Words of a line of ps; the last column takes the rest.
std::vector<std::string> columns_of(std::string_view line, std::size_t most) {
  std::vector<std::string> columns;
  while (true) {
    std::size_t start = line.find_first_not_of(' ');
    if (start == std::string_view::npos) return columns;
    line.remove_prefix(start);
    if (columns.size() + 1 == most) {
      columns.emplace_back(line);
      return columns;
    }
    std::size_t end = std::min(line.find(' '), line.size());
    columns.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

// Not of what it has made by itself.
std::set<std::string> interfaces_of(const std::string& container,
                                    const network::LocalNetworks& networks) {
  std::set<std::string> names;
  for (network::Endpoint& endpoint : networks.endpoints_of_container(container)) {
    names.insert(std::move(endpoint.inside));
  }
  return names;
}

}  // namespace

Result<StatsSample> ContainersImpl::stats(std::string_view ref) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  StatsSample out;
  out.id = record->id;
  out.name = record->name;
  // Of one that does not run nothing is read, and clients tell by the time that is missing.
  if (!record->progress.state.has_process()) return out;
  out.read = metadata::now();
  TRY_ASSIGN(rpc::Any any, tasks_->stats(key(container->id)));
  if (rpc::is_packed<rpc::cgroup1::Metrics>(any)) {
    TRY_ASSIGN(rpc::cgroup1::Metrics metrics, rpc::unpack<rpc::cgroup1::Metrics>(any));
    fill(metrics, out);
  } else {
    TRY_ASSIGN(rpc::cgroup2::Metrics metrics, rpc::unpack<rpc::cgroup2::Metrics>(any));
    fill(metrics, out);
  }
  std::uint64_t all = machine_memory();
  if (out.memory_limit == 0 || out.memory_limit > all) out.memory_limit = all;
  out.system_cpu = system_cpu();
  out.online_cpus = static_cast<std::uint32_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  std::string joined = joined_container(network_mode(record->config.host));
  auto holder = joined.empty() ? Result<ContainerPtr>(container) : find(joined);
  if (has_networks() && holder) {
    std::set<std::string> names = interfaces_of((*holder)->id, *stores_.networks);
    if (!names.empty()) {
      TRY_ASSIGN(Fd devices, proc_file(*record, "net/dev"));
      TRY_ASSIGN(std::string text, read_all(devices));
      out.interfaces = parse_interface_use(text, names);
    }
  }
  out.running = true;
  return out;
}

Result<TopAnswer> ContainersImpl::top(std::string_view ref, std::string_view ps_arguments) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  const ContainerState state = container->record()->progress.state;
  if (!state.has_process()) {
    return fail(Code::kFailedPrecondition, cat("container ", container->id, " is not running"));
  }
  TRY_ASSIGN(std::vector<rpc::ProcessInfo> processes, tasks_->pids(key(container->id)));
  std::vector<std::string> command = {"ps"};
  for (std::string_view word : split(ps_arguments.empty() ? "-ef" : ps_arguments, ' ')) {
    if (!word.empty()) command.emplace_back(word);
  }
  // All processes of the machine, of which those of the container are shown: what people give as
  // arguments may not go with a list of pids.
  SpawnOptions ps;
  ps.arguments = std::move(command);
  // A busy machine's processes take more than what is kept of other programs.
  ps.max_caught = std::size_t{64} << 20;
  TRY_ASSIGN(SpawnOutput output, spawn_and_wait(ps));
  if (output.exit_code != 0) {
    // Behind its first line is how it is used.
    return fail(Code::kInvalidArgument, cat("ps: ", split(trim(output.error_text), '\n').front()));
  }
  std::vector<std::string_view> lines = split(output.output, '\n');
  TopAnswer answer;
  answer.titles = columns_of(lines.front(), std::numeric_limits<std::size_t>::max());
  auto pid_title = std::ranges::find(answer.titles, "PID");
  if (pid_title == answer.titles.end()) {
    return fail(Code::kInvalidArgument, "Couldn't find PID field in ps output");
  }
  auto pid_column = static_cast<std::size_t>(pid_title - answer.titles.begin());
  for (std::string_view line : std::span(lines).subspan(1)) {
    std::vector<std::string> columns = columns_of(line, answer.titles.size());
    if (columns.size() <= pid_column) continue;
    auto pid = parse_number<std::uint32_t>(columns[pid_column]);
    bool ours = pid && std::ranges::any_of(processes, [&](const rpc::ProcessInfo& process) {
                  return process.pid == *pid;
                });
    if (ours) answer.processes.push_back(std::move(columns));
  }
  publish(*container->record(), "top");
  return answer;
}

}  // namespace dhow::engine
