// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "content/blob_files.h"
#include "content/content_store.h"
#include "content/open_ingests.h"
#include "metadata/database.h"

namespace dhow::content {

// The ingests of a LocalContentStore, each a folder of its own. `files`, `database` and `open` are
// borrowed.
Result<std::unique_ptr<Ingest>> open_ingest(const BlobFiles& files, metadata::Database& database,
                                            OpenIngests& open, std::string_view name);
Status abort_ingest(const BlobFiles& files, OpenIngests& open, std::string_view name);
// Blocks until nobody has it open; false when `stop` was asked for before.
bool wait_for_ingest(OpenIngests& open, std::string_view name, std::stop_token stop);
// Forgets the ingests that nobody has open and that were last written before `time` (nanoseconds
// since 1970).
Status drop_old_ingests(const BlobFiles& files, OpenIngests& open, std::int64_t time);

// Records what a blob needs, as a part of a transaction; kNotFound without the blob.
Status add_references(metadata::Transaction& transaction, const Digest& digest,
                      const std::vector<metadata::Resource>& needed);

}  // namespace dhow::content
