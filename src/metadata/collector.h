// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/result.h"
#include "metadata/database.h"

namespace dhow::metadata {

// A blob or snapshot that nothing needs, about to be forgotten.
struct Garbage {
  std::string name;         // digest of a blob, name of a snapshot
  std::string snapshotter;  // of a snapshot
  std::int64_t id = 0;      // of a snapshot: names its folder
};

// Removes what nothing needs, by mark and sweep in one transaction. Needed are what images name,
// what leases that have not expired hold, every active snapshot and view, and, from there on, what
// blobs refer to and what snapshots stand on. A pull that runs holds a lease, so nothing of it is
// removed. The database is borrowed; thread safe.
class Collector {
 public:
  // Takes the content of a piece of garbage away, inside the transaction that forgets it: by a
  // rename into a trash folder, so that recovery can bring back what a failed transaction did not
  // forget.
  using Remover = std::function<Status(const Garbage&)>;

  Collector(Database& database, Remover remove_blob, Remover remove_snapshot)
      : database_(database),
        remove_blob_(std::move(remove_blob)),
        remove_snapshot_(std::move(remove_snapshot)) {}

  struct Counts {
    std::size_t leases = 0;  // that had expired
    std::size_t blobs = 0;
    std::size_t snapshots = 0;
  };
  // Blocks for the time of a scan of the tables; a failure of a remover undoes the whole
  // transaction.
  Result<Counts> collect();

 private:
  Database& database_;
  Remover remove_blob_;
  Remover remove_snapshot_;
};

}  // namespace dhow::metadata
