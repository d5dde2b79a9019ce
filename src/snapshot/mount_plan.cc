// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount_plan.h"

#include <unistd.h>

#include "base/strings.h"
#include "snapshot/overlay_mount.h"
#include "sys/file_io.h"

namespace dhow::snapshot {

Result<std::vector<Mount>> to_mounts(const MountPlan& plan) {
  if (plan.lower.empty()) {
    return std::vector<Mount>{{"bind", plan.upper, {"rw", "rbind"}}};
  }
  const LayerSource& top = plan.lower.front();
  if (plan.lower.size() == 1 && plan.upper.empty()) {
    if (top.kind == LayerSource::Kind::kErofs) {
      return std::vector<Mount>{{"erofs", top.path, {"ro", "loop"}}};
    }
    return std::vector<Mount>{{"bind", top.path, {"ro", "rbind"}}};
  }
  std::string lower;
  for (const LayerSource& layer : plan.lower) {
    if (layer.kind != LayerSource::Kind::kFolder) {
      return fail(Code::kUnimplemented,
                  cat("the layer ", quoted(layer.path),
                      " is an image: with others it can only be mounted by descriptor"));
    }
    if (!lower.empty()) lower += ':';
    lower += layer.path;
  }
  Mount mount{.type = "overlay", .source = "overlay", .options = overlay_flags(plan)};
  if (!plan.upper.empty()) {
    mount.options.push_back(cat("workdir=", plan.work));
    mount.options.push_back(cat("upperdir=", plan.upper));
  }
  mount.options.push_back(cat("lowerdir=", lower));
  return std::vector<Mount>{std::move(mount)};
}

std::vector<std::string> overlay_flags(const MountPlan& plan) {
  std::vector<std::string> flags;
  // With an index a layer could be mounted only once with an upper folder, and never be copied.
  static const bool has_index = ::access("/sys/module/overlay/parameters/index", F_OK) == 0;
  if (has_index) flags.emplace_back("index=off");
  if (plan.userxattr) flags.emplace_back("userxattr");
  return flags;
}

MountPlan for_reading(MountPlan plan) {
  if (plan.upper.empty()) return plan;
  plan.lower.insert(plan.lower.begin(), {LayerSource::Kind::kFolder, std::move(plan.upper), ""});
  plan.upper.clear();
  plan.work.clear();
  return plan;
}

Result<MountFd> mount(const MountPlan& plan, const MountOptions& options) {
  bool is_single = plan.lower.empty() || (plan.lower.size() == 1 && plan.upper.empty());
  return is_single ? mount_single(plan, options) : mount_overlay(plan, options);
}

}  // namespace dhow::snapshot
