// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace dhow::engine {

// What --security-opt says.
struct SecurityOptions {
  std::optional<bool> no_new_privileges;
  // "": the engine's default, "builtin": docker's, "unconfined", or a profile's JSON
  std::string seccomp;
  std::string apparmor;  // "": the default, "unconfined", or a profile's name
  std::vector<std::string> labels;
  bool unconfined_paths = false;  // systempaths=unconfined: nothing of /proc and /sys is hidden
  std::optional<bool> writable_cgroups;
};

// Reads the options; a fault is kInvalidArgument in docker's words.
Result<SecurityOptions> parse_security_options(const std::vector<std::string>& options);

// Whether this kernel has AppArmor, and the profile is loaded.
bool apparmor_enabled();
bool apparmor_has(const std::string& profile);

}  // namespace dhow::engine
