// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/v2.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/freezer.h"
#include "runtime/cgroup/paths.h"
#include "runtime/cgroup/processes.h"
#include "runtime/cgroup/v2_apply.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

// The path in the line "0::/path" of a /proc/<pid>/cgroup.
std::string unified_path(std::string_view text) {
  for (std::string_view line : split(text, '\n')) {
    if (line.starts_with("0::")) return std::string(line.substr(3));
  }
  return {};
}

std::string common_ancestor(std::string_view a, std::string_view b) {
  std::string left_path = clean_path(a);
  std::string right_path = clean_path(b);
  auto left = split(left_path, '/');
  auto right = split(right_path, '/');
  std::string common;
  for (std::size_t i = 1; i < left.size() && i < right.size() && left[i] == right[i]; ++i) {
    common += cat("/", left[i]);
  }
  return common;
}

}  // namespace

Result<Location> locate_v2(const Settings& settings, const HostView& host,
                           const Hierarchy& hierarchy) {
  Location location;
  location.kind = settings.kind;
  std::string base = "/";
  if (!settings.cgroups_path.starts_with('/')) {
    TRY_ASSIGN(std::string own, own_below_mount(host, hierarchy));
    // A cgroup that has processes can't enable controllers for children, so: beside the own one.
    base = parent_path(own);
  }
  std::string path = container_path(base, settings.cgroups_path, settings.container_id);
  location.paths[""] = path == "/" ? hierarchy.mount : cat(hierarchy.mount, path);
  return location;
}

V2Cgroup::V2Cgroup(Location location, Settings settings, HostView host)
    : location_(std::move(location)), settings_(std::move(settings)), host_(std::move(host)) {}

Result<Folder> V2Cgroup::open() const {
  auto at = location_.paths.find("");
  if (at == location_.paths.end()) return fail(Code::kNotFound, "cgroup not exist");
  auto folder = Folder::open(at->second, host_.v2_kind());
  if (!folder && is_missing(folder.error())) {
    return fail(std::move(folder).error().add_context("cgroup not exist"));
  }
  return folder;
}

// An unprivileged process may move itself only when it may write to cgroup.procs of the nearest
// common ancestor too.
Status V2Cgroup::may_join(const Folder& folder) const {
  if (!settings_.rootless) return {};
  TRY_ASSIGN(std::string text, read_file(host_.self_cgroup));
  std::string target = folder.path().substr(host_.mount_root.size());
  std::string procs =
      cat(host_.mount_root, common_ancestor(unified_path(text), target), "/cgroup.procs");
  if (::faccessat(AT_FDCWD, procs.c_str(), W_OK, AT_EACCESS) == 0) return {};
  return fail_errno(errno, cat("move to cgroup ", quoted(folder.path())));
}

Status V2Cgroup::refuse_used(const Folder& folder) const {
  std::vector<pid_t> found;
  TRY(collect_pids(folder, true, found));
  if (!found.empty()) {
    return fail(Code::kFailedPrecondition,
                cat("container's cgroup is not empty: ", found.size(), " process(es) found"));
  }
  TRY_ASSIGN(FreezerState state, read_freezer(folder, true));
  if (state != FreezerState::kFrozen) return {};
  return fail(Code::kFailedPrecondition, "container's cgroup unexpectedly frozen");
}

Result<JoinPlan> V2Cgroup::prepare(const oci::Resources* resources) {
  TRY(delegated_path());
  const std::string path = location_.paths.at("");
  auto made = make_v2_folder(host_.mount_root, path, host_.v2_kind());
  Status joinable = made ? may_join(made->folder) : Status{};
  if (!made || !joinable) {
    Error cause = made ? std::move(joinable).error() : std::move(made).error();
    if (made && !made->existed) std::ignore = try_remove_cgroup(path, host_.v2_kind());
    if (!settings_.rootless || !is_denied(cause)) return fail(std::move(cause));
    if (settings_.cgroups_path.empty() && (resources == nullptr || !wants_any_limit(*resources))) {
      location_.paths.clear();
      return JoinPlan{};
    }
    return fail(std::move(cause).add_context(
        "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"));
  }
  foreign_ = made->existed;
  if (foreign_) TRY(refuse_used(made->folder));
  foreign_ = false;
  auto delegated = delegate();
  Result<Fd> joined = delegated ? made->folder.fd().duplicate() : fail(delegated.error());
  if (!joined) {
    if (!made->existed) std::ignore = try_remove_cgroup(path, host_.v2_kind());
    return fail(std::move(joined).error());
  }
  JoinPlan plan;
  plan.unified_dir = std::move(*joined);
  return plan;
}

bool V2Cgroup::is_owned_by_another() const {
  return settings_.has_cgroup_namespace && settings_.cgroup_mount_writable && settings_.owner_uid &&
         *settings_.owner_uid != ::geteuid();
}

Status V2Cgroup::delegate() const {
  if (!is_owned_by_another()) return {};
  TRY_ASSIGN(Folder folder, open());
  return give_to_owner(folder);
}

Status V2Cgroup::give_to_owner(const Folder& folder) const {
  uid_t owner = *settings_.owner_uid;
  constexpr auto kKeep = static_cast<gid_t>(-1);
  if (::fchown(folder.fd().get(), owner, kKeep) != 0) {
    return fail_errno(errno, cat("change owner of ", quoted(folder.path())));
  }
  auto listed = read_file(host_.delegate_list);
  // The list is there since Linux 4.15; these three were always meant.
  std::string names =
      listed ? std::move(*listed) : "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
  for (std::string_view name : split(names, '\n')) {
    if (name.empty()) continue;
    // Files of controllers that are off here are listed too.
    if (::fchownat(folder.fd().get(), std::string(name).c_str(), owner, kKeep,
                   AT_SYMLINK_NOFOLLOW) != 0 &&
        errno != ENOENT) {
      return fail_errno(errno, cat("change owner of ", quoted(cat(folder.path(), "/", name))));
    }
  }
  return {};
}

Status V2Cgroup::attach(pid_t, const oci::Resources*) { return {}; }

Result<std::string> V2Cgroup::delegated_path() const {
  auto name = settings_.annotations.find(std::string(kDelegateAnnotation));
  auto base = location_.paths.find("");
  if (name == settings_.annotations.end() || base == location_.paths.end()) return std::string();
  auto path = join_sub_path(base->second, name->second);
  if (path && *path == base->second) path = fail(Code::kInvalidArgument, "names no cgroup below");
  if (path) return path;
  return fail(std::move(path).error().add_context(cat("annotation ", kDelegateAnnotation)));
}

Status V2Cgroup::enter_delegated(pid_t pid) {
  TRY_ASSIGN(std::string path, delegated_path());
  if (path.empty()) return {};
  TRY_ASSIGN(auto made, Folder::make(path, location_.paths.at(""), host_.v2_kind()));
  TRY(made.folder.write("cgroup.procs", cat(pid)));
  return is_owned_by_another() ? give_to_owner(made.folder) : Status{};
}

Status V2Cgroup::apply(const oci::Resources& resources) {
  if (location_.paths.empty() && !wants_any_limit(resources)) return {};
  TRY_ASSIGN(Folder folder, open());
  return apply_v2(folder, resources);
}

Status V2Cgroup::update(const oci::Resources& resources) {
  TRY(change(resources));
  return {};
}

Result<OldValues> V2Cgroup::change(const oci::Resources& resources) {
  OldValues old;
  if (location_.paths.empty() && !wants_any_limit(resources)) return old;
  TRY_ASSIGN(Folder folder, open());
  folder.keep_old_values(old);
  auto written = apply_v2(folder, resources);
  if (written) return old;
  put_back(old);
  return fail(std::move(written).error());
}

Status V2Cgroup::apply_devices(const oci::Resources& resources) {
  if (location_.paths.empty()) return {};
  TRY_ASSIGN(Folder folder, open());
  TRY_ASSIGN(DevicePolicy policy, make_device_policy(resources.devices));
  auto done = apply_devices_v2(folder, policy);
  // Loading a program needs privileges that a user namespace doesn't have.
  if (!done && settings_.rootless && is_denied(done.error())) return {};
  return done;
}

// A cgroup with controlled children refuses processes (EBUSY), so an exec follows the init of the
// container, which must have moved into one of those, or was put there as the container's manager.
Result<std::string> V2Cgroup::join_path(const std::string& path, pid_t init_pid) const {
  if (init_pid <= 0) return path;
  TRY_ASSIGN(Folder folder, open());
  TRY_ASSIGN(std::string enabled, folder.read("cgroup.subtree_control"));
  TRY_ASSIGN(std::string delegated, delegated_path());
  if (enabled.empty() && delegated.empty()) return path;
  auto text = read_file(cat("/proc/", init_pid, "/cgroup"));
  if (!text) return path;
  std::string init = cat(host_.mount_root, unified_path(*text));
  return init.starts_with(cat(path, "/")) ? init : path;
}

Result<JoinPlan> V2Cgroup::plan_join(const std::map<std::string, std::string>& sub_paths,
                                     pid_t init_pid) {
  JoinPlan plan;
  if (location_.paths.empty()) return plan;
  for (const auto& [controller, sub] : sub_paths) {
    if (!controller.empty()) {
      return fail(Code::kInvalidArgument,
                  cat("unknown controller ", quoted(controller), ": cgroup v2 has one tree"));
    }
  }
  const std::string& base = location_.paths.at("");
  auto sub = sub_paths.find("");
  std::string path;
  if (sub == sub_paths.end()) {
    TRY_ASSIGN(path, join_path(base, init_pid));
  } else {
    TRY_ASSIGN(path, join_sub_path(base, sub->second));
  }
  auto folder = Folder::open(path, host_.v2_kind());
  if (!folder) return fail(std::move(folder).error().add_context("cgroup not exist"));
  TRY_ASSIGN(plan.unified_dir, folder->fd().duplicate());
  return plan;
}

Status V2Cgroup::freeze() {
  TRY_ASSIGN(Folder folder, open());
  return freeze_folder(folder, true);
}

Status V2Cgroup::thaw() {
  TRY_ASSIGN(Folder folder, open());
  return thaw_folder(folder, true);
}

Result<FreezerState> V2Cgroup::freezer_state() {
  auto folder = open();
  if (!folder) {
    if (folder.error().code() == Code::kNotFound) return FreezerState::kUndefined;
    return fail(std::move(folder).error());
  }
  return read_freezer(*folder, true);
}

Result<std::vector<pid_t>> V2Cgroup::pids(bool recursive) {
  TRY_ASSIGN(Folder folder, open());
  std::vector<pid_t> found;
  TRY(collect_pids(folder, recursive, found));
  return found;
}

Status V2Cgroup::kill_all(int signal) {
  auto folder = open();
  if (!folder) return folder.error().code() == Code::kNotFound ? Status{} : fail(folder.error());
  if (signal == SIGKILL) {
    auto killed = folder->write("cgroup.kill", "1");
    // Linux before 5.14, or a threaded cgroup.
    if (killed || (killed.error().sys_errno() != ENOENT && !is_denied(killed.error()) &&
                   killed.error().sys_errno() != EOPNOTSUPP)) {
      return killed;
    }
  }
  TRY_ASSIGN(FreezerState state, read_freezer(*folder, true));
  bool freeze_first = state == FreezerState::kThawed;
  // Stops forks from slipping through; a second round by the caller gets what still does.
  if (freeze_first) std::ignore = freeze_folder(*folder, true, kKillFreezeLimitMs);
  std::vector<pid_t> found;
  auto collected = collect_pids(*folder, true, found);
  Status sent = signal_pids(found, signal);
  Status thawed = freeze_first ? thaw_folder(*folder, true) : Status{};
  TRY(std::move(collected));
  TRY(std::move(sent));
  return thawed;
}

Status V2Cgroup::destroy() {
  if (foreign_ || location_.paths.empty()) return {};
  const std::string& path = location_.paths.at("");
  TRY_ASSIGN(bool removed, try_remove_cgroup(path, host_.v2_kind()));
  if (removed) return {};
  auto left = pids(true);
  if (left && !left->empty()) TRY(kill_all(SIGKILL));
  return remove_cgroup(path, host_.v2_kind(), kRemoveLimitMs);
}

bool V2Cgroup::exists() const { return open().has_value(); }

}  // namespace dhow::cgroup
