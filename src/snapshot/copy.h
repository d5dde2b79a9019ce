// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "metadata/database.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

// Snapshots as folders that are whole trees ("native"): for where overlayfs is not. A new one is a
// copy of what it stands on, whose blocks it shares where the file system can (btrfs, xfs);
// elsewhere it takes the time and the room of it. Recovers as LocalSnapshotter::open does. The
// database is borrowed.
Result<std::unique_ptr<Snapshotter>> open_copy(const std::string& folder,
                                               metadata::Database& database);

}  // namespace dhow::snapshot
