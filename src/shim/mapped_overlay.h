// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::shim {

// The owners that a root file system is to have, as mount options of containerd say them:
// "uidmap=0:100000:65536" and "gidmap=…" (id inside : outside : count), several with commas.
struct OwnerMap {
  std::vector<oci::IdMapping> uids;
  std::vector<oci::IdMapping> gids;
  bool is_set() const { return !uids.empty() || !gids.empty(); }
};

// True when the option is one of them, and then it is taken. kInvalidArgument names the option.
Result<bool> take_owner_map(const std::string& option, OwnerMap& map);

// Mounts overlayfs at `target` (absolute) with the owners of all its layers mapped: what is written
// has plain owners on the disk. Overlayfs itself can't be mapped, its layers can (Linux 5.19), so a
// mapped copy of the folder that all of them are below is attached beside the target for the moment
// of the mount. `data` are the options as overlayfs has them. In a mount namespace of the caller's
// own, and single-threaded: blocks for the life of a short child process.
Status mount_mapped_overlay(const std::vector<std::string>& data, unsigned long flags,
                            const OwnerMap& map, const std::string& target);

// The folder that all paths of lowerdir=, upperdir= and workdir= are below, with a slash at its
// end. kInvalidArgument when there is none.
Result<std::string> common_folder(const std::vector<std::string>& data);

// The options with `folder` of common_folder() replaced in those paths.
std::vector<std::string> moved_paths(std::vector<std::string> data, const std::string& folder,
                                     const std::string& to);

}  // namespace dhow::shim
