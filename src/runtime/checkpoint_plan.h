// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/criu/rpc.h"
#include "runtime/rootfs/mountinfo.h"
#include "runtime/runtime.h"
#include "sys/dir_fd.h"

// What criu is told: the command line and the container's configuration in criu's terms. Pure, but
// for looking up paths. The names given to external objects are runc's, so that images go both
// ways.
namespace dhow::runtime {

// The flags that need no knowledge of the container. kInvalidArgument for values that are none.
Result<criu::Options> criu_options(const CheckpointOptions& options);

// That this criu knows what the flags and the configuration ask for: "--lsm-mount-context needs
// criu 3.16, this is criu 3.15".
Status check_criu_version(const CheckpointOptions& options, const oci::Config& config, int version);

constexpr std::string_view kCriuConfigFolder = "/etc/criu";

// The file of criu options that `org.criu.config` names (empty: none), else the first that exists
// of <folder>/<program>.conf and <folder>/runc.conf. Empty: none.
std::string criu_config_file(const oci::StringMap& annotations, std::string_view program_name,
                             std::string_view folder);

// Mounts of a running container that its image leaves out, as a restore makes them from the
// configuration: bind mounts and all below them, masks of files, nodes of the host's /dev. `mounts`
// is what is mounted, `root` the container's root. kUnimplemented for what criu would bring back
// in another way than it was.
Result<std::vector<criu::ExternalMount>> mounts_to_leave_out(
    const oci::Config& config, std::string_view bundle,
    const std::vector<rootfs::MountInfo>& mounts, const DirFd& root);

// What a restore has to know of the host.
struct HostView {
  std::vector<rootfs::MountInfo> mounts;            // the runtime's own
  std::map<std::string, std::string> cgroup_paths;  // of the container, as in cgroup::Location
  std::string cgroup_text;                          // /proc/self/cgroup
};

// Where a restore takes those mounts from. It names more than an image may ask for: criu passes
// over what it doesn't need.
Result<std::vector<criu::ExternalMount>> mounts_to_bring(const oci::Config& config,
                                                         std::string_view bundle,
                                                         const HostView& host, const DirFd& root);

// Makes what is missing of the mount points in a root filesystem that the container was not in
// before. What can't be made is left to criu to complain about.
void make_mount_points(const oci::Config& config, std::string_view bundle, const DirFd& root);

// The name under which the namespaces that a container joined are known in its image; empty for
// those that an image does not name.
std::string_view external_namespace_key(oci::NamespaceType type);

}  // namespace dhow::runtime
