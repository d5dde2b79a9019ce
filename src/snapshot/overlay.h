// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "metadata/database.h"
#include "snapshot/backend.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

struct OverlayOptions {
  // Attributes of overlayfs as user.overlay.*: nothing else is possible in a user namespace. By
  // itself when not given.
  std::optional<bool> userxattr;
};

// Snapshots as folders that overlayfs lays one over the other ("overlayfs"). Each folder has "fs",
// what the snapshot adds, and, when it can be written, "work". Recovers as LocalSnapshotter::open
// does. The database is borrowed.
Result<std::unique_ptr<Snapshotter>> open_overlay(const std::string& folder,
                                                  metadata::Database& database,
                                                  const OverlayOptions& options = {});

// The parts of it that others use too.

// Makes "fs" and, to be written, "work". Its root is as that of `below`, a folder, or has the mark
// of a root that nobody described yet.
Status fill_overlay(FdRef folder, Purpose purpose, const std::string& below);
// Gives "fs" the owner and mode of `below` ("": root's), when it still has that mark.
Status settle_root(FdRef folder, const std::string& below);

}  // namespace dhow::snapshot
