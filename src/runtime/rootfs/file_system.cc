// SPDX-License-Identifier: Apache-2.0
// New file systems for mounts: configured and mounted detached (fsopen(2), fsmount(2)).
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "runtime/rootfs/make_mount.h"

namespace dhow::rootfs {
namespace {

bool has_option(const std::vector<FsOption>& options, std::string_view key) {
  return std::ranges::find(options, key, &FsOption::key) != options.end();
}

bool is_kernel_view(MountKind kind) {
  return kind == MountKind::kProc || kind == MountKind::kSysfs;
}

Result<FsContext> configure(const PlannedMount& plan, const std::vector<FsOption>& options) {
  TRY_ASSIGN(FsContext context, FsContext::open(plan.type));
  if (!plan.source.empty()) TRY(context.set_string("source", plan.source));
  for (const std::string& name : plan.options.superblock) TRY(context.set_flag(name));
  for (const FsOption& option : options) TRY(context.set(option));
  // A block device that can't be written to is only accepted this way. Of the kernel's own file
  // systems, which containers may share, just the mount is read-only.
  if (plan.options.read_only() && plan.source.starts_with('/')) TRY(context.set_flag("ro"));
  TRY(context.create());
  return context;
}

}  // namespace

Result<MountFd> new_file_system(const MountContext& context, const PlannedMount& plan) {
  std::vector<FsOption> options = plan.options.data;
  if (!context.label.empty() && !is_kernel_view(plan.kind) && plan.kind != MountKind::kCgroup &&
      !has_option(options, context.label_option)) {
    options.push_back({context.label_option, context.label});
  }
  auto configured = configure(plan, options);
  if (!configured && plan.type == "devpts" && context.options->has_userns &&
      configured.error().sys_errno() == EINVAL && has_option(options, "gid")) {
    // The group of terminals (5) is rarely mapped in a small user namespace.
    std::erase_if(options, [](const FsOption& option) { return option.key == "gid"; });
    configured = configure(plan, options);
  }
  if (!configured) return fail(std::move(configured).error());
  std::uint64_t attributes = plan.options.attributes.set | plan.options.recursive_attributes.set;
  // Submounts need folders made in it, and a copy of what it covers.
  if (plan.kind == MountKind::kTmpfs) attributes &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
  auto mounted = configured->mount(attributes & ~std::uint64_t{MOUNT_ATTR_NOSYMFOLLOW});
  // fsmount(2) doesn't know nosymfollow, mount_setattr(2) does.
  if (mounted && (attributes & MOUNT_ATTR_NOSYMFOLLOW) != 0) {
    TRY(mounted->set_attributes(MOUNT_ATTR_NOSYMFOLLOW, 0, 0, false));
  }
  return mounted;
}

}  // namespace dhow::rootfs
