// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mount.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/rootfs/make_mount.h"

namespace dhow::rootfs {

// The device nodes and links of a container's /dev (runtime-spec config-linux.md, "Default Devices"
// and "Devices"). Nodes are made where that is allowed, and bound from the host's where it is not
// (user namespaces, no CAP_MKNOD).
class Devices {
 public:
  // Before the clone: which nodes there will be, and copies of the host's nodes where they are
  // needed for binding. `can_clone`: copies of mounts may be taken here.
  Status plan(const oci::Config& config, const Options& options, bool can_clone);

  // In the child: makes them. Nothing that the image planted is followed or written to.
  Status make(MountContext& context);

 private:
  struct Node {
    oci::Device device;
    bool standard = false;
    MountFd host;  // the host's node, when it is to be bound
  };

  Status open_host_node(Node& node) const;
  Status make_node(MountContext& context, Node& node);
  Status bind_node(MountContext& context, Node& node, const DirFd::Parent& parent,
                   bool make_target);

  bool bind_ = false;
  bool set_up_dev_ = true;  // false: the whole /dev is the host's, bound
  std::vector<Node> nodes_;
};

// Paths of the nodes that every container has.
std::vector<std::string_view> standard_nodes();

// What a mount of a node of the host has: the device works, but its owner, mode and times, which
// are the host's too, can't be changed through it.
inline constexpr std::uint64_t kHostNodeAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

// The host's /dev/null as a detached mount, checked to be the null device (1:3). It masks files.
Result<MountFd> open_null_device();

}  // namespace dhow::rootfs
