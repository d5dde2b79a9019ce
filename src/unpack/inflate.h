// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "oci/image.h"
#include "unpack/byte_source.h"

namespace dhow::unpack {

// Unpacks a stream as it comes: gzip (RFC 1952, several members in a row too; ISA-L) or zstd (RFC
// 8878, several frames, windows up to 128 MiB). `source` is borrowed. Memory is bounded by the
// window and one buffer of a piece. Damage is kDataLoss, as is an end in the middle; more than
// `limit` bytes out are kResourceExhausted. Zeros after a gzip stream are padding, anything else is
// damage.
std::unique_ptr<ByteSource> inflate(ByteSource& source, oci::Compression compression,
                                    std::int64_t limit);

// How the bytes at the front of a stream are packed, by their magic; none with fewer than four
// bytes.
oci::Compression sniff_compression(std::string_view front);

}  // namespace dhow::unpack
