// SPDX-License-Identifier: Apache-2.0
// Which mounts an image leaves out, and where a restore takes them from.
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/cgroup/host.h"
#include "runtime/checkpoint_plan.h"
#include "runtime/rootfs/devices.h"
#include "runtime/rootfs/mount_plan.h"

namespace dhow::runtime {
namespace {

using criu::ExternalMount;
using rootfs::is_path_below;
using rootfs::MountInfo;
using rootfs::MountKind;
using rootfs::PlannedMount;

constexpr std::string_view kNull = "/dev/null";

// Nodes that may be bound from the host's /dev.
std::vector<std::string_view> device_nodes(const oci::Config& config) {
  std::vector<std::string_view> nodes = rootfs::standard_nodes();
  for (const oci::Device& device : config.linux.devices) nodes.push_back(device.path);
  return nodes;
}

std::string link_target(FdRef fd) {
  char target[PATH_MAX];
  ssize_t size = ::readlink(proc_fd_path(fd).c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
}

// The path without symbolic links, as mountinfo has it; as it is when nothing is there.
std::string resolved(const DirFd& root, std::string_view path) {
  std::string clean = rootfs::clean_destination(path);
  auto target = root.open_in_root(clean, O_PATH);
  if (!target) return clean;
  std::string folder = link_target(root.fd()), found = link_target(*target);
  if (folder == "/") return found;
  if (found == folder) return "/";
  return is_path_below(found, folder) ? found.substr(folder.size()) : clean;
}

struct Planned {
  std::string path;  // without links
  PlannedMount plan;
};

Result<std::vector<Planned>> plan_all(const oci::Config& config, std::string_view bundle,
                                      const DirFd& root) {
  std::vector<Planned> result;
  for (const oci::Mount& mount : config.mounts) {
    TRY_ASSIGN(PlannedMount plan, rootfs::plan_mount(mount, config, bundle));
    if (plan.kind == MountKind::kRemount) continue;
    std::string path = resolved(root, plan.destination);
    result.push_back({std::move(path), std::move(plan)});
  }
  return result;
}

// The configured mount that a mount point is in: the deepest, of several the last.
const PlannedMount* owner_of(const std::vector<Planned>& planned, std::string_view path) {
  const Planned* best = nullptr;
  for (const Planned& candidate : planned) {
    if (!is_path_below(path, candidate.path)) continue;
    if (best == nullptr || candidate.path.size() >= best->path.size()) best = &candidate;
  }
  return best == nullptr ? nullptr : &best->plan;
}

// Collects without naming a key twice: the first stands.
class Mounts {
 public:
  void add(std::string_view key, std::string_view value) {
    if (std::ranges::find(list_, key, &ExternalMount::key) != list_.end()) return;
    list_.push_back({std::string(key), std::string(value)});
  }
  std::vector<ExternalMount> take() { return std::move(list_); }

 private:
  std::vector<ExternalMount> list_;
};

bool has_cgroup_namespace(const oci::Config& config) {
  return config.linux.find_namespace(oci::NamespaceType::kCgroup) != nullptr;
}

// Binds and, where they are bound folders of the host's, cgroups.
bool is_from_host(const PlannedMount& owner, const MountInfo& mount, bool own_cgroups) {
  if (owner.kind == MountKind::kBind) return true;
  bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
  return owner.kind == MountKind::kCgroup && cgroup && !own_cgroups && mount.root != "/";
}

// Everything that the host has mounted below the source of a recursive bind.
void add_submounts(Mounts& result, const std::vector<MountInfo>& host, const Planned& planned) {
  char source[PATH_MAX];
  if (::realpath(planned.plan.source.c_str(), source) == nullptr) return;
  std::string_view top(source);
  if (top == "/") top = "";
  for (const MountInfo& mount : host) {
    if (mount.mount_point == top || !is_path_below(mount.mount_point, top)) continue;
    std::string_view below = std::string_view(mount.mount_point).substr(top.size());
    result.add(cat(planned.path == "/" ? "" : planned.path, below), mount.mount_point);
  }
}

// The folder of each v1 hierarchy, as the container's cgroup mount lays them out.
void add_cgroups(Mounts& result, const HostView& host, std::string_view destination) {
  for (const cgroup::Hierarchy& hierarchy : cgroup::parse_proc_cgroup(host.cgroup_text)) {
    std::string joined = join(hierarchy.names, ",");
    std::string_view name(joined);
    if (name.starts_with("name=")) name.remove_prefix(5);
    for (const std::string& controller : hierarchy.names) {
      auto found = host.cgroup_paths.find(controller);
      if (found == host.cgroup_paths.end()) continue;
      result.add(cat(destination, "/", name.empty() ? "unified" : name), found->second);
    }
  }
}

Status make_mount_point(const DirFd& root, const PlannedMount& plan) {
  constexpr unsigned kMode = 0755;
  struct stat info{};
  bool folder = plan.kind != MountKind::kBind || ::stat(plan.source.c_str(), &info) != 0 ||
                S_ISDIR(info.st_mode);
  if (folder) {
    TRY(root.make_dirs_in_root(plan.destination, kMode));
  } else {
    TRY(root.make_file_in_root(plan.destination, kMode, kMode));
  }
  return {};
}

}  // namespace

Result<std::vector<ExternalMount>> mounts_to_leave_out(const oci::Config& config,
                                                       std::string_view bundle,
                                                       const std::vector<MountInfo>& mounts,
                                                       const DirFd& root) {
  TRY_ASSIGN(std::vector<Planned> planned, plan_all(config, bundle, root));
  for (const Planned& entry : planned) {
    if (entry.plan.options.idmap == rootfs::IdmapMode::kNone) continue;
    return fail(Code::kUnimplemented, cat("mount on ", quoted(entry.plan.destination),
                                          ": criu can't restore id-mapped mounts"));
  }
  std::vector<std::string> masked;
  for (const std::string& path : config.linux.masked_paths) masked.push_back(resolved(root, path));
  std::vector<std::string_view> nodes = device_nodes(config);
  bool own_cgroups = has_cgroup_namespace(config);
  Mounts result;
  for (const MountInfo& mount : mounts) {
    if (mount.mount_point == "/") continue;
    const PlannedMount* owner = owner_of(planned, mount.mount_point);
    bool is_node = std::ranges::find(nodes, mount.mount_point) != nodes.end();
    bool is_mask = std::ranges::find(masked, mount.mount_point) != masked.end();
    if (is_mask && mount.type != "tmpfs") {
      result.add(mount.mount_point, kNull);
    } else if (is_node || (owner && is_from_host(*owner, mount, own_cgroups))) {
      result.add(mount.mount_point, mount.mount_point);
    }
  }
  return result.take();
}

Result<std::vector<ExternalMount>> mounts_to_bring(const oci::Config& config,
                                                   std::string_view bundle, const HostView& host,
                                                   const DirFd& root) {
  TRY_ASSIGN(std::vector<Planned> planned, plan_all(config, bundle, root));
  Mounts result;
  // Images of others know a destination as it is written.
  for (const Planned& entry : planned) {
    if (entry.plan.kind != MountKind::kBind) continue;
    result.add(entry.path, entry.plan.source);
    result.add(entry.plan.destination, entry.plan.source);
  }
  for (const Planned& entry : planned) {
    bool bind = entry.plan.kind == MountKind::kBind;
    if (bind && entry.plan.options.recursive_bind) add_submounts(result, host.mounts, entry);
    if (entry.plan.kind == MountKind::kCgroup && !has_cgroup_namespace(config)) {
      add_cgroups(result, host, entry.path);
    }
  }
  for (std::string_view node : device_nodes(config)) result.add(node, node);
  for (const std::string& path : config.linux.masked_paths) {
    result.add(rootfs::clean_destination(path), kNull);
  }
  return result.take();
}

void make_mount_points(const oci::Config& config, std::string_view bundle, const DirFd& root) {
  auto planned = plan_all(config, bundle, root);
  if (!planned) return;
  for (std::size_t i = 0; i < planned->size(); ++i) {
    const PlannedMount& plan = (*planned)[i].plan;
    // What is inside another mount comes back with that one, or is the host's.
    bool inside = std::ranges::any_of(*planned, [&](const Planned& other) {
      return other.plan.destination != plan.destination &&
             is_path_below(plan.destination, other.plan.destination);
    });
    if (inside) continue;
    auto made = make_mount_point(root, plan);
    if (!made) log::debug(cat("mount point: ", made.error().message()));
  }
}

}  // namespace dhow::runtime
