// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "content/content_store.h"
#include "metadata/collector.h"
#include "metadata/database.h"

namespace dhow::content {

// Blobs as files of a folder, what is known of them in the database:
//   blobs/sha256/HEX   complete and verified; read only
//   ingest/HEX/        what is on its way in: "name", "data"
//   trash/             forgotten, to be reclaimed
// A blob's row and its file come and go together: the file is renamed inside the transaction, and
// what a crash left of either without the other is put right when the store is opened.
class LocalContentStore : public ContentStore {
 public:
  // For the collector: takes the file of a blob away.
  virtual metadata::Collector::Remover remover() = 0;
  // Reclaims what was forgotten, ingests that nobody has touched for a day too. May take long; safe
  // beside everything else.
  virtual Status empty_trash() = 0;
};

// Opens or makes the folder (mode 0700), and recovers: blobs that were not synced before another
// boot are checked against their digests, others against their size; those that are damaged are
// forgotten, with a word in the log. The database is borrowed. One store a folder and machine at a
// time (kUnavailable).
Result<std::unique_ptr<LocalContentStore>> open_local_store(const std::string& folder,
                                                            metadata::Database& database);

}  // namespace dhow::content
