// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/strings.h"
#include "bench/cases.h"

namespace dhow::bench {

Result<std::vector<CaseResult>> interleave(Contenders& contenders, int rounds,
                                           const std::vector<CaseLabel>& labels,
                                           const Sampler& sampler) {
  std::vector<CaseResult> results;
  for (const CaseLabel& label : labels) {
    CaseResult result{.key = label.key, .title = label.title, .series = {}};
    for (const Contender& contender : contenders) {
      result.series.push_back({.contender = contender.name(), .samples = {}, .error = {}});
    }
    results.push_back(std::move(result));
  }
  const std::size_t count = contenders.size();
  for (int round = 0; round < kWarmupRounds + rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t which = (i + static_cast<std::size_t>(round)) % count;
      if (!results.front().series[which].error.empty()) continue;
      Contender& contender = contenders[which];
      auto samples = sampler(contender, round);
      if (!samples) {
        if (samples.error().code() == Code::kCancelled) return fail(samples.error());
        log::warning(cat(labels.front().key, ": ", samples.error().message()));
        for (CaseResult& result : results) result.series[which].error = samples.error().message();
        contender.wipe();
        continue;
      }
      if (round < kWarmupRounds) continue;
      for (std::size_t label = 0; label < results.size(); ++label) {
        results[label].series[which].samples.push_back((*samples)[label]);
      }
    }
  }
  return results;
}

}  // namespace dhow::bench
