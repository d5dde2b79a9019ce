// SPDX-License-Identifier: Apache-2.0
#include "runtime/id_map.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/spawn.h"

namespace dhow::runtime {
namespace {

// newuidmap PID INSIDE OUTSIDE COUNT ...
Status run_map_helper(std::string_view program, pid_t pid,
                      const std::vector<oci::IdMapping>& mappings) {
  std::vector<std::string> arguments{std::string(program), cat(pid)};
  for (const oci::IdMapping& entry : mappings) {
    arguments.push_back(cat(entry.container_id));
    arguments.push_back(cat(entry.host_id));
    arguments.push_back(cat(entry.size));
  }
  TRY_ASSIGN(SpawnOutput output, run_program(arguments));
  if (output.exit_code == 0) return {};
  return fail(Code::kPermissionDenied, cat(program, ": ", trim(output.error_text)));
}

// What an ordinary user may write without a helper: one line that maps its own id
// (user_namespaces(7)).
bool own_id_only(const std::vector<oci::IdMapping>& mappings, std::uint32_t id) {
  return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == id;
}

Status write_one_map(pid_t pid, std::string_view file, std::string_view helper,
                     const std::vector<oci::IdMapping>& mappings, bool direct) {
  std::string path = cat("/proc/", pid, "/", file);
  if (direct) return write_existing(path, oci::id_map_text(mappings));
  auto helped = run_map_helper(helper, pid, mappings);
  if (helped) return {};
  return fail(std::move(helped).error().add_context(
      cat("map ids of a user namespace (an ordinary user without ", helper,
          " and subordinate ids can only map its own id)")));
}

}  // namespace

Result<Identity> current_identity() {
  // The runtime stays who it is; only its children change, and they don't ask.
  static std::optional<Identity> known;
  if (known) return *known;
  Identity identity;
  identity.uid = ::geteuid();
  TRY_ASSIGN(identity.in_user_namespace, dhow::in_user_namespace());
  known = identity;
  return identity;
}

Status write_id_maps(pid_t pid, const std::vector<oci::IdMapping>& uids,
                     const std::vector<oci::IdMapping>& gids, const Identity& identity) {
  bool privileged = identity.uid == 0;
  bool own_gid = own_id_only(gids, ::getegid());
  if (!privileged && own_gid) {
    // The kernel takes an unprivileged gid_map only once setgroups can't drop a group any more.
    TRY(write_existing(cat("/proc/", pid, "/setgroups"), "deny"));
  }
  TRY(write_one_map(pid, "gid_map", "newgidmap", gids, privileged || own_gid));
  return write_one_map(pid, "uid_map", "newuidmap", uids,
                       privileged || own_id_only(uids, identity.uid));
}

std::optional<std::uint32_t> host_id(const std::vector<oci::IdMapping>& mappings,
                                     std::uint32_t container_id) {
  for (const oci::IdMapping& entry : mappings) {
    if (container_id >= entry.container_id && container_id - entry.container_id < entry.size) {
      return entry.host_id + (container_id - entry.container_id);
    }
  }
  return std::nullopt;
}

}  // namespace dhow::runtime
