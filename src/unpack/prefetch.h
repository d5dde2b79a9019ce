// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "unpack/byte_source.h"

namespace dhow::unpack {

// Reads `source` ahead in a thread of its own, so that making its bytes and using them go on side
// by side: at most `buffers` pieces of up to 256 KiB wait. `source` is borrowed, and used by that
// thread alone until the result is gone; its failure comes after the bytes before it. Destroying
// the result waits for the call of source.next() that is under way.
std::unique_ptr<ByteSource> prefetch(ByteSource& source, std::size_t buffers = 8);

}  // namespace dhow::unpack
