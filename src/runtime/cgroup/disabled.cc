// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/disabled.h"

#include "base/strings.h"
#include "runtime/cgroup/convert.h"

namespace dhow::cgroup {
namespace {

std::unexpected<Error> refused(std::string_view what) {
  return fail(Code::kFailedPrecondition, cat("cannot ", what, ": cgroups are disabled"));
}

class DisabledCgroup final : public Cgroup {
 public:
  DisabledCgroup() { location_.kind = ManagerKind::kDisabled; }

  Result<JoinPlan> prepare(const oci::Resources*) override { return JoinPlan{}; }
  Status attach(pid_t, const oci::Resources*) override { return {}; }
  Status apply(const oci::Resources& resources) override {
    return wants_any_limit(resources) ? refused("set limits") : Status{};
  }
  Status update(const oci::Resources& resources) override { return apply(resources); }
  // Device rules come with every configuration, and go without saying here.
  Status apply_devices(const oci::Resources&) override { return {}; }
  Result<JoinPlan> plan_join(const std::map<std::string, std::string>& sub_paths, pid_t) override {
    if (!sub_paths.empty()) return refused("join a sub cgroup");
    return JoinPlan{};
  }
  Status freeze() override { return refused("freeze the container"); }
  Status thaw() override { return refused("thaw the container"); }
  Result<FreezerState> freezer_state() override { return FreezerState::kUndefined; }
  Result<std::vector<pid_t>> pids(bool) override { return refused("list processes"); }
  Status kill_all(int) override { return refused("signal all processes"); }
  Status destroy() override { return {}; }
  Result<std::string> stats_json() override { return refused("read statistics"); }
  const Location& location() const override { return location_; }
  bool exists() const override { return false; }
  Result<OomWatch> watch_oom() override {
    return fail(Code::kUnimplemented, "watch memory: cgroups are disabled");
  }
  Result<std::uint64_t> oom_kill_count() override {
    return fail(Code::kUnimplemented, "count OOM kills: cgroups are disabled");
  }

 private:
  Location location_;
};

}  // namespace

std::unique_ptr<Cgroup> make_disabled() { return std::make_unique<DisabledCgroup>(); }

}  // namespace dhow::cgroup
