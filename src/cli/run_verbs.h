// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "cli/session.h"

// Handlers of the commands that join a container's streams (command.h says what a handler is).
namespace dhow::cli {

Result<int> run_run(Session& session, const Arguments& arguments);
Result<int> run_create(Session& session, const Arguments& arguments);
Result<int> run_start(Session& session, const Arguments& arguments);
Result<int> run_attach(Session& session, const Arguments& arguments);
Result<int> run_exec(Session& session, const Arguments& arguments);

}  // namespace dhow::cli
