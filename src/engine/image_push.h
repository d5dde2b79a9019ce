// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/progress.h"
#include "image/image_store.h"
#include "oci/image.h"
#include "oci/platform.h"
#include "registry/repository.h"

namespace dhow::engine {

struct PushOptions {
  std::string name_space;
  // Of an index only the manifest for this platform; none: the index with all that it names.
  std::optional<oci::Platform> platform = {};
  unsigned uploads = 3;  // blobs that are sent at the same time
  // Told how each blob gets on, as of Progress, until the call returns; may be null.
  Progress::Observer progress = {};
};

// Where a push takes images from. Borrowed, thread safe.
struct PushStores {
  content::ContentStore& content;
  const image::Store& images;
};

// Brings the image `name` (in the long form) to a repository, under the tag of the repository's
// reference, or under its digest when that has none, and returns what was written there. Blobs that
// are there are not sent; those of images here that are named after another repository of the same
// registry are mounted from it, where it lets them; foreign layers stay where they are. Manifests
// come after what they need, the one with the tag last: a push that fails leaves the tag as it was.
// What neither the store nor the repository has is kNotFound, with all that is missing by name,
// before anything is sent; so are a name that is unknown, and an index without the platform. Blobs
// are checked while they are sent: a damaged one is forgotten, and is kDataLoss. Blocks on disk and
// network; kCancelled when `stop` is asked for.
Result<oci::Descriptor> push_image(const PushStores& stores, const std::string& name,
                                   const registry::Repository& repository,
                                   const PushOptions& options, std::stop_token stop = {});

}  // namespace dhow::engine
