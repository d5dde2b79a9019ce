// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/docker/http_types.h"
#include "engine/container_types.h"

namespace dhow::api::docker {

// GET /containers/{id}/stats: a sample, and the one before it, from which clients tell the load.
std::string stats_json(const engine::StatsSample& sample, const engine::StatsSample& before,
                       ApiVersion version);

}  // namespace dhow::api::docker
