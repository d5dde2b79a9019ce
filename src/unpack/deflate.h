// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "oci/image.h"
#include "unpack/byte_sink.h"

namespace dhow::unpack {

// A sink that packs what it takes.
class Packer : public ByteSink {
 public:
  // Writes what is left, and the end of the stream. Nothing comes after it.
  virtual Status finish() = 0;
};

// Packs a stream into `sink`, which is borrowed and gets its pieces in the caller's thread: gzip
// (zlib, level 6, in independent pieces as pigz makes them), zstd (level 3) or not at all. The same
// bytes give the same bytes, in whatever pieces they come and however many threads pack them
// (0: one a processor): no time, no name, no property of this machine is in them, but the versions
// of the libraries are. Memory is bounded. The sink's failure is final.
std::unique_ptr<Packer> pack(ByteSink& sink, oci::Compression compression, unsigned threads = 0);

}  // namespace dhow::unpack
