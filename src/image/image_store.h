// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "metadata/database.h"
#include "metadata/lease_store.h"

namespace dhow::image {

// A name of an image. Times are nanoseconds since 1970.
struct Record {
  std::string name;        // as oci::Reference::text() gives it
  Digest digest;           // of the manifest or index that it names
  std::string media_type;  // of that
  std::int64_t size = 0;   // of that, bytes
  std::int64_t created = 0;
  std::int64_t updated = 0;
  metadata::Labels labels;
};

// The names of images, apart for each namespace ("moby", "k8s.io"). The database is borrowed.
// Thread safe; calls block as the database's do. Naming an image keeps its blobs from being
// collected, so the caller makes sure before that they are there to stay (ContentStore::sync,
// Snapshotter::sync).
class Store {
 public:
  explicit Store(metadata::Database& database) : database_(database) {}

  // Names an image, over what had the name before; `created` and `updated` are set here. The digest
  // must be a blob of the content store (else kFailedPrecondition). On the disk when it returns.
  Result<Record> put(std::string_view name_space, Record record);
  // kNotFound when there is no such name.
  Result<Record> get(std::string_view name_space, std::string_view name) const;
  // Sorted by their names.
  Result<std::vector<Record>> list(std::string_view name_space) const;
  // Takes the name away; what nothing else needs is collected later. kNotFound when there is none.
  Status remove(std::string_view name_space, std::string_view name);

 private:
  metadata::Database& database_;
};

}  // namespace dhow::image
