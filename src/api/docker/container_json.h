// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/docker/http_types.h"
#include "engine/container_types.h"
#include "oci/json.h"

namespace dhow::api::docker {

// A time as the API has it; 0 is the year 1.
std::string time_text(std::int64_t nanoseconds);

// GET /containers/{id}/json.
std::string container_inspect_json(const engine::Inspection& container, ApiVersion version);
// An item of GET /containers/json.
void write_container_summary(oci::JsonWriter& json, const engine::ContainerSummary& container,
                             ApiVersion version);

}  // namespace dhow::api::docker
