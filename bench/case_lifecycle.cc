// SPDX-License-Identifier: Apache-2.0
// The commands that engines drive containers with, one by one.

#include <algorithm>
#include <filesystem>

#include "base/strings.h"
#include "bench/cases.h"

namespace dhow::bench {
namespace {

// Waits for a signal: /bin/true with any argument.
SpecOptions waiting_container() { return {.args = {"/bin/true", "wait"}}; }

Result<LaunchReply> create(Contender& contender, const std::string& id) {
  TRY_ASSIGN(const std::string bundle, contender.write_bundle(id, waiting_container()));
  return contender.invoke({"create", "--bundle", bundle, "--pid-file", contender.pid_file(id), id});
}

// Runs `setup` for each runtime. A runtime whose setup fails shows that error when it is measured.
template <typename Setup>
Status set_up(Contenders& contenders, std::vector<std::string>& errors, const Setup& setup) {
  for (Contender& contender : contenders) {
    const Status status = setup(contender);
    if (!status && status.error().code() == Code::kCancelled) return status;
    errors.push_back(status ? "" : status.error().message());
  }
  return {};
}

Status check_setup(const Contenders& contenders, const Contender& contender,
                   const std::vector<std::string>& errors) {
  const auto index = static_cast<std::size_t>(&contender - contenders.data());
  if (errors[index].empty()) return {};
  return fail(Code::kFailedPrecondition, errors[index]);
}

int count_fds(pid_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(cat("/proc/", pid, "/fd"), error);
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

}  // namespace

Result<std::vector<CaseResult>> measure_lifecycle(Contenders& contenders, int rounds) {
  return interleave(
      contenders, rounds,
      {{"create", "create"}, {"start", "start"}, {"kill", "kill"}, {"delete", "delete"}},
      [&](Contender& contender, int) -> Result<std::vector<LaunchReply>> {
        const std::string id = "lifecycle";
        TRY_ASSIGN(const LaunchReply created, create(contender, id));
        TRY_ASSIGN(const LaunchReply started, contender.invoke({"start", id}));
        TRY_ASSIGN(const LaunchReply killed, contender.invoke({"kill", id, "KILL"}));
        TRY(contender.wait_stopped(id));
        TRY_ASSIGN(const LaunchReply deleted, contender.invoke({"delete", id}));
        return std::vector<LaunchReply>{created, started, killed, deleted};
      });
}

Result<std::vector<CaseResult>> measure_exec_and_state(Contenders& contenders, int rounds,
                                                       std::vector<InheritedFds>& inherited) {
  std::vector<std::string> errors;
  const std::string id = "running";
  const auto prepare = [&](Contender& contender) -> Status {
    TRY(create(contender, id));
    TRY(contender.invoke({"start", id}));
    // The first exec also proves that the container's own program runs: start only lets it go.
    TRY(contender.invoke({"exec", id, "/bin/true"}));
    TRY_ASSIGN(const pid_t pid, contender.read_pid(id));
    inherited.push_back({.contender = contender.name(), .count = count_fds(pid)});
    return {};
  };
  TRY(set_up(contenders, errors, prepare));
  auto results = interleave(contenders, rounds, {{"exec", "exec"}, {"state", "state"}},
                            [&](Contender& contender, int) -> Result<std::vector<LaunchReply>> {
                              TRY(check_setup(contenders, contender, errors));
                              TRY_ASSIGN(const LaunchReply executed,
                                         contender.invoke({"exec", id, "/bin/true"}));
                              TRY_ASSIGN(const LaunchReply state, contender.invoke({"state", id}));
                              return std::vector<LaunchReply>{executed, state};
                            });
  for (Contender& contender : contenders) contender.wipe();
  return results;
}

Result<std::vector<CaseResult>> measure_list(Contenders& contenders, int rounds) {
  constexpr int kContainers = 100;
  std::vector<std::string> errors;
  const auto prepare = [&](Contender& contender) -> Status {
    for (int i = 0; i < kContainers; ++i) TRY(create(contender, cat("listed-", i)));
    return {};
  };
  TRY(set_up(contenders, errors, prepare));
  auto results =
      interleave(contenders, rounds, {{"list-100", cat("list, ", kContainers, " containers")}},
                 [&](Contender& contender, int) -> Result<std::vector<LaunchReply>> {
                   TRY(check_setup(contenders, contender, errors));
                   TRY_ASSIGN(const LaunchReply reply, contender.invoke({"list"}));
                   return std::vector<LaunchReply>{reply};
                 });
  for (Contender& contender : contenders) contender.wipe();
  return results;
}

}  // namespace dhow::bench
