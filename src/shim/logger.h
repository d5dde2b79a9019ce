// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "shim/uri.h"
#include "shim/worker.h"

namespace dhow::shim {

// A program that takes the output of a process (binary://PATH?ARG=VALUE…, containerd's logging
// plug-ins): it reads descriptors 3 and 4, and closes 5 when it is ready, or for binary-v2 writes a
// byte to it. Its arguments are the names and values of the query, its environment has CONTAINER_ID
// and CONTAINER_NAMESPACE.
struct LoggerCommand {
  Uri uri;
  std::string container_id;
  std::string name_space;
};

// Starts it; `done` is called from the loop once it is ready, or has failed to within 10 seconds.
// It is a child of the shim from then on, which does nothing about its end.
void start_logger(Workers& workers, const LoggerCommand& command, const Fd& out, const Fd& err,
                  std::function<void(Status)> done);

}  // namespace dhow::shim
