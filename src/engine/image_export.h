// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "oci/image.h"
#include "unpack/byte_sink.h"

namespace dhow::engine {

// An image for an archive, under these names (in the long form; none: by its digest alone).
struct Exported {
  std::vector<std::string> names;
  oci::Descriptor target;  // media type, digest and size of a manifest or index in the store
};

struct ExportOptions {
  // Of indexes, docker's own list has the image of this platform.
  oci::Platform platform;
};

// Writes images as one tar stream that is an OCI layout (image-spec, image-layout.md) and what
// `docker load` reads at once: oci-layout, index.json, manifest.json and each blob once. The same
// images are the same bytes. What an index has for other platforms is left out when the store lacks
// it. kNotFound when something else is missing, kDataLoss when a blob is damaged: the stream is of
// no use then. Blocks on the disk and the sink.
Status export_images(content::ContentStore& store, const std::vector<Exported>& images,
                     const ExportOptions& options, unpack::ByteSink& sink);

}  // namespace dhow::engine
