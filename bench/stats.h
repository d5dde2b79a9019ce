// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "bench/wire.h"

namespace dhow::bench {

// One number out of many measurements. All are 0 for no measurement.
struct Summary {
  double median_ms = 0;
  double p90_ms = 0;
  double min_ms = 0;
  double cpu_ms = 0;     // median of user + system time
  long max_rss_kib = 0;  // the largest
  std::size_t count = 0;
};

// The value that `share` (0 to 1) of the sorted values do not exceed, by nearest rank.
double quantile(std::vector<double> values, double share);

// The middle value, or the mean of the two in the middle.
double median(std::vector<double> values);

Summary summarize(const std::vector<LaunchReply>& samples);

}  // namespace dhow::bench
