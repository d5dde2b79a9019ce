// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/rootfs/devices.h"
#include "runtime/rootfs/idmap.h"
#include "runtime/rootfs/make_mount.h"
#include "runtime/rootfs/mount_plan.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/rootfs/trusted_proc.h"

namespace dhow::rootfs {

// The one implementation of Rootfs. Its parts: prepare.cc (before the clone), build.cc, masks.cc,
// console.cc, switch_root.cc (in the child).
class RootfsImpl final : public Rootfs {
 public:
  RootfsImpl(const oci::Config& config, const Options& options)
      : config_(config), options_(options) {}

  Status prepare();

  Status build() override;
  const DirFd& root() const override { return root_; }
  Status switch_root() override;
  Status remount_root_readonly() override;
  Status apply_readonly_paths() override;
  Status apply_masked_paths() override;
  Result<FdRef> private_proc() override { return proc_.get(); }
  Result<Console> open_console(bool bind) override;

 private:
  Status open_root();
  Status plan_label();
  Status plan_mounts();
  Status open_kernel_source(PlannedMount& plan);
  Status open_bind(PlannedMount& plan);
  // Root and bind sources: for a user namespace out of a view with locked flags.
  Status open_copies();
  Status open_userns(PlannedMount& plan);

  MountContext context();
  // The mount namespace has nothing of the host to look at while new proc and sysfs mounts are made
  // in a user namespace: the kernel only allows those where an unmasked one is visible already
  // (mount_too_revealing in fs/namespace.c). The host's are attached for that moment.
  Status make_kernel_views_early();
  Status attach_root();
  Status pivot();
  Status move_root();
  Status enter_root();
  Status apply_final_propagation();
  Status attach_over(const MountFd& tree, FdRef target, const std::string& path);
  Result<Fd> open_restricted(const std::string& path) const;
  Status make_read_only(const std::string& path);
  Status mask(const std::string& path);
  Status mask_dir(FdRef target, const std::string& path);
  Status mask_file(FdRef target, const std::string& path);

  bool shares_host_namespace() const { return options_.mode == SwitchMode::kChroot; }

  const oci::Config& config_;
  const Options& options_;

  std::string root_path_;          // on the host
  bool can_clone_ = true;          // copies of mounts may be taken before the clone
  MountFd root_tree_;              // empty with kChroot
  std::uint64_t propagation_ = 0;  // of copied mounts while the tree is built: MS_* | MS_REC
  std::vector<PlannedMount> mounts_;
  Devices devices_;
  UserNamespaces user_namespaces_;
  std::string label_option_;
  std::string label_;
  MountFd host_proc_;
  MountFd host_sys_;
  MountFd null_device_;  // the host's, for masking files

  DirFd root_;
  bool on_top_ = false;  // attached on "/", not at its path
  TrustedProc proc_;
  std::vector<Fd> late_read_only_;
  // The first mask of each kind stays attached; the others are copies of it.
  Fd first_null_;
  Fd first_empty_;
};

}  // namespace dhow::rootfs
