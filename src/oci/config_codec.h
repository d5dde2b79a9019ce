// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/config.h"

// JSON in and out of the types in config.h (RFC 8259 by Boost.JSON, which stays out of this
// header). Unknown fields are ignored; a field of the wrong type, an unknown enum value or a number
// out of range is kInvalidArgument with the JSON path of the field: `$.process.user.uid: ...`.
namespace dhow::oci {

Result<Config> parse_config(std::string_view json);

// A process object alone: the file of `exec --process`.
Result<Process> parse_process(std::string_view json);

// A resources object alone: the file of `update --resources`.
Result<Resources> parse_resources(std::string_view json);

// An array of mount objects, or one: the file of `mounts add`.
Result<std::vector<Mount>> parse_mounts(std::string_view json);

// Compact JSON, with the members in the order of the specification. parse_config of it gives the
// same configuration. `seccomp`, when not "", is written as it is for linux.seccomp: what
// seccomp_json gave once does for many.
std::string config_json(const Config& config, std::string_view seccomp = {});
std::string process_json(const Process& process);
std::string resources_json(const Resources& resources);
std::string seccomp_json(const Seccomp& seccomp);

// What `spec` writes: the default configuration, indented with tabs, with a newline at the end.
// `rootless` adds the caller's ids as the only mappings and leaves out what needs root. `cgroup2`:
// the host has cgroup v2 alone, so that a cgroup namespace is of use.
std::string default_config_json(bool rootless, unsigned uid, unsigned gid, bool cgroup2 = false);

}  // namespace dhow::oci
