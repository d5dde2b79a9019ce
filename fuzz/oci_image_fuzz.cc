// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include "oci/image_codec.h"

// Manifests, indexes and configurations: what is accepted says the same when it is written and read
// again, and can't be read as both a manifest and an index.
namespace {

using namespace dhow::oci;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Descriptor& descriptor) {
  require(!descriptor.digest.empty() && descriptor.size >= 0);
}

void check_manifest(std::string_view text) {
  auto manifest = parse_manifest(text, "");
  if (!manifest.has_value()) return;
  require(!parse_index(text, "").has_value());
  check(manifest->config);
  for (const Descriptor& layer : manifest->layers) check(layer);
  std::string written = manifest_json(*manifest);
  auto again = parse_manifest(written, manifest->media_type);
  require(again.has_value() && manifest_json(*again) == written);
}

void check_index(std::string_view text) {
  auto index = parse_index(text, "");
  if (!index.has_value()) return;
  for (const Descriptor& manifest : index->manifests) check(manifest);
  std::string written = index_json(*index);
  auto again = parse_index(written, index->media_type);
  require(again.has_value() && index_json(*again) == written);
}

void check_image(std::string_view text) {
  auto image = parse_image(text);
  if (!image.has_value()) return;
  for (const dhow::Digest& id : image->diff_ids) require(!id.empty());
  require(chain_ids(image->diff_ids).size() == image->diff_ids.size());
  std::string written = image_json(*image);
  auto again = parse_image(written);
  require(again.has_value() && image_json(*again) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto either = parse_manifest_or_index(text, "");
  require(either.has_value() || !either.error().message().empty());
  check_manifest(text);
  check_index(text);
  check_image(text);
  return 0;
}
