// SPDX-License-Identifier: Apache-2.0
// Mounts of type cgroup: the unified tree, or on hosts with v1 hierarchies a tmpfs with one folder
// each (cgroups(7)). With a cgroup namespace a new mount shows just the container's part; without
// one the container's own folders are bound.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "runtime/rootfs/make_mount.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
namespace {

constexpr std::string_view kHostRoot = "/sys/fs/cgroup";
constexpr unsigned kControllerDirMode = 0755;

Result<long> magic_of(std::string_view path) {
  TRY_ASSIGN(Fd dir, open_at(kCwd, path, O_PATH | O_DIRECTORY));
  return file_system_magic(dir);
}

// A copy of one cgroup folder of the host. In a user namespace that doesn't own its cgroup
// namespace the container could change the limits of its user's other processes (CVE-2023-25809).
Result<MountFd> copy_folder(const std::string& path, const PlannedMount& plan, bool read_only) {
  TRY_ASSIGN(MountFd tree, MountFd::clone_of(kCwd, path, false));
  AttributeChange change = plan.options.attributes;
  if (read_only) {
    change.set |= MOUNT_ATTR_RDONLY;
    change.clear &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
  }
  TRY(change_copied_mount(tree.fd(), change, MS_PRIVATE, false));
  return tree;
}

// The host folder of a hierarchy, as systemd and the others lay it out.
std::optional<std::string> find_hierarchy(const std::vector<std::string_view>& controllers,
                                          std::string_view joined) {
  std::vector<std::string_view> names = {joined};
  if (joined.starts_with("name=")) names = {joined.substr(5)};
  names.insert(names.end(), controllers.begin(), controllers.end());
  for (std::string_view name : names) {
    std::string path = cat(kHostRoot, "/", name);
    auto magic = magic_of(path);
    if (magic && *magic == CGROUP_SUPER_MAGIC) return path;
  }
  return std::nullopt;
}

const std::string* container_folder(const Options& options, std::string_view controller) {
  auto found = std::ranges::find(options.cgroup_paths, controller,
                                 &std::pair<std::string, std::string>::first);
  return found == options.cgroup_paths.end() ? nullptr : &found->second;
}

// One line of /proc/self/cgroup: "4:cpu,cpuacct:/path". False: not to be shown.
Result<bool> plan_part(CgroupPart& part, std::string_view line, const PlannedMount& plan,
                       const Options& options) {
  std::size_t first = line.find(':');
  std::size_t second = line.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  std::string_view joined = line.substr(first + 1, second - first - 1);
  std::vector<std::string_view> controllers = split(joined, ',');
  if (joined.empty()) {
    auto magic = magic_of(cat(kHostRoot, "/unified"));
    if (!magic || *magic != CGROUP2_SUPER_MAGIC) return false;
    part.unified = true;
    part.name = "unified";
  } else {
    auto path = find_hierarchy(controllers, joined);
    if (!path) return false;
    part.name = joined.starts_with("name=") ? joined.substr(5) : joined;
    if (joined.starts_with("name=")) {
      part.options.push_back({"name", part.name});
    } else {
      for (std::string_view name : controllers) {
        part.options.push_back({std::string(name), std::nullopt});
        if (controllers.size() > 1) part.aliases.emplace_back(name);
      }
    }
  }
  if (options.has_cgroup_ns) return true;
  const std::string* folder = nullptr;
  for (std::string_view name : controllers) {
    if (folder == nullptr) folder = container_folder(options, name);
  }
  if (folder == nullptr) return false;
  part.folder = *folder;
  auto copy = copy_folder(part.folder, plan, options.has_userns);
  if (copy) {
    part.tree = std::move(*copy);
  } else if (!options.has_userns || copy.error().sys_errno() != EPERM) {
    return fail(std::move(copy).error());
  }
  return true;
}

Result<MountFd> new_hierarchy(const CgroupPart& part, std::uint64_t attributes) {
  TRY_ASSIGN(FsContext context, FsContext::open(part.unified ? "cgroup2" : "cgroup"));
  TRY(context.set_string("source", "cgroup"));
  for (const FsOption& option : part.options) TRY(context.set(option));
  TRY(context.create());
  return context.mount(attributes);
}

Status make_part(CgroupPart& part, const PlannedMount& plan, FdRef top) {
  if (::mkdirat(top.get(), part.name.c_str(), kControllerDirMode) != 0) {
    return fail_errno(errno, cat("make folder ", quoted(part.name)));
  }
  TRY_ASSIGN(Fd target, open_at(top, part.name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  // An ordinary user makes copies in its own namespaces only.
  if (!part.tree && !part.folder.empty()) {
    TRY_ASSIGN(part.tree, copy_folder(part.folder, plan, true));
  }
  if (part.tree) {
    TRY(part.tree.attach(target));
  } else {
    TRY_ASSIGN(MountFd mount, new_hierarchy(part, plan.options.attributes.set));
    TRY(mount.attach(target));
  }
  for (const std::string& alias : part.aliases) {
    if (::symlinkat(part.name.c_str(), top.get(), alias.c_str()) != 0) {
      return fail_errno(errno, cat("make link ", quoted(alias)));
    }
  }
  return {};
}

Status make_hierarchies(MountContext& context, PlannedMount& plan) {
  TRY_ASSIGN(Fd target, open_target(context, plan, true));
  TRY_ASSIGN(FsContext tmpfs, FsContext::open("tmpfs"));
  TRY(tmpfs.set_string("source", "tmpfs"));
  TRY(tmpfs.set_string("mode", "0755"));
  if (!context.label.empty()) TRY(tmpfs.set_string(context.label_option, context.label));
  TRY(tmpfs.create());
  std::uint64_t attributes = plan.options.attributes.set & ~std::uint64_t{MOUNT_ATTR_RDONLY};
  TRY_ASSIGN(plan.tree, tmpfs.mount(attributes));
  TRY(attach_and_verify(context, plan.tree, target, plan.destination));
  for (CgroupPart& part : plan.cgroups) {
    TRY_CONTEXT(make_part(part, plan, plan.tree.fd()), cat("cgroup ", quoted(part.name)));
  }
  if (!plan.options.read_only()) return {};
  return change_attached_mount(*context.proc, plan.tree.fd(), {MOUNT_ATTR_RDONLY, 0});
}

Status make_unified(MountContext& context, PlannedMount& plan) {
  TRY_ASSIGN(Fd target, open_target(context, plan, true));
  if (!plan.tree && context.options->has_cgroup_ns) {
    CgroupPart part;
    part.unified = true;
    auto made = new_hierarchy(part, plan.options.attributes.set);
    if (made) {
      plan.tree = std::move(*made);
    } else if (!plan.fallback) {
      return fail(std::move(made).error());
    } else {
      plan.tree = std::move(plan.fallback);
    }
  }
  if (!plan.tree) {
    TRY_ASSIGN(plan.tree, copy_folder(std::string(kHostRoot), plan, context.options->has_userns));
  }
  return attach_and_verify(context, plan.tree, target, plan.destination);
}

}  // namespace

Status open_cgroup_source(PlannedMount& plan, const Options& options) {
  TRY_ASSIGN(long magic, magic_of(kHostRoot));
  if (magic == CGROUP2_SUPER_MAGIC) {
    plan.unified_cgroup = true;
    if (options.has_cgroup_ns && !options.has_userns) return {};
    // Not allowed here: the child will try again.
    auto copy = copy_folder(std::string(kHostRoot), plan, options.has_userns);
    if (copy) (options.has_cgroup_ns ? plan.fallback : plan.tree) = std::move(*copy);
    return {};
  }
  TRY_ASSIGN(std::string text, read_file("/proc/self/cgroup"));
  for (std::string_view line : split(text, '\n')) {
    CgroupPart part;
    TRY_ASSIGN(bool shown, plan_part(part, line, plan, options));
    if (shown) plan.cgroups.push_back(std::move(part));
  }
  return {};
}

Result<bool> plan_forced_v1(PlannedMount& plan, const oci::Config& config, const Options& options) {
  constexpr std::string_view kAnnotation = "run.oci.systemd.force_cgroup_v1";
  auto forced = config.annotations.find(std::string(kAnnotation));
  if (forced == config.annotations.end()) return false;
  if (clean_destination(forced->second) != plan.destination) return false;
  if (!options.has_cgroup_ns) {
    return fail(Code::kInvalidArgument,
                cat("annotation ", kAnnotation, ": needs a cgroup namespace"));
  }
  CgroupPart part;
  part.name = "systemd";
  part.options = {{"none", std::nullopt}, {"name", part.name}, {"xattr", std::nullopt}};
  plan.kind = MountKind::kCgroup;
  plan.cgroups.push_back(std::move(part));
  return true;
}

Status make_cgroup_mount(MountContext& context, PlannedMount& plan) {
  return plan.unified_cgroup ? make_unified(context, plan) : make_hierarchies(context, plan);
}

}  // namespace dhow::rootfs
