// SPDX-License-Identifier: Apache-2.0
#include "engine/image_settle.h"

#include <algorithm>

#include "base/strings.h"
#include "engine/image_tree.h"
#include "engine/image_unpack.h"
#include "oci/image_codec.h"

namespace dhow::engine {

Result<std::vector<std::string>> hold_chain(metadata::LeaseStore& leases, const std::string& lease,
                                            const oci::Image& image) {
  std::vector<std::string> chain;
  std::vector<metadata::Resource> snapshots;
  for (const Digest& id : oci::chain_ids(image.diff_ids)) {
    chain.push_back(id.text());
    snapshots.push_back({metadata::ResourceKind::kSnapshot, id.text()});
  }
  TRY(leases.add(lease, snapshots));
  return chain;
}

Status make_durable(const ImageStores& stores, const Digest& config,
                    const std::vector<std::string>& chain, const std::string& top,
                    const std::vector<Digest>& blobs) {
  if (!top.empty()) {
    TRY(stores.content.refer(config, {{metadata::ResourceKind::kSnapshot, top}}));
  }
  TRY(stores.snapshots.sync(chain));
  return stores.content.sync(blobs);
}

Result<Pulled> name_image(const ImageStores& stores, const std::string& name_space,
                          std::string name, const oci::Descriptor& target, std::string top) {
  image::Record record;
  record.name = std::move(name);
  record.digest = target.digest;
  record.media_type = target.media_type;
  record.size = target.size;
  TRY_ASSIGN(record, stores.images.put(name_space, std::move(record)));
  return Pulled{std::move(record), std::move(top)};
}

void expect_layers(Progress& progress, const std::vector<oci::Descriptor>& layers,
                   unsigned before) {
  for (auto layer = layers.begin(); layer != layers.end(); ++layer) {
    auto same = [&](const oci::Descriptor& other) { return other.digest == layer->digest; };
    if (std::find_if(layers.begin(), layer, same) != layer) continue;
    auto times = std::count_if(layer, layers.end(), same);
    progress.expect(layer->digest, layer->size, before + static_cast<unsigned>(times));
  }
}

Result<std::string> settle_image(const ImageStores& stores, const oci::Descriptor& target,
                                 const SettleOptions& options) {
  TRY_ASSIGN(std::optional<oci::Descriptor> chosen,
             find_manifest(stores.content, target, options.platform));
  if (!chosen) {
    return fail(Code::kNotFound,
                cat("the image has no manifest here for ", oci::platform_text(options.platform)));
  }
  TRY_ASSIGN(std::string text, stores.content.read(chosen->digest, oci::kMaxManifest));
  TRY_ASSIGN(oci::Manifest manifest, oci::parse_manifest(text, chosen->media_type));
  const Digest& config = manifest.config.digest;
  TRY_ASSIGN(text, stores.content.read(config, oci::kMaxImageConfig));
  auto image = oci::parse_image(text);
  if (!image) return std::unexpected(std::move(image).error().add_context(config.text()));
  TRY_ASSIGN(std::vector<std::string> chain, hold_chain(stores.leases, options.lease, *image));
  StoredLayers layers(stores.content, options.progress);
  if (options.progress != nullptr) expect_layers(*options.progress, manifest.layers, 0);
  UnpackOptions unpacking{.lease = options.lease,
                          .threads = options.threads,
                          .limits = {},
                          .strict_layers = options.strict_layers,
                          .progress = options.progress};
  TRY_ASSIGN(std::string top, unpack_image(stores.snapshots, manifest, *image, layers, unpacking));
  std::vector<Digest> blobs;
  TRY(walk_tree(stores.content, target, [&](const oci::Descriptor& node) -> Status {
    blobs.push_back(node.digest);
    return {};
  }));
  TRY(make_durable(stores, config, chain, top, blobs));
  return top;
}

}  // namespace dhow::engine
