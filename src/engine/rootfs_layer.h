// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "oci/image.h"
#include "unpack/byte_source.h"

namespace dhow::engine {

struct RootfsLayer {
  oci::Descriptor layer;
  Digest diff_id;
};

// Makes a blob of a root file system's tar stream, as it is packed: by gzip, zstd or not. `lease`
// holds it. Nothing is unpacked; damage of the packing is kDataLoss. Blocks on the stream.
Result<RootfsLayer> store_rootfs_layer(unpack::ByteSource& archive, content::ContentStore& content,
                                       const std::string& lease);

// Writes the configuration and the manifest of an image whose layers are in the store; returns the
// manifest's descriptor. `lease` holds them. Nothing is synced, nor named.
Result<oci::Descriptor> store_image(content::ContentStore& content, const oci::Image& image,
                                    const std::vector<oci::Descriptor>& layers,
                                    const std::string& lease);

}  // namespace dhow::engine
