// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::runtime {

// Who the runtime itself is (credentials(7), user_namespaces(7)).
struct Identity {
  uid_t uid = 0;                   // effective
  bool in_user_namespace = false;  // not the initial one
  // No real root: euid is not 0, or 0 only inside a user namespace.
  bool rootless() const { return uid != 0 || in_user_namespace; }
};
Result<Identity> current_identity();

// Writes uid_map, gid_map and, for an unprivileged writer, setgroups of `pid`, which waits in a new
// user namespace. Where the kernel doesn't let the caller write several ranges, newuidmap(1) and
// newgidmap(1) do it; without them only the caller's own ids can be mapped, and the error says so.
Status write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids,
                     const std::vector<oci::IdMapping>& gids, const Identity& identity);

// The host id that `container_id` maps to.
std::optional<std::uint32_t> host_id(const std::vector<oci::IdMapping>& mappings,
                                     std::uint32_t container_id);

}  // namespace dhow::runtime
