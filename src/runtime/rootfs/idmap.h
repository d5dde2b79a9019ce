// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/fd.h"

namespace dhow::rootfs {

// User namespaces for idmapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP): each lives as long as
// its descriptor, no process stays in it. Equal mappings share one.
class UserNamespaces {
 public:
  // A descriptor of a user namespace with these mappings. Blocks for the life of a short child
  // process; single-threaded callers only. EPERM without CAP_SYS_ADMIN.
  Result<Fd> with_mappings(const std::vector<oci::IdMapping>& uids,
                           const std::vector<oci::IdMapping>& gids);

 private:
  struct Entry {
    std::vector<oci::IdMapping> uids;
    std::vector<oci::IdMapping> gids;
    Fd fd;
  };
  std::vector<Entry> made_;
};

}  // namespace dhow::rootfs
