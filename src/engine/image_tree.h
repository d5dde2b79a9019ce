// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "oci/image_codec.h"

namespace dhow::engine {

// An index in an index in an index: nobody needs more.
inline constexpr int kMaxIndexDepth = 8;

// The blobs that a manifest or index names.
std::vector<metadata::Resource> needed_by(const oci::ManifestOrIndex& document);

// Calls `each` for a manifest or index and for all that it needs and the store has, what is needed
// before what needs it, each blob once. Of an index the parts may be missing: other platforms, as a
// rule. kNotFound when the manifest itself, or what one that is there needs, is not. Blocks on the
// disk.
Status walk_tree(content::ContentStore& store, const oci::Descriptor& root,
                 const std::function<Status(const oci::Descriptor&)>& each);

// Records for all of it which blob needs which, so that naming the root keeps the rest; as
// walk_tree.
Status hold_tree(content::ContentStore& store, const oci::Descriptor& root);

// The manifest for a platform: `root` itself, or what indexes lead to, of the parts that the store
// has; none when there is no such. kNotFound when the store lacks `root`.
Result<std::optional<oci::Descriptor>> find_manifest(content::ContentStore& store,
                                                     const oci::Descriptor& root,
                                                     const oci::Platform& platform);

}  // namespace dhow::engine
