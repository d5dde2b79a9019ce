// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "metadata/database.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

// Snapshots whose layers are images of erofs ("erofs"): one file each, that nothing can change,
// with no more inodes on the disk than that. What can be written is a folder on top of them, by
// overlayfs; a layer is written as a folder too, and becomes an image by mkfs.erofs (package
// erofs-utils) when it is committed. Recovers as LocalSnapshotter::open does. kUnimplemented in a
// user namespace, which can't mount images, and where the kernel has no erofs. The database is
// borrowed.
Result<std::unique_ptr<Snapshotter>> open_erofs(const std::string& folder,
                                                metadata::Database& database);

}  // namespace dhow::snapshot
