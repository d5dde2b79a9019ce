// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::engine {

// When a rule of a profile counts. Empty lists hold for all.
struct SeccompCondition {
  std::vector<std::string> capabilities;  // the container has all of them
  std::vector<std::string> machines;      // one of them: "amd64", "arm64", …
  std::string min_kernel;                 // "4.8"
};

struct SeccompRule {
  oci::SeccompSyscall calls;
  SeccompCondition includes;
  SeccompCondition excludes;  // one part of it holds: the rule doesn't count
};

// A profile as docker has it: rules with conditions, of which the ones that hold for a container
// become its filter.
struct SeccompProfile {
  oci::Seccomp base;  // all but the rules
  std::vector<SeccompRule> rules;
};

// Docker's default: what is not named is EPERM, and calls that take privileges come with their
// capability.
SeccompProfile default_seccomp_profile();

// Reads a profile in docker's format, or in that of the runtime specification, for this machine.
// kInvalidArgument with the field.
Result<SeccompProfile> parse_seccomp_profile(std::string_view json);

// The profile that an engine is told to use for containers that ask for none: a file, or "",
// "builtin" or "unconfined", for which it is the built-in one. Blocks on the disk. A fault names
// the file.
Result<SeccompProfile> engine_seccomp_profile(const std::string& setting);

// The filter of a container with those capabilities ("CAP_…") on this machine and kernel.
oci::Seccomp resolve_seccomp(const SeccompProfile& profile,
                             const std::vector<std::string>& capabilities);

}  // namespace dhow::engine
