// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "bench/report.h"
#include "bench/stats.h"

namespace dhow::bench {
namespace {

constexpr const char* kOurs = "dhow";

std::optional<double> median_of(const Report& report, const std::string& key,
                                const std::string& contender) {
  const Series* series = find_series(report, key, contender);
  if (series == nullptr) return std::nullopt;
  return summarize(series->samples).median_ms;
}

std::optional<double> divide(std::optional<double> a, std::optional<double> b) {
  if (!a || !b || *b == 0) return std::nullopt;
  return *a / *b;
}

// The most memory that any of our commands took.
std::optional<double> peak_rss_kib(const Report& report) {
  std::optional<double> peak;
  for (const CaseResult& result : report.cases) {
    const Series* series = find_series(report, result.key, kOurs);
    if (series == nullptr) continue;
    const auto rss = static_cast<double>(summarize(series->samples).max_rss_kib);
    peak = std::max(peak.value_or(0), rss);
  }
  return peak;
}

std::optional<double> program_kib(const Report& report) {
  for (const ContenderInfo& info : report.contenders) {
    if (info.name == kOurs) return static_cast<double>(info.size_bytes) / 1024;
  }
  return std::nullopt;
}

std::string verdict(const std::string& what, std::optional<double> value, double limit) {
  if (!value) return cat("- not measured: ", what, "\n");
  return cat(*value <= limit ? "- holds: " : "- does not hold: ", what, " (", fixed(*value, 2),
             ")\n");
}

}  // namespace

std::string check_targets(const Report& report) {
  const auto ours = [&](const std::string& key) { return median_of(report, key, kOurs); };
  const std::string crowded = cat("mounts-", kExtraMounts);
  return cat("\nTargets:\n\n",
             verdict("run takes at most 0.6 of crun's time",
                     divide(ours("run"), median_of(report, "run", "crun")), 0.6),
             verdict("run takes at most 0.2 of runc's time",
                     divide(ours("run"), median_of(report, "run", "runc")), 0.2),
             verdict("exec takes at most 0.6 of crun's time",
                     divide(ours("exec"), median_of(report, "exec", "crun")), 0.6),
             verdict(cat(kExtraMounts, " host mounts make run at most 1.3 times as long"),
                     divide(ours(crowded), ours("mounts-0")), 1.3),
             verdict("peak RSS in KiB is below 2048", peak_rss_kib(report), 2047),
             verdict("the program's size in KiB is below 3072", program_kib(report), 3071));
}

}  // namespace dhow::bench
