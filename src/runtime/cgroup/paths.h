// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::cgroup {

// Resolves ".", ".." and doubled slashes by text alone, as below a root that ".." can't leave.
// "/a/b" without a slash at the end; "/" when nothing is left.
std::string clean_path(std::string_view path);

std::string_view parent_path(std::string_view path);

// The path of a container's cgroup below the mount of its hierarchy. An absolute linux.cgroupsPath
// counts from the mount, a relative one from `base` (the cgroup of the caller, or on v2 the one
// above it, since a v2 cgroup with processes can't have controlled children); without one the
// container is named by its id below `base`.
std::string container_path(std::string_view base, std::string_view cgroups_path,
                           std::string_view id);

// A container's cgroup as systemd names it, from "slice:prefix:name".
struct UnitName {
  std::string slice;   // empty: the default one
  std::string prefix;  // "runc"
  std::string name;
  // "<prefix>-<name>.scope", or the name itself when it is a slice.
  std::string unit() const;
  bool is_slice() const;
};
Result<UnitName> parse_unit_path(std::string_view cgroups_path, std::string_view id,
                                 std::string_view program);

// Where systemd keeps a slice (systemd.slice(5)): "a-b.slice" is "/a.slice/a-b.slice"; "-.slice" is
// "".
Result<std::string> expand_slice(std::string_view slice);

// `base` joined with a path that must stay in it: "bad sub cgroup path".
Result<std::string> join_sub_path(std::string_view base, std::string_view sub);

}  // namespace dhow::cgroup
