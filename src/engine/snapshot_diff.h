// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "content/content_store.h"
#include "oci/image.h"
#include "snapshot/snapshotter.h"

namespace dhow::engine {

// What programs look for to know that they are in a container of docker's. It is no change of it.
inline constexpr const char* kMarkFile = ".dockerenv";

struct DiffOptions {
  std::string lease;  // holds the blob; it must be there
  oci::Compression compression = oci::Compression::kGzip;
  // Later times are cut to this one: seconds since 1970, as SOURCE_DATE_EPOCH.
  std::optional<std::int64_t> latest = {};
  std::vector<std::string> left_out = {};  // paths that do not count
  unsigned threads = 0;  // that pack; 0: one a processor. They don't change the bytes.
};

// A layer that is a blob of the store now.
struct SnapshotDiff {
  oci::Descriptor layer;
  Digest diff_id;         // of the archive in it
  bool is_empty = false;  // nothing changed
};

// Makes a layer of what a snapshot changes of the one it stands on: of an active one also while it
// is written to, if the caller can bear that (a file that changes is kAborted). The same trees are
// the same blob, whichever snapshotter has them; of an active one on overlayfs only what was
// written is read, else both trees are. The blob is not synced. Faults as of unpack::read_layer, in
// front of them the snapshot's name; kNotFound without it. Blocks on the disk.
Result<SnapshotDiff> diff_snapshot(snapshot::Snapshotter& snapshotter, const std::string& name,
                                   content::ContentStore& store, const DiffOptions& options);

}  // namespace dhow::engine
