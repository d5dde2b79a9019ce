// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "shim/bootstrap.h"

namespace dhow::shim {

// The shim itself: serves the Task service on descriptor 3, which listens, until it is shut down.
Status serve(const CommandLine& command_line);
// A keeper of the streams of one process, for a foreign shim that has started it as its logger
// (binary://): descriptors 3 and 4 are read, 5 is closed when it is ready. Ends with the streams.
Status keep_streams(std::string_view uri);

// Where runtimes keep their state: `given`, or a folder beside the sockets of the engine at
// `address`.
std::string runtime_root_of(std::string_view given, std::string_view address);

}  // namespace dhow::shim
