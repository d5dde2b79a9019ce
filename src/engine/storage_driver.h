// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "metadata/database.h"
#include "snapshot/snapshotter.h"

namespace dhow::engine {

// Opens the snapshots of a data folder. `driver`: "overlay2" (or "overlayfs"), layers over each
// other; "vfs" ("native"), a whole copy of the tree for each layer and container, for file systems
// that overlayfs can't write to; "": what the folder has, or in a new one overlay2 where that
// works, else vfs. kFailedPrecondition when the folder has been used by the other one. The database
// is borrowed. Blocks on the disk.
Result<std::unique_ptr<snapshot::Snapshotter>> open_snapshots(const std::string& root,
                                                              const std::string& driver,
                                                              metadata::Database& database);

}  // namespace dhow::engine
