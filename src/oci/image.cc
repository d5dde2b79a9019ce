// SPDX-License-Identifier: Apache-2.0
#include "oci/image.h"

#include <algorithm>

#include "base/hasher.h"
#include "base/strings.h"

namespace dhow::oci {
namespace {

struct LayerType {
  std::string_view name;
  Compression compression;
  bool foreign;
};

constexpr LayerType kLayerTypes[] = {
    {media_type::kOciLayer, Compression::kNone, false},
    {media_type::kOciLayerGzip, Compression::kGzip, false},
    {media_type::kOciLayerZstd, Compression::kZstd, false},
    {media_type::kDockerLayer, Compression::kNone, false},
    {media_type::kDockerLayerGzip, Compression::kGzip, false},
    {media_type::kDockerLayerZstd, Compression::kZstd, false},
    {media_type::kDockerForeignLayer, Compression::kGzip, true},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", Compression::kNone, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", Compression::kNone, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Compression::kGzip, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", Compression::kZstd, true},
};

const LayerType* find_layer_type(std::string_view media_type) {
  const auto* found = std::ranges::find(kLayerTypes, media_type, &LayerType::name);
  return found == std::end(kLayerTypes) ? nullptr : found;
}

// What BuildKit puts beside the images of an index.
bool is_attestation(const Descriptor& descriptor) {
  auto found = descriptor.annotations.find("vnd.docker.reference.type");
  return found != descriptor.annotations.end() && found->second == "attestation-manifest";
}

}  // namespace

bool is_index_type(std::string_view media_type) {
  return media_type == media_type::kOciIndex || media_type == media_type::kDockerList;
}

bool is_manifest_type(std::string_view media_type) {
  return media_type == media_type::kOciManifest || media_type == media_type::kDockerManifest;
}

std::optional<Compression> layer_compression(std::string_view media_type) {
  const LayerType* type = find_layer_type(media_type);
  if (type == nullptr) return std::nullopt;
  return type->compression;
}

bool is_foreign_layer(std::string_view media_type) {
  const LayerType* type = find_layer_type(media_type);
  return type != nullptr && type->foreign;
}

std::string layout_path(const Digest& blob) {
  return cat("blobs/", blob.algorithm(), "/", blob.hex());
}

std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids) {
  std::vector<Digest> chain;
  chain.reserve(diff_ids.size());
  for (const Digest& diff_id : diff_ids) {
    chain.push_back(chain.empty() ? diff_id
                                  : digest_of(cat(chain.back().text(), " ", diff_id.text())));
  }
  return chain;
}

std::size_t choose_manifest(const Index& index, const Platform& wanted) {
  std::size_t best = kNoManifest;
  std::size_t best_rank = kNoManifest;
  for (std::size_t i = 0; i < index.manifests.size(); ++i) {
    const Descriptor& candidate = index.manifests[i];
    if (is_attestation(candidate)) continue;
    std::size_t rank = kNoManifest - 1;
    if (candidate.platform) {
      auto found = platform_rank(wanted, *candidate.platform);
      if (!found) continue;
      rank = *found;
    }
    if (rank < best_rank) {
      best = i;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace dhow::oci
