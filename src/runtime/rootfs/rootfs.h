// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/dir_fd.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {

// How the container's root becomes "/" of its mount namespace.
enum class SwitchMode {
  // The mount namespace is a copy of an empty one: the root filesystem is attached on top of its
  // empty root, as the kernel does with an initramfs. Nothing of the host was ever in it, so there
  // is nothing to detach. Used when no hook has to see the host's paths.
  kOnEmptyRoot,
  // The mount namespace is a copy of the host's: pivot_root, then the old root is detached.
  kPivot,
  // As kPivot with MS_MOVE and chroot (--no-pivot), for a host root that is an initramfs.
  kMove,
  // No mount namespace of its own: chroot.
  kChroot,
};

struct Options {
  std::string bundle;  // absolute
  SwitchMode mode = SwitchMode::kPivot;
  bool has_userns = false;  // the container has a user namespace of its own (or a joined one)
  bool has_cgroup_ns = false;
  bool has_network_ns = true;
  bool rootless = false;
  // The container's folder in each cgroup hierarchy, for cgroup mounts on v1 without a cgroup
  // namespace: controller -> absolute host path, as cgroup::Location::paths ("": the unified tree).
  // The folders must exist when prepare() is called.
  std::vector<std::pair<std::string, std::string>> cgroup_paths;
};

// A root filesystem being made, in two halves: what needs the host's view is opened by the runtime
// before the clone; the rest happens in the child, in its namespaces. The object is inherited over
// the clone (descriptors are close-on-exec).
class Rootfs {
 public:
  virtual ~Rootfs() = default;

  // In the child, in the new namespaces: attaches the root, makes all mounts, devices, links.
  // On return the container's tree is complete at root(), not yet "/".
  virtual Status build() = 0;
  // The folder that will be "/".
  virtual const DirFd& root() const = 0;
  // In the child: makes root() the "/" of the process and changes to it.
  virtual Status switch_root() = 0;
  // In the child, after switch_root: read-only root, then masked and read-only paths.
  virtual Status remount_root_readonly() = 0;
  virtual Status apply_readonly_paths() = 0;
  virtual Status apply_masked_paths() = 0;
  // A private procfs of the container's pid namespace that no mount of the container covers:
  // sysctl, labels and the like are only written through it (CVE-2019-16884, CVE-2025-52881).
  // O_PATH.
  virtual Result<FdRef> private_proc() = 0;
  // A pty pair in the container's devpts; the slave is also bound on /dev/console when `bind`.
  struct Console {
    Fd master;
    Fd slave;
  };
  virtual Result<Console> open_console(bool bind) = 0;
};

// In the runtime, before the clone, in the host's mount namespace: checks the mount options, opens
// the root and the sources of bind mounts as detached copies (also for sources that the container's
// user can't reach), makes user namespaces for idmapped mounts. Config and options must outlive the
// object.
Result<std::unique_ptr<Rootfs>> prepare(const oci::Config& config, const Options& options);

// A mount namespace that holds one empty read-only mount, so that making a container's mount
// namespace doesn't copy the host's mount table and later tear it down. Pinned in
// /run/dhow/empty-mnt, under the number of the mount namespace that the caller is in. Made on first
// use there; nullopt where it can't be (not root, /run not writable, no such kernel
// feature). A `given` one, borrowed, is taken instead when it is a mount namespace.
Result<std::optional<Fd>> empty_mount_namespace(int given = -1);

// Hot mounts for a running container: `pid` is its init. Adds or removes in its mount namespace.
Status add_mounts(pid_t pid, const std::vector<oci::Mount>& mounts);
Status remove_mounts(pid_t pid, const std::vector<oci::Mount>& mounts);

// After criu has restored a container, and before its processes go on: bind mounts get the
// attributes that the configuration gives them, and nodes of the host's devices (masks among them)
// those that keep them from being changed. criu takes mounts of one file system with the same
// attributes for copies of one another, and sets them on the first alone.
Status give_restored_mounts_attributes(pid_t pid, const oci::Config& config,
                                       std::string_view bundle);

// Names for `features`.
std::vector<std::string> known_mount_options();

}  // namespace dhow::rootfs
