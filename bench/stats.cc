// SPDX-License-Identifier: Apache-2.0
#include "bench/stats.h"

#include <algorithm>
#include <cmath>

namespace dhow::bench {

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return values[std::min(index, values.size() - 1)];
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Summary summarize(const std::vector<LaunchReply>& samples) {
  Summary summary;
  std::vector<double> wall;
  std::vector<double> cpu;
  for (const LaunchReply& sample : samples) {
    wall.push_back(static_cast<double>(sample.wall_ns) / 1e6);
    cpu.push_back(static_cast<double>(sample.user_us + sample.system_us) / 1e3);
    summary.max_rss_kib = std::max(summary.max_rss_kib, sample.max_rss_kib);
  }
  summary.count = samples.size();
  summary.median_ms = median(wall);
  summary.p90_ms = quantile(wall, 0.9);
  summary.min_ms = quantile(wall, 0);
  summary.cpu_ms = median(cpu);
  return summary;
}

}  // namespace dhow::bench
