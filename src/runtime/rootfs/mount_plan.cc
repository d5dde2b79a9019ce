// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/mount_plan.h"

#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace dhow::rootfs {
namespace {

constexpr std::array<std::string_view, 11> kAllowedBelowProc = {
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
};

MountKind kind_of(const oci::Mount& mount, const MountOptions& options) {
  if (options.remount) return MountKind::kRemount;
  if (options.bind || mount.type == "bind") return MountKind::kBind;
  if (mount.type == "proc") return MountKind::kProc;
  if (mount.type == "sysfs") return MountKind::kSysfs;
  if (mount.type == "tmpfs") return MountKind::kTmpfs;
  if (mount.type == "cgroup" || mount.type == "cgroup2") return MountKind::kCgroup;
  return MountKind::kOther;
}

std::unexpected<Error> invalid(const oci::Mount& mount, std::string_view reason) {
  return fail(Code::kInvalidArgument, cat("mount on ", quoted(mount.destination), ": ", reason));
}

// The mapping of a bind mount with mapped ids: its own, the inline one, or that of the container.
Status plan_mappings(PlannedMount& plan, const oci::Mount& mount, const oci::Config& config) {
  bool own = !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
  if (own && plan.options.idmap == IdmapMode::kNone) plan.options.idmap = IdmapMode::kSingle;
  if (plan.options.idmap == IdmapMode::kNone) return {};
  if (plan.kind != MountKind::kBind) {
    return invalid(mount, "id-mapped mounts are only supported for bind mounts");
  }
  const MountOptions& options = plan.options;
  if (own) {
    if (mount.uid_mappings.empty() || mount.gid_mappings.empty()) {
      return invalid(mount, "id-mapped mounts need both uidMappings and gidMappings");
    }
    plan.uid_mappings = mount.uid_mappings;
    plan.gid_mappings = mount.gid_mappings;
  } else if (!options.inline_uids.empty() || !options.inline_gids.empty()) {
    if (options.inline_uids.empty() || options.inline_gids.empty()) {
      return invalid(mount, "id-mapped mounts need both uids and gids");
    }
    TRY_ASSIGN(plan.uid_mappings,
               resolve_inline_mappings(options.inline_uids, config.linux.uid_mappings));
    TRY_ASSIGN(plan.gid_mappings,
               resolve_inline_mappings(options.inline_gids, config.linux.gid_mappings));
  } else {
    const oci::Namespace* userns = config.linux.find_namespace(oci::NamespaceType::kUser);
    if (userns == nullptr) {
      return invalid(mount, "id-mapped mounts without mappings need a user namespace");
    }
    // With a namespace to be joined its descriptor is used, whatever its mappings are.
    plan.uid_mappings = config.linux.uid_mappings;
    plan.gid_mappings = config.linux.gid_mappings;
    if (userns->path.empty() && (plan.uid_mappings.empty() || plan.gid_mappings.empty())) {
      return invalid(mount, "id-mapped mounts need the mappings of the user namespace");
    }
  }
  return {};
}

}  // namespace

std::string clean_destination(std::string_view destination) {
  std::vector<std::string_view> names;
  for (std::string_view name : split(destination, '/')) {
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      names.push_back(name);
    } else if (!names.empty()) {
      names.pop_back();
    }
  }
  std::string path;
  for (std::string_view name : names) {
    path += '/';
    path += name;
  }
  return path.empty() ? "/" : path;
}

bool is_path_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/');
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

Status check_below_proc(std::string_view destination) {
  if (!is_path_below(destination, "/proc") || destination == "/proc") return {};
  if (std::ranges::binary_search(kAllowedBelowProc, destination)) return {};
  return fail(Code::kInvalidArgument,
              cat(quoted(destination), " cannot be mounted because it is inside /proc"));
}

Status check_proc_root(const PlannedMount& mount) {
  auto refuse = [&] {
    return fail(Code::kInvalidArgument, cat(quoted(mount.destination),
                                            " cannot be mounted because it is not of type proc"));
  };
  if (mount.kind == MountKind::kProc || mount.kind == MountKind::kRemount) return {};
  if (mount.kind != MountKind::kBind) return refuse();
  if (!mount.tree) return {};  // judged when the child has opened it
  TRY_ASSIGN(long magic, file_system_magic(mount.tree.fd()));
  struct stat info{};
  constexpr ino_t kProcRootInode = 1;
  if (magic != PROC_SUPER_MAGIC || ::fstat(mount.tree.fd().get(), &info) != 0 ||
      info.st_ino != kProcRootInode) {
    return refuse();
  }
  return {};
}

Result<std::vector<oci::IdMapping>> resolve_inline_mappings(
    const std::vector<InlineMapping>& inline_mappings,
    const std::vector<oci::IdMapping>& container_mappings) {
  std::vector<oci::IdMapping> resolved;
  for (const InlineMapping& entry : inline_mappings) {
    if (!entry.relative) {
      resolved.push_back({entry.container_id, entry.host_id, entry.size});
      continue;
    }
    // 64 bits: the end of a range may be 2^32.
    std::uint64_t inside = entry.host_id;
    std::uint64_t end = inside + entry.size;
    std::uint64_t id = entry.container_id;
    while (inside < end) {
      const oci::IdMapping* found = nullptr;
      for (const oci::IdMapping& mapping : container_mappings) {
        std::uint64_t first = mapping.container_id;
        if (inside >= first && inside < first + mapping.size) found = &mapping;
      }
      if (found == nullptr) {
        return fail(Code::kInvalidArgument,
                    cat("id ", inside, " is not mapped in the user namespace of the container"));
      }
      std::uint64_t offset = inside - found->container_id;
      std::uint64_t count = std::min<std::uint64_t>(found->size - offset, end - inside);
      resolved.push_back({static_cast<std::uint32_t>(id),
                          static_cast<std::uint32_t>(found->host_id + offset),
                          static_cast<std::uint32_t>(count)});
      inside += count;
      id += count;
    }
  }
  return resolved;
}

Result<PlannedMount> plan_mount(const oci::Mount& mount, const oci::Config& config,
                                std::string_view bundle) {
  if (mount.destination.empty()) return invalid(mount, "empty destination");
  for (const std::string* text : {&mount.destination, &mount.source, &mount.type}) {
    if (text->find('\0') != std::string::npos) return invalid(mount, "NUL byte");
  }
  if (mount.destination.size() >= PATH_MAX) return invalid(mount, "destination is too long");

  PlannedMount plan;
  auto options = parse_mount_options(mount.options);
  if (!options) {
    return fail(
        std::move(options).error().add_context(cat("mount on ", quoted(mount.destination))));
  }
  plan.options = std::move(*options);
  plan.type = mount.type;
  plan.source = mount.source;
  plan.destination = clean_destination(mount.destination);
  plan.kind = kind_of(mount, plan.options);
  if (plan.kind == MountKind::kBind) {
    if (mount.source.empty()) return invalid(mount, "bind mount without a source");
    if (!mount.source.starts_with('/')) plan.source = cat(bundle, "/", mount.source);
    if (plan.source.size() >= PATH_MAX) {
      return fail_errno(ENAMETOOLONG, cat("mount source for ", quoted(mount.destination)));
    }
  } else if (mount.type.empty() && plan.kind != MountKind::kRemount) {
    return invalid(mount, "no type");
  }
  TRY(plan_mappings(plan, mount, config));
  TRY(check_below_proc(plan.destination));
  return plan;
}

}  // namespace dhow::rootfs
