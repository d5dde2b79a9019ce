// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/make.h"

#include <utility>

#include "base/strings.h"
#include "runtime/cgroup/disabled.h"
#include "runtime/cgroup/systemd.h"
#include "runtime/cgroup/v1.h"
#include "runtime/cgroup/v2.h"

namespace dhow::cgroup {
namespace {

// On v2 the folder is the only one; on v1 there is at least one with a name.
bool is_unified(const Location& location) {
  return location.paths.empty() ||
         (location.paths.size() == 1 && location.paths.begin()->first.empty());
}

// A process that may write to a v1 cgroup can do more than move its own.
Status check_delegation(const Settings& settings, bool has_unified) {
  if (has_unified || !settings.annotations.contains(std::string(kDelegateAnnotation))) return {};
  return fail(Code::kInvalidArgument, cat("annotation ", kDelegateAnnotation,
                                          ": needs cgroup v2, and a manager of cgroups"));
}

}  // namespace

Result<std::unique_ptr<Cgroup>> make_cgroup(const Settings& settings, const HostView& host) {
  if (settings.kind == ManagerKind::kDisabled) {
    TRY(check_delegation(settings, false));
    return make_disabled();
  }
  TRY_ASSIGN(Layout layout, detect_layout(host));
  TRY(check_delegation(settings, layout.mode == Mode::kUnified));
  if (settings.kind == ManagerKind::kSystemd) {
    bool user = settings.rootless;
    return make_systemd(settings, host, layout, [user] { return connect_systemd(user); });
  }
  if (layout.mode == Mode::kUnified) {
    TRY_ASSIGN(Location location, locate_v2(settings, host, *layout.unified));
    return std::make_unique<V2Cgroup>(std::move(location), settings, host);
  }
  TRY_ASSIGN(Location location, locate_v1(settings, host, layout));
  return std::make_unique<V1Cgroup>(std::move(location), settings, host);
}

Result<std::unique_ptr<Cgroup>> open_cgroup(const Location& location, const Settings& settings,
                                            const HostView& host) {
  if (location.kind == ManagerKind::kDisabled) return make_disabled();
  if (location.kind == ManagerKind::kSystemd) {
    bool user = location.user_manager;
    return open_systemd(location, settings, host, [user] { return connect_systemd(user); });
  }
  if (is_unified(location)) return std::make_unique<V2Cgroup>(location, settings, host);
  return std::make_unique<V1Cgroup>(location, settings, host);
}

Result<std::unique_ptr<Cgroup>> make_cgroup(const Settings& settings) {
  return make_cgroup(settings, HostView{});
}

Result<std::unique_ptr<Cgroup>> open_cgroup(const Location& location, const Settings& settings) {
  return open_cgroup(location, settings, HostView{});
}

}  // namespace dhow::cgroup
