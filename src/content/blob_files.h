// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/hasher.h"
#include "base/result.h"
#include "sys/fd.h"
#include "sys/process_lock.h"

namespace dhow::content {

// The folders of a content store. It knows nothing of the database: what a file means is for the
// store.
class BlobFiles {
 public:
  // Makes what is missing. Holds a lock on the folder for as long as it lives: kUnavailable when
  // another process has it.
  static Result<BlobFiles> open(const std::string& folder);

  // For reading; the error has the errno.
  Result<Fd> open(const Digest& digest) const;
  // Renames the file `data` of an ingest's folder to the blob's place, over what may be there.
  Status adopt(FdRef ingest, const Digest& digest) const;
  // Renames the blob's file into the trash; none is success.
  Status discard(const Digest& digest) const;
  // Renames the blob's file back from the trash: true when there was one.
  bool restore(const Digest& digest) const;
  // fsync(2) of a blob's file, and of the folders that name them.
  Status sync(const Digest& digest) const;
  Status sync_folders() const;
  // The blobs that have a file.
  Result<std::vector<Digest>> list() const;
  // Unlinks what is in the trash.
  Status empty_trash() const;

  const Fd& ingests() const { return ingests_; }
  const Fd& trash() const { return trash_; }

 private:
  BlobFiles() = default;
  const Fd& folder_of(const Digest& digest) const;

  Fd root_;
  ProcessLock lock_;
  Fd sha256_;
  Fd sha512_;
  Fd ingests_;
  Fd trash_;
};

// Hashes a file from its beginning. Blocks for the time of reading it.
Status hash_file(FdRef file, Hasher& hasher);

}  // namespace dhow::content
