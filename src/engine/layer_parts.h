// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/result.h"
#include "content/content_store.h"
#include "oci/image.h"
#include "registry/repository.h"

namespace dhow::engine {

struct PartOptions {
  std::int64_t size = std::int64_t{16} << 20;  // bytes that one request asks for
  unsigned connections = 4;                    // requests at the same time
};

// Fetches what an ingest lacks of a blob by several requests at once, the parts in their order so
// that who reads from the front does not wait long, and hashes what has come in order meanwhile.
// `grown` is called from the caller's thread whenever more is there. Memory is that of the
// connections. The first failure ends all; what has come stays in the ingest. kUnimplemented: the
// registry knows no ranges, and fetch_blob is the way. Blocks.
Status fetch_parts(const registry::Repository& repository, const oci::Descriptor& blob,
                   content::Ingest& ingest, const PartOptions& options,
                   const std::function<void()>& grown, std::stop_token stop);

}  // namespace dhow::engine
