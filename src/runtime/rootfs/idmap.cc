// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/idmap.h"

#include <fcntl.h>
#include <sched.h>

#include "base/strings.h"
#include "runtime/rootfs/waiting_child.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
Result<Fd> UserNamespaces::with_mappings(const std::vector<oci::IdMapping>& uids,
                                         const std::vector<oci::IdMapping>& gids) {
  for (const Entry& entry : made_) {
    if (entry.uids == uids && entry.gids == gids) return entry.fd.duplicate();
  }
  TRY_ASSIGN(WaitingChild child, WaitingChild::clone(CLONE_NEWUSER));
  std::string folder = cat("/proc/", child.pid());
  TRY_ASSIGN(Fd proc, open_at(kCwd, folder, O_PATH | O_DIRECTORY));
  TRY_CONTEXT(write_existing(proc, "uid_map", oci::id_map_text(uids)), "map ids of a mount");
  TRY_CONTEXT(write_existing(proc, "gid_map", oci::id_map_text(gids)), "map ids of a mount");
  TRY_ASSIGN(Fd made, open_at(proc, "ns/user", O_RDONLY));
  TRY_ASSIGN(Fd copy, made.duplicate());
  made_.push_back({uids, gids, std::move(copy)});
  return made;
}

}  // namespace dhow::rootfs
