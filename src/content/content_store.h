// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "metadata/lease_store.h"
#include "sys/fd.h"

namespace dhow::content {

// A blob: complete, and verified when it came.
struct BlobInfo {
  Digest digest;
  std::int64_t size = 0;     // bytes
  std::int64_t created = 0;  // nanoseconds since 1970
  metadata::Labels labels;
};

// What a blob is to be when its ingest is committed.
struct CommitRequest {
  Digest digest;                     // what the content must hash to
  std::optional<std::int64_t> size;  // what it must measure, when known
  metadata::Labels labels;
  std::vector<metadata::Resource> references;  // what the blob needs
  std::string lease;                           // holds the blob from its first moment; "": none
};

// Bytes of a content: those from `begin` to before `end`.
struct Extent {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool operator==(const Extent&) const = default;
};

// Content on its way in, under a name of the caller's; what was written stays when the owner goes,
// or dies, and the next ingest of that name goes on from there. One at a time; used by one thread
// at a time, but for what says otherwise.
class Ingest {
 public:
  virtual ~Ingest() = default;
  // How many bytes are there from the first one on, without a gap. Any thread.
  virtual std::int64_t offset() const = 0;
  // How many bytes were there, behind gaps too, when the ingest was opened.
  virtual std::int64_t resumed() const = 0;
  // What is there, in order, with a gap between any two. Any thread.
  virtual std::vector<Extent> extents() const = 0;
  // Appends at offset(). A failure (kResourceExhausted: the disk is full) leaves what was there
  // before.
  virtual Status write(std::string_view data) = 0;
  // Writes at a place of its own, out of order. Several threads at once for places apart, also
  // beside hash_ahead(). What came so is found again as the rest is.
  virtual Status write_at(std::int64_t offset, std::string_view data) = 0;
  // Hashes what is there up to offset() and was not hashed when it came, so that commit() has less
  // to do.
  virtual Status hash_ahead() = 0;
  // Reads what is there, for a reader that comes later than the bytes; another thread may do so
  // beside write(), and after commit(). Fewer bytes than asked for only at the end.
  virtual Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) const = 0;
  // Forgets what is there, to begin again.
  virtual Status restart() = 0;
  // Makes a blob of it, in one step. Content of another digest or size, or with a gap, is kDataLoss
  // and is forgotten: what was resumed may be to blame. A blob that is there already is success.
  virtual Status commit(const CommitRequest& request) = 0;
};

// Keeps blobs by their digest. Thread safe; calls block on the disk.
class ContentStore {
 public:
  virtual ~ContentStore() = default;
  // kNotFound when there is no such blob.
  virtual Result<BlobInfo> stat(const Digest& digest) const = 0;
  // The content, open for reading. It stays readable when the blob is removed meanwhile.
  virtual Result<Fd> open(const Digest& digest) const = 0;
  // The content, when it is no more than `limit` bytes (else kOutOfRange), checked against its
  // digest: a damaged blob is forgotten and is kDataLoss.
  virtual Result<std::string> read(const Digest& digest, std::size_t limit) = 0;
  virtual Result<std::vector<BlobInfo>> list() const = 0;
  // kUnavailable while somebody else has an ingest of that name open.
  virtual Result<std::unique_ptr<Ingest>> ingest(std::string_view name) = 0;
  // Blocks until nobody has an ingest of that name open; kCancelled when `stop` is asked for.
  virtual Status wait_for_ingest(std::string_view name, std::stop_token stop) = 0;
  // Forgets the ingest of that name; none is success. kUnavailable while it is open.
  virtual Status abort(std::string_view name) = 0;
  // Has a lease hold a blob; kNotFound without either.
  virtual Status hold(const Digest& digest, const std::string& lease) = 0;
  // Hashes a blob's content: kDataLoss when it is damaged, and the blob is forgotten.
  virtual Status verify(const Digest& digest) = 0;
  // Says that a blob needs others, or snapshots: they stay for as long as it does. kNotFound
  // without it.
  virtual Status refer(const Digest& digest, const std::vector<metadata::Resource>& needed) = 0;
  // Forgets a blob whose content turned out not to be its digest's, so that it is fetched again.
  virtual Status discard(const Digest& digest) = 0;
  // Returns when those blobs are on the disk to stay. Naming an image comes after it.
  virtual Status sync(const std::vector<Digest>& digests) = 0;
  // Writes a small blob in one call.
  Status put(std::string_view content, const CommitRequest& request);
};

}  // namespace dhow::content
