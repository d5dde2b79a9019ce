// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/v1.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/freezer.h"
#include "runtime/cgroup/paths.h"
#include "runtime/cgroup/processes.h"
#include "runtime/cgroup/v2_apply.h"

namespace dhow::cgroup {
namespace {

std::size_t rank_of(std::string_view controller) {
  auto at = std::ranges::find(kControllerOrder, controller);
  return static_cast<std::size_t>(at - kControllerOrder.begin());
}

Status visit_cpuset(const Folder& parent, const Folder& child, void*) {
  return fill_cpuset(parent, child);
}

}  // namespace

const std::vector<std::string_view> kControllerOrder = {
    "cpuset",  "devices", "memory",   "cpu",        "cpuacct", "pids", "blkio",
    "hugetlb", "net_cls", "net_prio", "perf_event", "freezer", "rdma", "misc"};

Result<Location> locate_v1(const Settings& settings, const HostView& host, const Layout& layout) {
  Location location;
  location.kind = settings.kind;
  bool absolute = settings.cgroups_path.starts_with('/');
  auto add = [&](const Hierarchy& hierarchy) -> Status {
    std::string base = "/";
    if (!absolute) {
      TRY_ASSIGN(base, own_below_mount(host, hierarchy));
    }
    std::string path =
        cat(hierarchy.mount, container_path(base, settings.cgroups_path, settings.container_id));
    for (const std::string& name : hierarchy.names) location.paths[name] = path;
    return {};
  };
  for (const Hierarchy& hierarchy : layout.v1) TRY(add(hierarchy));
  if (layout.unified) TRY(add(*layout.unified));
  return location;
}

V1Cgroup::V1Cgroup(Location location, Settings settings, HostView host)
    : location_(std::move(location)), settings_(std::move(settings)), host_(std::move(host)) {}

std::vector<V1Cgroup::Tree> V1Cgroup::trees() const {
  std::vector<Tree> found;
  for (const auto& [controller, path] : location_.paths) {
    auto same = std::ranges::find(found, path, &Tree::path);
    if (same == found.end()) {
      found.push_back({{controller}, path, controller.empty()});
    } else {
      same->controllers.push_back(controller);
    }
  }
  // "name=..." and "" are in no list: they come last, in the order of the map reversed.
  std::ranges::stable_sort(found, {}, [](const Tree& tree) {
    std::size_t rank = kControllerOrder.size() + 1;
    for (const std::string& name : tree.controllers) rank = std::min(rank, rank_of(name));
    return tree.unified ? kControllerOrder.size() + 2 : rank;
  });
  return found;
}

Result<Folder> V1Cgroup::open_tree(const Tree& tree) const {
  return Folder::open(tree.path, kind_of(tree.unified));
}

const std::string* V1Cgroup::path_of(std::string_view controller) const {
  auto at = location_.paths.find(std::string(controller));
  return at == location_.paths.end() ? nullptr : &at->second;
}

Result<Folder> V1Cgroup::open(std::string_view controller) const {
  const std::string* path = path_of(controller);
  if (path == nullptr) {
    return fail(Code::kNotFound, cat("cgroup not exist: no controller ", quoted(controller)));
  }
  return Folder::open(*path, kind_of(controller.empty()));
}

void V1Cgroup::drop(const Tree& tree) {
  for (const std::string& name : tree.controllers) location_.paths.erase(name);
}

std::string V1Cgroup::mount_of(const Tree& tree) const {
  // Folders are made from the deepest one that exists, so the root of all mounts is bound enough.
  return tree.path.starts_with(host_.mount_root) ? host_.mount_root : std::string("/");
}

Status V1Cgroup::refuse_used(const Folder& folder) const {
  std::vector<pid_t> found;
  TRY(collect_pids(folder, true, found));
  if (found.empty()) return {};
  return fail(Code::kFailedPrecondition,
              cat("container's cgroup is not empty: ", found.size(), " process(es) found"));
}

Result<std::vector<V1Cgroup::Opened>> V1Cgroup::make_folders(bool check) {
  std::vector<Opened> opened;
  auto undo = Cleanup([&opened] {
    for (const Opened& one : opened) {
      // The failure that brought us here is what counts.
      if (!one.existed) std::ignore = try_remove_cgroup(one.tree.path, one.folder.kind());
    }
  });
  for (const Tree& tree : trees()) {
    bool cpuset = std::ranges::find(tree.controllers, "cpuset") != tree.controllers.end();
    auto made = Folder::make(tree.path, mount_of(tree), kind_of(tree.unified),
                             cpuset ? visit_cpuset : nullptr, nullptr);
    if (!made) {
      // A limit that needs this controller is refused later, by apply().
      if (may_do_without(made.error())) {
        drop(tree);
        continue;
      }
      return fail(std::move(made).error());
    }
    // Set until all that existed is known to be unused.
    foreign_ = foreign_ || (check && made->existed);
    opened.push_back({tree, std::move(made->folder), made->existed});
    if (check && made->existed) TRY(refuse_used(opened.back().folder));
  }
  if (foreign_) TRY(refuse_frozen());
  foreign_ = false;
  undo.dismiss();
  return opened;
}

Status V1Cgroup::refuse_frozen() const {
  auto folder = freezer_folder();
  if (!folder) return {};
  TRY_ASSIGN(FreezerState state, read_freezer(*folder, uses_v2_freezer()));
  if (state != FreezerState::kFrozen) return {};
  return fail(Code::kFailedPrecondition, "container's cgroup unexpectedly frozen");
}

// What was not asked for, and may not be had without privileges, is left out.
bool V1Cgroup::may_do_without(const Error& error) const {
  return settings_.rootless && settings_.cgroups_path.empty() && is_denied(error);
}

Status V1Cgroup::add_join(const Tree& tree, const Folder& folder, JoinPlan& plan) {
  if (tree.unified) {
    TRY_ASSIGN(plan.unified_dir, folder.fd().duplicate());
    return {};
  }
  auto file = folder.open_file("tasks", O_WRONLY);
  if (!file) {
    if (!may_do_without(file.error())) return fail(std::move(file).error());
    drop(tree);
    return {};
  }
  plan.self_join_files.push_back(std::move(*file));
  return {};
}

Result<JoinPlan> V1Cgroup::prepare(const oci::Resources*) {
  foreign_ = false;
  TRY_ASSIGN(auto opened, make_folders(true));
  JoinPlan plan;
  for (const Opened& one : opened) {
    auto added = add_join(one.tree, one.folder, plan);
    if (added) continue;
    std::ignore = destroy();  // the failure above is what counts
    return fail(std::move(added).error());
  }
  return plan;
}

Result<JoinPlan> V1Cgroup::plan_join(const std::map<std::string, std::string>& sub_paths, pid_t) {
  for (const auto& [controller, sub] : sub_paths) {
    if (!controller.empty() && path_of(controller) == nullptr) {
      return fail(Code::kInvalidArgument, cat("unknown controller ", quoted(controller)));
    }
  }
  auto all = sub_paths.find("");
  JoinPlan plan;
  for (const Tree& tree : trees()) {
    std::string_view sub = all == sub_paths.end() ? std::string_view() : all->second;
    for (const std::string& name : tree.controllers) {
      if (auto own = sub_paths.find(name); own != sub_paths.end()) sub = own->second;
    }
    TRY_ASSIGN(std::string path, join_sub_path(tree.path, sub));
    auto folder = Folder::open(path, kind_of(tree.unified));
    if (!folder && is_missing(folder.error())) {
      // In hybrid mode a sub-cgroup is often made on v1 alone.
      if (tree.unified && !sub.empty()) folder = Folder::open(tree.path, kind_of(true));
    }
    if (!folder) return fail(std::move(folder).error().add_context("cgroup not exist"));
    TRY(add_join(tree, *folder, plan));
  }
  return plan;
}

Status V1Cgroup::attach(pid_t, const oci::Resources*) { return {}; }

Status V1Cgroup::make_and_join(pid_t pid) {
  TRY_ASSIGN(auto opened, make_folders(false));
  for (const Opened& one : opened) TRY(one.folder.write("cgroup.procs", cat(pid)));
  return {};
}

Status V1Cgroup::apply(const oci::Resources& resources) { return write_limits(resources, nullptr); }

Status V1Cgroup::update(const oci::Resources& resources) {
  TRY(change(resources));
  return {};
}

Result<OldValues> V1Cgroup::change(const oci::Resources& resources) {
  OldValues old;
  auto written = write_limits(resources, &old);
  if (written) return old;
  put_back(old);
  return fail(std::move(written).error());
}

Status V1Cgroup::write_limits(const oci::Resources& resources, OldValues* old) const {
  if (!resources.unified.empty()) {
    return fail(Code::kInvalidArgument, "invalid configuration: cannot use unified on cgroup v1");
  }
  for (std::string_view controller : kControllerOrder) {
    if (!wants_v1(controller, resources)) continue;
    if (path_of(controller) == nullptr) {
      if (controller == "hugetlb" && path_of("") != nullptr) {
        TRY(apply_hybrid_hugetlb(resources, old));
        continue;
      }
      return fail(
          Code::kFailedPrecondition,
          cat("cannot set ", controller, " limit: container could not join or create cgroup"));
    }
    TRY_ASSIGN(Folder folder, open(controller));
    if (old != nullptr) folder.keep_old_values(*old);
    TRY(apply_v1(controller, folder, resources));
  }
  return {};
}

Status V1Cgroup::apply_devices(const oci::Resources& resources) {
  if (path_of("devices") == nullptr) return {};
  TRY_ASSIGN(DevicePolicy policy, make_device_policy(resources.devices));
  TRY_ASSIGN(Folder folder, open("devices"));
  auto done = apply_devices_v1(folder, policy);
  // Device rules need privileges over the host's devices, which a user namespace never has.
  if (!done && settings_.rootless && is_denied(done.error())) return {};
  return done;
}

Status V1Cgroup::apply_hybrid_hugetlb(const oci::Resources& resources, OldValues* old) const {
  TRY_ASSIGN(Folder folder, open(""));
  TRY(enable_controllers(cat(host_.mount_root, "/unified"), folder.path(), host_.v2_kind(),
                         {"hugetlb"}));
  if (old != nullptr) folder.keep_old_values(*old);
  return apply_hugetlb_v2(folder, resources.hugepage_limits);
}

bool V1Cgroup::uses_v2_freezer() const { return path_of("freezer") == nullptr; }

Result<Folder> V1Cgroup::freezer_folder() const { return open(uses_v2_freezer() ? "" : "freezer"); }

Status V1Cgroup::freeze() {
  TRY_ASSIGN(Folder folder, freezer_folder());
  return freeze_folder(folder, uses_v2_freezer());
}

Status V1Cgroup::thaw() {
  TRY_ASSIGN(Folder folder, freezer_folder());
  return thaw_folder(folder, uses_v2_freezer());
}

Result<FreezerState> V1Cgroup::freezer_state() {
  auto folder = freezer_folder();
  if (!folder) {
    if (folder.error().code() == Code::kNotFound) return FreezerState::kUndefined;
    return fail(std::move(folder).error());
  }
  return read_freezer(*folder, uses_v2_freezer());
}

Result<Folder> V1Cgroup::processes_folder() const {
  for (std::string_view controller : {"devices", "freezer", "pids"}) {
    if (path_of(controller) != nullptr) return open(controller);
  }
  auto all = trees();
  if (all.empty()) return fail(Code::kNotFound, "cgroup not exist");
  return open_tree(all.front());
}

Result<std::vector<pid_t>> V1Cgroup::pids(bool recursive) {
  auto folder = processes_folder();
  if (!folder) return fail(std::move(folder).error().add_context("cgroup not exist"));
  std::vector<pid_t> found;
  TRY(collect_pids(*folder, recursive, found));
  return found;
}

Status V1Cgroup::kill_all(int signal) {
  bool killed_at_once = false;
  if (signal == SIGKILL && path_of("") != nullptr) {
    // cgroup.kill (Linux 5.14) also gets the children that are being forked right now.
    auto unified = open("");
    killed_at_once = unified && unified->write("cgroup.kill", "1");
  }
  auto freezer = freezer_folder();
  bool v2 = uses_v2_freezer();
  bool freeze_first = false;
  if (freezer && !killed_at_once) {
    auto state = read_freezer(*freezer, v2);
    freeze_first = state && *state == FreezerState::kThawed;
    // Without it a fork may slip through; the caller's second try gets it.
    if (freeze_first) std::ignore = freeze_folder(*freezer, v2, kKillFreezeLimitMs);
  }
  auto found = pids(true);
  Status sent = found ? signal_pids(*found, signal) : Status{};
  Status thawed;
  if (freezer && signal == SIGKILL && !v2) {
    thawed = thaw_tree_v1(*freezer);
  } else if (freezer && (freeze_first || signal == SIGKILL)) {
    thawed = thaw_folder(*freezer, v2);
  }
  if (!found && !is_missing(found.error())) return fail(std::move(found).error());
  TRY(std::move(sent));
  return thawed;
}

Status V1Cgroup::destroy() {
  if (foreign_) return {};
  auto all = trees();
  bool killed = false;
  Status first;
  for (const Tree& tree : all) {
    auto removed = try_remove_cgroup(tree.path, kind_of(tree.unified));
    Status status;
    if (!removed) {
      status = fail(std::move(removed).error());
    } else if (!*removed) {
      if (!killed) {
        auto left = pids(true);
        if (left && !left->empty()) status = kill_all(SIGKILL);
        killed = true;
      }
      auto waited = remove_cgroup(tree.path, kind_of(tree.unified), kRemoveLimitMs);
      if (!waited) status = std::move(waited);
    }
    if (!status && settings_.rootless && is_denied(status.error())) status = {};
    if (!status && first) first = std::move(status);
  }
  return first;
}

bool V1Cgroup::exists() const {
  auto all = trees();
  return !all.empty() && processes_folder().has_value();
}

}  // namespace dhow::cgroup
