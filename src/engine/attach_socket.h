// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "engine/container_types.h"
#include "engine/engine.h"
#include "sys/fd.h"

namespace dhow::engine {

// Connects to the attach socket of a container or exec (docs/engine.md, "Standard streams") and
// says what is wanted of it. kUnavailable when nobody listens there. Blocks until the shim has
// answered: kDeadlineExceeded when it has not within ten seconds.
Result<Fd> connect_attach(const std::string& socket, const AttachOptions& options);

// The URI of standard streams that makes a shim log and listen as the query says.
std::string io_uri(const std::string& socket, const TextMap& query);
// The same for the shims of others, which start our `program` to keep the streams.
std::string logger_uri(const std::string& program, const std::string& uri);
// By which such a process gets its input, when it has a terminal: of other processes these shims
// take none beside a logger.
Status make_input_fifo(const std::string& path);

// Where the driver json-file writes.
std::string log_path(const EngineOptions& options, const std::string& id);

}  // namespace dhow::engine
