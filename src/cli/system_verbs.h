// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "cli/session.h"

// Handlers of the commands on the engine as a whole.
namespace dhow::cli {

Result<int> run_version(Session& session, const Arguments& arguments);
Result<int> run_info(Session& session, const Arguments& arguments);
Result<int> run_events(Session& session, const Arguments& arguments);
Result<int> run_system_df(Session& session, const Arguments& arguments);
Result<int> run_system_prune(Session& session, const Arguments& arguments);
Result<int> run_container_prune(Session& session, const Arguments& arguments);
Result<int> run_image_prune(Session& session, const Arguments& arguments);
Result<int> run_volume_prune(Session& session, const Arguments& arguments);
Result<int> run_network_prune(Session& session, const Arguments& arguments);
Result<int> run_builder_prune(Session& session, const Arguments& arguments);
Result<int> run_dial_stdio(Session& session, const Arguments& arguments);
Result<int> run_doctor(Session& session, const Arguments& arguments);
Result<int> run_completion(Session& session, const Arguments& arguments);
Result<int> run_man(Session& session, const Arguments& arguments);

}  // namespace dhow::cli
