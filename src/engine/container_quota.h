// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"
#include "engine/container_config.h"
#include "snapshot/snapshotter.h"

namespace dhow::engine {

// What a container's root may take, of the options of `--storage-opt`: bytes; 0: no limit. Without
// options it is `fallback`. Faults are kInternal, in docker's words.
Result<std::int64_t> root_size(const TextMap& options, const snapshot::Snapshotter& snapshots,
                               std::int64_t fallback);

}  // namespace dhow::engine
