// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

// Checks of parsed values that no single type shows: what the specification says MUST, and what
// would otherwise fail halfway through a create. The first fault is returned, kInvalidArgument with
// its JSON path. Nothing here looks at the host. What the specification frowns on and other
// runtimes accept is a warning in the log. `path` is the JSON path of the value, to be named in
// faults.
namespace dhow::oci {

Status validate(const Config& config);

// The checks on a process alone, for exec.
Status validate_process(const Process& process, std::string_view path);

// The checks on resources alone, for update.
Status validate_resources(const Resources& resources, std::string_view path);

// The checks on mounts alone, for mounts added to a running container.
Status validate_mounts(const std::vector<Mount>& mounts, std::string_view path);

// The file of a sysctl below /proc/sys. As in sysctl(8), the first separator of a name says which
// of '.' and '/' separates: "net.ipv4.conf.eth0/1.x" and "net/ipv4/conf/eth0.1/x" are the same
// file. Empty when the name could lead elsewhere: an empty part, "." or "..".
std::string sysctl_file(std::string_view name);

}  // namespace dhow::oci
