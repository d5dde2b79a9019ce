// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/progress.h"
#include "image/image_store.h"
#include "metadata/lease_store.h"
#include "oci/platform.h"
#include "registry/repository.h"
#include "snapshot/snapshotter.h"

namespace dhow::engine {

// Where images are kept: borrowed, thread safe.
struct ImageStores {
  metadata::LeaseStore& leases;
  content::ContentStore& content;
  snapshot::Snapshotter& snapshots;
  image::Store& images;
};

struct PullOptions {
  std::string name_space;
  oci::Platform platform = oci::host_platform();
  unsigned downloads = 3;      // layers that are fetched at the same time
  unsigned threads = 0;        // layers that are unpacked at the same time; 0: one a processor
  bool strict_layers = false;  // as UnpackOptions::strict_layers
  // Told how each layer gets on, as of Progress, until the call returns; may be null.
  Progress::Observer progress = {};
  // Layers of which that many bytes are missing are fetched in parts of `part` bytes, over several
  // connections.
  std::int64_t split_from = std::int64_t{32} << 20;
  std::int64_t part = std::int64_t{16} << 20;
};

struct Pulled {
  image::Record image;
  std::string snapshot;  // the topmost layer's
};

// Brings an image from a repository, unpacks it while it comes, and names it as the repository's
// reference says. What is here already is not asked for: of an image that is complete nothing but
// what its tag stands for. The name is set last, when all of it is on the disk; a failure, or the
// death of the process, leaves no name, and what has come is used by the next pull. A blob that
// turns out damaged is fetched again, once. Faults as of Repository and unpack_image; kNotFound
// when an index has nothing for the platform. Blocks.
Result<Pulled> pull_image(const ImageStores& stores, const registry::Repository& repository,
                          const PullOptions& options, std::stop_token stop = {});

}  // namespace dhow::engine
