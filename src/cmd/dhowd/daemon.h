// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "cmd/dhowd/options.h"

namespace dhow::dhowd {

// Opens the engine and serves it until SIGTERM or SIGINT, or, with `idle_exit`, until nobody has
// needed it for a while. SIGHUP reads the configuration again. Containers run on behind it.
Status serve(Configuration configuration, const CommandLine& line);

}  // namespace dhow::dhowd
