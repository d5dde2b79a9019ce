// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "oci/state.h"

namespace dhow::runtime {

// Runs the hooks of one kind in order (runtime-spec config.md, POSIX-platform Hooks): each gets the
// state on its standard input, the environment that it names, and, when it has a timeout, is killed
// when that is over. Blocks until all have ended. The first failure ends it:
// "error running <kind> hook #N: ...".
// `default_env` is what a hook without "env" gets (startContainer: the process's; others: nothing).
// The annotations run.oci.hooks.stdout and run.oci.hooks.stderr name files for the hooks' output.
Status run_hooks(std::string_view kind, const std::vector<oci::Hook>& hooks,
                 const oci::State& state, const std::vector<std::string>& default_env,
                 std::string_view working_dir);

// As run_hooks, but a failure is only a warning, and the next hook still runs (poststop).
void run_hooks_warning(std::string_view kind, const std::vector<oci::Hook>& hooks,
                       const oci::State& state, std::string_view working_dir);

}  // namespace dhow::runtime
