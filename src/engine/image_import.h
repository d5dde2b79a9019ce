// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/progress.h"
#include "oci/image.h"
#include "unpack/byte_source.h"

namespace dhow::engine {

// An image that an archive brought.
struct Imported {
  std::vector<std::string> names;  // in the long form; none: the archive has no name for it
  oci::Descriptor target;          // its manifest or index, a blob of the store now
};

struct ImportOptions {
  std::string lease;  // holds what comes; it must be there
  // The repository of names that are a tag alone, as OCI layouts of some tools have them; "": such
  // names are left out.
  std::string repository;
  // Borrowed; may be null. Told of each blob of the archive while it is read; of one whose digest
  // its path does not say, when it has been.
  Progress* progress = nullptr;
};

// Reads images from a tar stream, packed by gzip or zstd or not: an OCI layout (image-spec,
// image-layout.md), what `docker save` writes today (both in one) or did before (docker-archive),
// several images in one too. Nothing is kept in memory but the small documents; each blob is
// checked against its digest, and a docker-archive becomes docker manifests over the layers as they
// are. Nothing is named yet: that is for the caller, after ContentStore::sync. Faults are
// kInvalidArgument with the member's name; kNotFound for a document that refers to what the archive
// does not have. Blocks on the stream.
Result<std::vector<Imported>> import_images(unpack::ByteSource& archive,
                                            content::ContentStore& store,
                                            const ImportOptions& options);

}  // namespace dhow::engine
