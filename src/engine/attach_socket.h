// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "engine/container_types.h"
#include "engine/engine.h"
#include "sys/fd.h"
#include "task/tasks.h"

namespace dhow::engine {

// Connects to the attach socket of a container or exec (docs/engine.md, "Standard streams") and
// says what is wanted of it. kUnavailable when nobody listens there. Blocks until the shim has
// answered: kDeadlineExceeded when it has not within ten seconds.
Result<Fd> connect_attach(const std::string& socket, const AttachOptions& options);

// The URI of standard streams that makes a shim log and listen as the query says.
std::string io_uri(const std::string& socket, const TextMap& query);
// Streams through a shim of others, which starts our `program` to keep them as the query says.
// Input comes to a process with a terminal alone, by a fifo that has to be there first: such shims
// give others none beside a logger.
task::Streams foreign_streams(const std::string& program, const std::string& socket, TextMap query,
                              bool terminal, bool input);
Status make_input_fifo(const std::string& path);

// Where the driver json-file writes.
std::string log_path(const EngineOptions& options, const std::string& id);

}  // namespace dhow::engine
