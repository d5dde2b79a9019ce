// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::engine {

// The ids that those of containers are outside, for an engine with `userns-remap`.
struct IdRemap {
  std::vector<oci::IdMapping> uids;
  std::vector<oci::IdMapping> gids;
  // What root of a container is outside.
  std::uint32_t root_uid() const { return uids.front().host_id; }
  std::uint32_t root_gid() const { return gids.front().host_id; }
  // As mount options of containerd: "uidmap=0:100000:65536", "gidmap=…".
  std::vector<std::string> mount_options() const;
};

// Where users and their subordinate ids are looked up; tests have their own.
struct IdFiles {
  std::string passwd = "/etc/passwd";
  std::string group = "/etc/group";
  std::string subuid = "/etc/subuid";
  std::string subgid = "/etc/subgid";
};

// Reads the setting as dockerd does: "user", "user:group", names or numbers, or "default", which is
// the user "dockremap"; "" is none. The group has to exist, but both files are asked for the user.
// All ranges of subuid(5) and subgid(5) count, one after the other. Blocks on the disk.
// kInvalidArgument names the user, the file and what is missing in it.
Result<std::optional<IdRemap>> resolve_remap(const std::string& setting, const IdFiles& files = {});

}  // namespace dhow::engine
