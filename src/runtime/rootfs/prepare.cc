// SPDX-License-Identifier: Apache-2.0
// What is done in the runtime, before the clone, with the host's view of the file system.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <ranges>

#include "base/strings.h"
#include "runtime/rootfs/empty_namespace.h"
#include "runtime/rootfs/locked_view.h"
#include "runtime/rootfs/rootfs_impl.h"

namespace dhow::rootfs {
namespace {

// What copies of host mounts are set to until their own options apply. A shared copy would carry
// the container's mounts to the host; that is only wanted where the configuration says "shared",
// for the volumes that ask for it.
std::uint64_t copy_propagation(const oci::Linux& linux) {
  if (!linux.rootfs_propagation) return MS_SLAVE | MS_REC;
  switch (*linux.rootfs_propagation) {
    case oci::Propagation::kSlave:
      return MS_SLAVE | MS_REC;
    case oci::Propagation::kShared:
      return 0;
    case oci::Propagation::kPrivate:
    case oci::Propagation::kUnbindable:
      return MS_PRIVATE | MS_REC;
  }
  return MS_SLAVE | MS_REC;
}

bool makes_new(const oci::Linux& linux, oci::NamespaceType type) {
  const oci::Namespace* found = linux.find_namespace(type);
  return found != nullptr && found->path.empty();
}

}  // namespace

Status RootfsImpl::open_root() {
  if (!config_.root || config_.root->path.empty()) {
    return fail(Code::kInvalidArgument, "no root.path in the configuration");
  }
  const std::string& path = config_.root->path;
  root_path_ = path.starts_with('/') ? path : cat(options_.bundle, "/", path);
  struct stat info{};
  if (::stat(root_path_.c_str(), &info) != 0) {
    return fail_errno(errno, cat("open root ", quoted(root_path_)));
  }
  if (!S_ISDIR(info.st_mode)) return fail_errno(ENOTDIR, cat("open root ", quoted(root_path_)));
  if (shares_host_namespace()) return {};

  auto tree = MountFd::clone_of(kCwd, root_path_, true);
  if (!tree) {
    // Without privileges over this mount namespace: the child has them over its own.
    can_clone_ = false;
    if (tree.error().sys_errno() == EPERM && options_.mode != SwitchMode::kOnEmptyRoot) return {};
    return fail(std::move(tree).error().add_context("open root"));
  }
  root_tree_ = std::move(*tree);
  return {};
}

Status RootfsImpl::open_userns(PlannedMount& plan) {
  if (plan.options.idmap == IdmapMode::kNone) return {};
  if (!can_clone_) {
    return fail(Code::kPermissionDenied,
                cat("mount on ", quoted(plan.destination), ": id-mapped mounts need privileges"));
  }
  const oci::Namespace* userns = config_.linux.find_namespace(oci::NamespaceType::kUser);
  if (plan.uid_mappings.empty() && userns != nullptr && !userns->path.empty()) {
    TRY_ASSIGN(plan.userns, open_at(kCwd, userns->path, O_RDONLY));
    return {};
  }
  TRY_ASSIGN(plan.userns, user_namespaces_.with_mappings(plan.uid_mappings, plan.gid_mappings));
  return {};
}

Status RootfsImpl::open_bind(PlannedMount& plan) {
  auto opened = open_bind_source(plan, propagation_, true);
  if (!opened) {
    return fail(std::move(opened).error().add_context(
        cat("mount ", quoted(plan.source), " on ", quoted(plan.destination))));
  }
  return {};
}

Status RootfsImpl::open_kernel_source(PlannedMount& plan) {
  if (plan.kind == MountKind::kCgroup) return open_cgroup_source(plan, options_);
  bool refused_sysfs = plan.kind == MountKind::kSysfs && options_.has_userns &&
                       !makes_new(config_.linux, oci::NamespaceType::kNetwork);
  bool refused_proc = plan.kind == MountKind::kProc && options_.has_userns &&
                      !makes_new(config_.linux, oci::NamespaceType::kPid);
  if ((!refused_sysfs && !refused_proc) || !can_clone_) return {};
  TRY_ASSIGN(plan.fallback, MountFd::clone_of(kCwd, refused_proc ? "/proc" : "/sys", true));
  std::uint64_t set = plan.options.attributes.set & ~std::uint64_t{MOUNT_ATTR__ATIME};
  TRY(change_copied_mount(plan.fallback.fd(), {}, MS_SLAVE, true));
  return change_copied_mount(plan.fallback.fd(), {set, 0}, 0, false);
}

Status RootfsImpl::plan_mounts() {
  mounts_.reserve(config_.mounts.size());
  for (const oci::Mount& mount : config_.mounts) {
    TRY_ASSIGN(PlannedMount plan, plan_mount(mount, config_, options_.bundle));
    TRY(open_userns(plan));
    TRY_ASSIGN(bool forced, plan_forced_v1(plan, config_, options_));
    if (!forced) TRY(open_kernel_source(plan));
    mounts_.push_back(std::move(plan));
  }
  return {};
}

Status RootfsImpl::open_copies() {
  if (!can_clone_) return {};
  auto is_bind = [](const PlannedMount& plan) { return plan.kind == MountKind::kBind; };
  std::optional<MountNamespaceSwitch> away;
  if (options_.has_userns && !shares_host_namespace()) {
    TRY_ASSIGN(Fd view, make_locked_view());
    TRY_ASSIGN(MountNamespaceSwitch inside, MountNamespaceSwitch::enter(view));
    away.emplace(std::move(inside));
    TRY_CONTEXT(open_root(), "in a view with locked flags");
  }
  std::vector<PlannedMount*> hidden;
  for (PlannedMount& plan : mounts_ | std::views::filter(is_bind)) {
    auto opened = open_bind(plan);
    if (opened) continue;
    // A copy without its submounts shows what those hide, which only the host itself may decide.
    if (!away || plan.options.recursive_bind || opened.error().sys_errno() != EINVAL) {
      return opened;
    }
    hidden.push_back(&plan);
  }
  if (away) TRY(away->leave());
  for (PlannedMount* plan : hidden) TRY(open_bind(*plan));
  return {};
}

Status RootfsImpl::plan_label() {
  constexpr std::string_view kAnnotation = "run.oci.mount_context_type";
  std::string_view option = "context";
  if (auto found = config_.annotations.find(std::string(kAnnotation));
      found != config_.annotations.end()) {
    option = found->second;
    // It becomes part of the options of mounts, where a comma would start another one.
    constexpr std::array kOptions = {"context", "fscontext", "defcontext", "rootcontext"};
    if (std::ranges::find(kOptions, option) == kOptions.end()) {
      return fail(Code::kInvalidArgument,
                  cat("annotation ", quoted(kAnnotation), ": unknown context ", quoted(option)));
    }
  }
  // SELinux: labels only exist where its file system is mounted.
  if (!config_.linux.mount_label.empty() && ::access("/sys/fs/selinux/enforce", F_OK) == 0) {
    label_ = config_.linux.mount_label;
    label_option_ = option;
  }
  return {};
}

Status RootfsImpl::prepare() {
  propagation_ = copy_propagation(config_.linux);
  TRY(open_root());
  TRY(plan_label());
  TRY(plan_mounts());
  TRY(open_copies());
  bool clone = can_clone_ && !shares_host_namespace();
  TRY(devices_.plan(config_, options_, clone));
  if (clone && !config_.linux.masked_paths.empty()) {
    TRY_ASSIGN(null_device_, open_null_device());
  }
  if (options_.mode == SwitchMode::kOnEmptyRoot && options_.has_userns) {
    TRY_ASSIGN(host_proc_, MountFd::clone_of(kCwd, "/proc", false));
    TRY_ASSIGN(host_sys_, MountFd::clone_of(kCwd, "/sys", false));
    TRY(host_proc_.set_attributes(0, 0, MS_PRIVATE, false));
    TRY(host_sys_.set_attributes(0, 0, MS_PRIVATE, false));
  }
  return {};
}

Result<std::unique_ptr<Rootfs>> prepare(const oci::Config& config, const Options& options) {
  auto rootfs = std::make_unique<RootfsImpl>(config, options);
  TRY(rootfs->prepare());
  return rootfs;
}

}  // namespace dhow::rootfs
