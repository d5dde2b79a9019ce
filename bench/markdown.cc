// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <sys/stat.h>

#include <charconv>
#include <cstring>

#include "base/strings.h"
#include "bench/report.h"
#include "bench/stats.h"
#include "sys/file_io.h"

namespace dhow::bench {
namespace {

std::string row(const std::vector<std::string>& cells) {
  return cat("| ", join(cells, " | "), " |\n");
}

// A table's head; all columns but the first `text_columns` are numbers.
std::string head(const std::vector<std::string>& cells, std::size_t text_columns) {
  std::vector<std::string> rule;
  for (std::size_t i = 0; i < cells.size(); ++i) rule.push_back(i < text_columns ? "---" : "---:");
  return row(cells) + row(rule);
}

std::string environment(const Report& report) {
  const Environment& where = report.environment;
  std::string text =
      cat("- date: ", where.date, "\n- kernel: ", where.kernel, "\n- cpu: ", where.cpu,
          "\n- memory: ", where.memory, "\n- cgroups: ", where.cgroups,
          "\n- load average at the start: ", where.load, "\n- command: `", where.command,
          "`\n- rounds: ", report.rounds, " after ", kWarmupRounds,
          " that do not count; in each round every runtime has its turn\n");
  std::string hidden;
  for (const ContenderInfo& contender : report.contenders) {
    text += cat("- ", contender.name, ": `", contender.program, "`, ", contender.version, "\n");
    if (contender.hide_unified) hidden += cat(hidden.empty() ? "" : ", ", contender.name);
  }
  text += "- every runtime runs in a mount namespace of its own, made before the clock starts";
  if (!hidden.empty())
    text += cat("; in that of ", hidden, ", /sys/fs/cgroup/unified is unmounted");
  return text + "\n- root filesystem, bundles and state folders are on a tmpfs\n";
}

std::string case_rows(const Report& report, const CaseResult& result) {
  std::string text;
  for (const Series& series : result.series) {
    std::vector<std::string> cells = {result.title, series.contender};
    if (!series.error.empty()) {
      text += cat("| ", result.title, " | ", series.contender, " | failed |\n");
      continue;
    }
    const Summary own = summarize(series.samples);
    cells.push_back(fixed(own.median_ms, 2));
    cells.push_back(fixed(own.p90_ms, 2));
    cells.push_back(fixed(own.min_ms, 2));
    cells.push_back(fixed(own.cpu_ms, 2));
    cells.push_back(cat(own.max_rss_kib));
    for (const ContenderInfo& peer : report.contenders) {
      const Series* other = find_series(report, result.key, peer.name);
      cells.push_back(
          other == nullptr ? "–" : fixed(own.median_ms / summarize(other->samples).median_ms, 2));
    }
    text += row(cells);
  }
  return text;
}

std::string cases(const Report& report) {
  if (report.cases.empty()) return {};
  std::vector<std::string> columns = {"case",   "runtime", "median ms",   "p90 ms",
                                      "min ms", "CPU ms",  "peak RSS KiB"};
  for (const ContenderInfo& peer : report.contenders) columns.push_back(cat("× ", peer.name));
  std::string text = cat("\n", head(columns, 2));
  for (const CaseResult& result : report.cases) text += case_rows(report, result);
  return text +
         "\nCPU: user and system time of the command and the processes it waited for, median. "
         "Peak RSS: the largest of\nthose processes, over all rounds. × NAME: median divided by "
         "the median of NAME; below 1 is faster than NAME.\n";
}

std::string mounts_ratio(const Report& report) {
  std::string rows;
  for (const ContenderInfo& contender : report.contenders) {
    const Series* few = find_series(report, "mounts-0", contender.name);
    const Series* many = find_series(report, cat("mounts-", kExtraMounts), contender.name);
    if (few == nullptr || many == nullptr) continue;
    const Summary more = summarize(many->samples);
    const Summary less = summarize(few->samples);
    // The difference too: the faster a runtime is, the worse its ratio looks for the same cost.
    rows += row({contender.name, fixed(more.median_ms / less.median_ms, 2),
                 fixed(more.median_ms - less.median_ms, 2), fixed(more.cpu_ms - less.cpu_ms, 2)});
  }
  if (rows.empty()) return {};
  return cat("\n",
             head({"runtime", cat("run with ", kExtraMounts, " mounts / without"), "ms more",
                   "CPU ms more"},
                  1),
             rows);
}

std::string floors(const Report& report) {
  if (report.floors.empty()) return {};
  std::string text =
      cat("\n", head({"container program", "runtime", "smallest memory limit KiB"}, 2));
  for (const MemoryFloor& floor : report.floors) {
    std::string limit = "failed";
    if (floor.limit_kib != 0) limit = cat(floor.limit_kib);
    if (floor.limit_kib == kSmallestLimitKib) limit = cat("≤ ", limit);
    text += row({floor.payload, floor.contender, limit});
  }
  return text;
}

std::string parallel(const Report& report) {
  if (report.parallel.empty()) return {};
  std::string text =
      cat("\n", head({"runtime", "containers", "containers/s", "CPU ms each", "mounts left",
                      "cgroups left", "state entries left", "processes left"},
                     1));
  for (const ParallelResult& result : report.parallel) {
    if (!result.error.empty()) {
      text += cat("| ", result.contender, " | failed |\n");
      continue;
    }
    text +=
        row({result.contender, cat(result.containers), fixed(result.containers / result.seconds, 1),
             fixed(result.cpu_ms, 2), cat(result.mounts), cat(result.cgroups),
             cat(result.state_entries), cat(result.processes)});
  }
  return text + "\nEach container is created, started, killed and deleted; 8 at a time.\n";
}

std::string binaries(const Report& report) {
  std::string text = cat("\n", head({"runtime", "program KiB", "shared libraries"}, 1));
  for (const ContenderInfo& contender : report.contenders) {
    text += row({contender.name, cat((contender.size_bytes + 1023) / 1024),
                 contender.dynamic ? "yes" : "no"});
  }
  return text;
}

std::string inherited(const Report& report) {
  if (report.inherited_fds.empty()) return {};
  std::string text = cat("\n", head({"runtime", "descriptors open in a container's program"}, 1));
  for (const InheritedFds& fds : report.inherited_fds) {
    text += row({fds.contender, cat(fds.count)});
  }
  return text;
}

std::string failures(const Report& report) {
  std::string text;
  const auto add = [&](std::string_view where, const std::string& who, const std::string& error) {
    if (!error.empty()) text += cat("- ", where, ", ", who, ": ", error, "\n");
  };
  for (const CaseResult& result : report.cases) {
    for (const Series& series : result.series) add(result.title, series.contender, series.error);
  }
  for (const MemoryFloor& floor : report.floors) {
    add("memory floor", floor.contender, floor.error);
  }
  for (const ParallelResult& result : report.parallel) {
    add("parallel", result.contender, result.error);
  }
  return text.empty() ? "" : cat("\nFailed:\n\n", text);
}

}  // namespace

std::string fixed(double value, int digits) {
  char text[64];
  const auto [end, error] =
      std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return error == std::errc() ? std::string(text, end) : "0";
}

const Series* find_series(const Report& report, const std::string& key,
                          const std::string& contender) {
  for (const CaseResult& result : report.cases) {
    if (result.key != key) continue;
    for (const Series& series : result.series) {
      if (series.contender == contender && series.error.empty() && !series.samples.empty()) {
        return &series;
      }
    }
  }
  return nullptr;
}

ContenderInfo describe(const Contender& contender) {
  ContenderInfo info{.name = contender.name(),
                     .program = contender.program(),
                     .version = contender.version(),
                     .hide_unified = contender.hide_unified()};
  const auto content = read_file(contender.program());
  if (!content || content->size() < sizeof(Elf64_Ehdr)) return info;
  info.size_bytes = static_cast<long>(content->size());
  Elf64_Ehdr header;
  std::memcpy(&header, content->data(), sizeof header);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const std::size_t offset = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (offset + sizeof(Elf64_Phdr) > content->size()) break;
    Elf64_Phdr segment;
    std::memcpy(&segment, content->data() + offset, sizeof segment);
    if (segment.p_type == PT_INTERP) info.dynamic = true;
  }
  return info;
}

std::string to_markdown(const Report& report) {
  return cat(environment(report), cases(report), mounts_ratio(report), floors(report),
             parallel(report), inherited(report), binaries(report), failures(report));
}

}  // namespace dhow::bench
