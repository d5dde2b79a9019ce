// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "oci/image.h"
#include "unpack/byte_source.h"
#include "unpack/layer_writer.h"

namespace dhow::unpack {

struct UnpackRequest {
  Digest digest;   // of the stream as it comes
  Digest diff_id;  // of the archive in it
  oci::Compression compression = oci::Compression::kNone;
  Whiteouts whiteouts = Whiteouts::kOverlay;
  WriteLimits limits;
  WriteRules rules;
};

// Unpacks one layer below a folder while it comes in: the stream is hashed and inflated in one
// thread, the archive hashed and written in the caller's. Memory is bounded whatever the layer.
// Both digests are checked to the last byte, the packed one by the source where that does it:
// kDataLoss ("digest" or "diff id") leaves a folder that the caller has to drop, as does every
// other failure; the layer's digest stands in front of each message. kFailedPrecondition as of
// LayerWriter::write. Blocks on the stream and the disk.
Result<Written> unpack_layer(ByteSource& packed, const DirFd& root, const UnpackRequest& request);

}  // namespace dhow::unpack
