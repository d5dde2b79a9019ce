// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "oci/image.h"

namespace dhow::oci {

// The largest manifest or index that is read: what registries must at least take
// (distribution-spec, "Pushing manifests"). Bytes.
inline constexpr std::size_t kMaxManifest = std::size_t{4} << 20;
// The largest configuration of an image that is read. Bytes.
inline constexpr std::size_t kMaxImageConfig = std::size_t{8} << 20;
// More layers than any file system can stack are a fault.
inline constexpr std::size_t kMaxLayers = 1024;

// Reads a manifest or an index. `media_type` is what the registry or the descriptor said; "" when
// nothing did. The content must agree with it, and a text that could be read as both an index and a
// manifest is refused, so that nobody can be shown one and run the other (CVE-2021-41190). Faults
// are kInvalidArgument with the JSON path of the field.
using ManifestOrIndex = std::variant<Manifest, Index>;
Result<ManifestOrIndex> parse_manifest_or_index(std::string_view text, std::string_view media_type);
Result<Manifest> parse_manifest(std::string_view text, std::string_view media_type);
Result<Index> parse_index(std::string_view text, std::string_view media_type);
Result<Image> parse_image(std::string_view text);

// Compact JSON with the members in the order of the specification: the same value is the same text.
std::string manifest_json(const Manifest& manifest);
std::string index_json(const Index& index);
std::string image_json(const Image& image);

}  // namespace dhow::oci
