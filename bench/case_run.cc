// SPDX-License-Identifier: Apache-2.0
// Foreground `run` of a program that ends at once: everything that a runtime does, in one command.

#include <map>

#include "base/strings.h"
#include "bench/cases.h"

namespace dhow::bench {
namespace {

// One `run` of the bundle that `spec` describes, in each round.
Result<std::vector<CaseResult>> measure(Contenders& contenders, int rounds, const CaseLabel& label,
                                        const SpecOptions& spec) {
  return interleave(
      contenders, rounds, {label},
      [&](Contender& contender, int round) -> Result<std::vector<LaunchReply>> {
        TRY_ASSIGN(const std::string bundle, contender.write_bundle(label.key, spec));
        TRY_ASSIGN(const LaunchReply reply,
                   contender.invoke({"run", "--bundle", bundle, cat(label.key, "-", round)}));
        return std::vector<LaunchReply>{reply};
      });
}

}  // namespace

Result<std::vector<CaseResult>> measure_run(Contenders& contenders, int rounds) {
  return measure(contenders, rounds, {"run", "run"}, {.args = {"/bin/true"}});
}

Result<std::vector<CaseResult>> measure_run_no_seccomp(Contenders& contenders, int rounds) {
  return measure(contenders, rounds, {"run-no-seccomp", "run, no seccomp profile"},
                 {.args = {"/bin/true"}, .seccomp = false});
}

Result<std::vector<CaseResult>> measure_run_user_namespace(Contenders& contenders, int rounds) {
  return measure(contenders, rounds, {"run-userns", "run, user namespace"},
                 {.args = {"/bin/true"}, .user_namespace = true});
}

Result<std::vector<CaseResult>> measure_mounts(Contenders& contenders, int rounds) {
  std::map<std::string, Launcher> crowded;
  for (const Contender& contender : contenders) {
    TRY_ASSIGN(Launcher launcher, contender.start_launcher(kExtraMounts, false));
    crowded.emplace(contender.name(), std::move(launcher));
  }
  const SpecOptions spec{.args = {"/bin/true"}};
  const std::vector<CaseLabel> labels = {
      {"mounts-0", "run, no extra host mounts"},
      {cat("mounts-", kExtraMounts), cat("run, ", kExtraMounts, " extra host mounts")}};
  return interleave(contenders, rounds, labels,
                    [&](Contender& contender, int round) -> Result<std::vector<LaunchReply>> {
                      TRY_ASSIGN(const std::string bundle, contender.write_bundle("mounts", spec));
                      TRY_ASSIGN(const LaunchReply few,
                                 contender.invoke({"run", "--bundle", bundle, cat("few-", round)}));
                      TRY_ASSIGN(const LaunchReply many,
                                 contender.invoke({"run", "--bundle", bundle, cat("many-", round)},
                                                  crowded.at(contender.name())));
                      return std::vector<LaunchReply>{few, many};
                    });
}

}  // namespace dhow::bench
