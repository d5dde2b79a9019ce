// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/id_map.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::runtime {

// Which namespaces a container's first process gets, and how (namespaces(7)).
//
// The common case is one clone3(2) with every CLONE_NEW* flag at once. Namespaces that exist
// already are joined by the child (setns), but for the pid namespace, which only children of a
// caller enter: there the runtime itself points its children into it and points them back
// afterwards. The same goes for a new time namespace, whose offsets must be set before its first
// process. When a user namespace comes together with others to join, the order of rights needs a
// stage of its own: a short-lived process joins and unshares step by step, then clones the
// container's first process as its sibling.
struct NamespacePlan {
  struct Join {
    oci::NamespaceType type;
    Fd fd;
  };
  std::uint64_t new_flags = 0;  // CLONE_NEW* for clone3; CLONE_NEWCGROUP and CLONE_NEWTIME apart
  std::vector<Join> joins;      // without pid (unless two_stage)
  std::optional<Fd> join_pid;
  bool new_user = false;
  bool join_user = false;
  bool new_cgroup = false;  // unshared by the child, after it is in its cgroup
  bool new_time = false;
  bool two_stage = false;
  bool on_empty_root = false;  // clone from the pinned empty mount namespace

  bool has(oci::NamespaceType type) const;  // new or joined: not the runtime's own
  bool creates(oci::NamespaceType type) const;
  std::vector<oci::NamespaceType> all;
  std::vector<oci::NamespaceType> created;
};

// Opens what is to be joined and checks that each is a namespace of its type.
Result<NamespacePlan> plan_namespaces(const oci::Linux& linux);

// CLONE_NEW* of a type.
std::uint64_t clone_flag(oci::NamespaceType type);

struct SpawnedInit {
  pid_t pid = 0;  // 0: this is the child
  PidFd pidfd;
};

struct SpawnInit {
  const NamespacePlan& plan;
  const oci::Linux& linux;
  Identity identity;
  const Fd& parent_sync;              // the runtime's end
  Fd& child_sync;                     // the child's end, closed in the runtime after the clone
  std::optional<int> cgroup_dir;      // CLONE_INTO_CGROUP
  const std::vector<Fd>& join_files;  // written "0" by the child first of all
  const Fd* empty_mount_ns = nullptr;
};

// Clones the container's first process. In the child (pid 0) it returns once every namespace is
// entered and its ids are mapped; cgroup namespace apart. In the runtime it returns as soon as the
// pid is known.
Result<SpawnedInit> spawn_init(const SpawnInit& request);

// Takes the calling process into cgroup v1 folders, by their open files (JoinPlan).
Status join_cgroups(const std::vector<Fd>& files);

// In the child: becomes root of its user namespace, when that maps an id 0.
Status become_namespace_root(const std::vector<oci::IdMapping>& uids,
                             const std::vector<oci::IdMapping>& gids);

}  // namespace dhow::runtime
