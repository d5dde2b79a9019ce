// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"

namespace dhow::dhowd {

// Sends log lines to the standard error from now on: `time="…" level=info msg="…"`, or JSON
// objects. Any thread may log.
void start_log(log::Level level, bool json);
void set_log_level(log::Level level);

}  // namespace dhow::dhowd
