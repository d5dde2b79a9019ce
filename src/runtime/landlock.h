// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/dir_fd.h"

namespace dhow::runtime {

// A Landlock policy (kernel 5.13; landlock(7)): what the container's processes may do to files, TCP
// ports and other processes, on top of the permissions they have anyway. Given by the annotation
// `dhow.landlock` or the option --landlock FILE, as JSON; docs/landlock.md describes it.
struct LandlockPolicy {
  struct PathRule {
    std::vector<std::string> paths;   // inside the container
    std::vector<std::string> access;  // "ro", "rw", "exec" or single rights ("read_file", ...)
    bool optional = false;            // paths that don't exist are left out instead of failing
  };
  struct PortRule {
    std::vector<std::uint16_t> ports;
    std::vector<std::string> access;  // "bind", "connect"
  };
  // nullopt: all rights that this kernel knows when there are path rules, none without.
  std::optional<std::vector<std::string>> handled_fs;
  // nullopt: the rights that the port rules name.
  std::optional<std::vector<std::string>> handled_net;
  std::vector<std::string> scoped;  // "abstract_unix_socket", "signal"
  std::vector<PathRule> path_rules;
  std::vector<PortRule> port_rules;
  bool best_effort = false;  // a kernel that lacks a right ignores it instead of failing
};

// Checks all names: what it returns can only fail for what the kernel or the root file system lack.
// Faults are kInvalidArgument with their JSON path: `landlock policy: $.paths[0].access[1]: ...`.
Result<LandlockPolicy> parse_landlock(std::string_view json);

// In the child, after switch_root, with no_new_privs set or CAP_SYS_ADMIN; before seccomp, and
// after the security labels are written: from here on every file that is opened by path must be
// allowed, those of procfs too, and no mount can be changed. Descriptors that are open already keep
// working.
Status apply_landlock(const LandlockPolicy& policy, const DirFd& root);

// The version of the kernel's Landlock interface; 0 when it has none, or it is turned off.
int landlock_abi();

}  // namespace dhow::runtime
