// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "oci/config.h"

namespace dhow::engine {

// Fills in what docker derives (swap from memory), and refuses what it refuses, in its words
// (kInvalidArgument). `warnings` gets what has no effect.
Status check_resources(ResourceConfig& resources, std::vector<std::string>& warnings);

// The limits of a container but for its devices. kInvalidArgument when a block device isn't one.
Result<oci::Resources> spec_resources(const ResourceConfig& resources);

// The limits of its processes; of the same name the container's. kInvalidArgument for a name that
// is none.
Result<std::vector<oci::Rlimit>> spec_rlimits(const std::vector<Ulimit>& own,
                                              const std::vector<Ulimit>& defaults);

// What is set in `changes`, over `resources`. kInvalidArgument as of check_resources.
Status merge_resources(ResourceConfig& resources, const ResourceConfig& changes);

}  // namespace dhow::engine
