// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/image_push.h"
#include "oci/image.h"
#include "registry/repository.h"

namespace dhow::engine {

// A blob of the store that a repository is to have.
struct BlobUpload {
  oci::Descriptor blob;
  std::vector<std::string> sources;  // other repositories of that registry that may have it
};

// Sees to it that the repository has them, several at the same time: those that are there are left
// alone, others mounted from one of their sources, or sent. The first failure ends the rest and is
// returned; kDataLoss, when a blob turned out damaged, has it forgotten. Blocks.
Status upload_blobs(content::ContentStore& store, const registry::Repository& repository,
                    const std::vector<BlobUpload>& blobs, const PushOptions& options,
                    std::stop_token stop);

}  // namespace dhow::engine
