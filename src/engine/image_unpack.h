// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/progress.h"
#include "oci/image.h"
#include "snapshot/snapshotter.h"
#include "unpack/byte_source.h"
#include "unpack/layer_writer.h"

namespace dhow::engine {

// Where the bytes of layers come from: a blob of the store, or one that is on its way in. Called
// from several threads at once, for one layer a second time when it has to be written anew.
class LayerBytes {
 public:
  virtual ~LayerBytes() = default;
  // The stream of a layer from its first byte, as it is packed. It may block for bytes to come.
  virtual Result<std::unique_ptr<unpack::ByteSource>> open(const oci::Descriptor& layer) = 0;
};

// The blobs of a store. What it is given is borrowed; the progress may be null, and is told how far
// a layer is read.
class StoredLayers final : public LayerBytes {
 public:
  explicit StoredLayers(content::ContentStore& store, Progress* progress = nullptr)
      : store_(store), progress_(progress) {}
  Result<std::unique_ptr<unpack::ByteSource>> open(const oci::Descriptor& layer) override;

 private:
  content::ContentStore& store_;
  Progress* progress_;
};

struct UnpackOptions {
  std::string lease;           // holds the snapshots; it must be there
  unsigned threads = 0;        // layers at the same time; 0: as many as there are processors
  unpack::WriteLimits limits;  // of one layer
  bool strict_layers = false;  // as WriteRules::strict
  // Borrowed; may be null. Each layer of the manifest is one step, as often as it is in it.
  Progress* progress = nullptr;
};

// Makes the snapshots of an image's layers, all at the same time where the snapshotter can take
// them in any order, and returns the name of the topmost ("" for an image without layers). Layers
// that are there are not even read. A layer that stands on what only those below have is written a
// second time, into the whole tree. Faults name the layer: kDataLoss when its bytes are not those
// of its digest or diff id, kInvalidArgument when the manifest and the configuration do not fit or
// the archive is hostile. Nothing is left of an image that failed but its lower layers, which the
// lease holds. Blocks on the bytes and the disk.
Result<std::string> unpack_image(snapshot::Snapshotter& snapshotter, const oci::Manifest& manifest,
                                 const oci::Image& image, LayerBytes& bytes,
                                 const UnpackOptions& options);

}  // namespace dhow::engine
