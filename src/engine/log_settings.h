// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "engine/container_record.h"

namespace dhow::engine {

// Whether the driver takes these options, as docker says it when a container is made:
// kInvalidArgument in its words, kUnimplemented for a driver of docker's that dhow hasn't.
Status check_log_config(const LogConfig& config);

// The options for the shim of a container: docker's with what comes of `labels`, `labels-regex`,
// `env`, `env-regex` and `tag`, which are the engine's to know; names of logging/driver.h.
// `path`: the file of a driver that writes one.
Result<TextMap> shim_log_options(const ContainerRecord& record, const std::string& path);

// Whether the engine can read what the driver has written.
bool is_readable_log(const LogConfig& config);

}  // namespace dhow::engine
