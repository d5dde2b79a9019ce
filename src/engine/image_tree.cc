// SPDX-License-Identifier: Apache-2.0
#include "engine/image_tree.h"

#include <set>

#include "base/strings.h"

namespace dhow::engine {
namespace {

using oci::Descriptor;

class Walk {
 public:
  Walk(content::ContentStore& store, const std::function<Status(const Descriptor&)>& each)
      : store_(store), each_(each) {}

  Status visit(const Descriptor& node, int depth) {
    if (!seen_.insert(node.digest).second) return {};
    if (depth > kMaxIndexDepth) {
      return fail(Code::kInvalidArgument, cat("index ", node.digest.text(), ": nested too deeply"));
    }
    bool document = oci::is_index_type(node.media_type) || oci::is_manifest_type(node.media_type);
    if (!document) {
      TRY(store_.stat(node.digest));
      return each_(node);
    }
    TRY_ASSIGN(std::string text, store_.read(node.digest, oci::kMaxManifest));
    auto parsed = oci::parse_manifest_or_index(text, node.media_type);
    if (!parsed) return std::unexpected(std::move(parsed).error().add_context(node.digest.text()));
    if (const auto* index = std::get_if<oci::Index>(&*parsed)) {
      TRY(visit_parts(*index, depth));
    } else {
      const auto& manifest = std::get<oci::Manifest>(*parsed);
      TRY_CONTEXT(visit(manifest.config, depth + 1), cat("manifest ", node.digest.text()));
      for (const Descriptor& layer : manifest.layers) {
        TRY_CONTEXT(visit(layer, depth + 1), cat("manifest ", node.digest.text()));
      }
    }
    return each_(node);
  }

 private:
  Status visit_parts(const oci::Index& index, int depth) {
    for (const Descriptor& part : index.manifests) {
      auto info = store_.stat(part.digest);
      if (!info && info.error().code() == Code::kNotFound) continue;
      if (!info) return std::unexpected(info.error());
      TRY(visit(part, depth + 1));
    }
    return {};
  }

  content::ContentStore& store_;
  const std::function<Status(const Descriptor&)>& each_;
  std::set<Digest> seen_;
};

}  // namespace

std::vector<metadata::Resource> needed_by(const oci::ManifestOrIndex& document) {
  std::vector<metadata::Resource> needed;
  auto need = [&](const Descriptor& part) {
    needed.push_back({metadata::ResourceKind::kBlob, part.digest.text()});
  };
  if (const auto* index = std::get_if<oci::Index>(&document)) {
    for (const Descriptor& part : index->manifests) need(part);
    return needed;
  }
  const auto& manifest = std::get<oci::Manifest>(document);
  need(manifest.config);
  for (const Descriptor& layer : manifest.layers) need(layer);
  return needed;
}

Status walk_tree(content::ContentStore& store, const Descriptor& root,
                 const std::function<Status(const Descriptor&)>& each) {
  return Walk(store, each).visit(root, 0);
}

Status hold_tree(content::ContentStore& store, const Descriptor& root) {
  return walk_tree(store, root, [&](const Descriptor& node) -> Status {
    bool document = oci::is_index_type(node.media_type) || oci::is_manifest_type(node.media_type);
    if (!document) return {};
    TRY_ASSIGN(std::string text, store.read(node.digest, oci::kMaxManifest));
    TRY_ASSIGN(oci::ManifestOrIndex parsed, oci::parse_manifest_or_index(text, node.media_type));
    return store.refer(node.digest, needed_by(parsed));
  });
}

Result<std::optional<Descriptor>> find_manifest(content::ContentStore& store,
                                                const Descriptor& root,
                                                const oci::Platform& platform) {
  Descriptor node = root;
  for (int depth = 0; oci::is_index_type(node.media_type); ++depth) {
    if (depth > kMaxIndexDepth) {
      return fail(Code::kInvalidArgument, cat("index ", root.digest.text(), ": nested too deeply"));
    }
    TRY_ASSIGN(std::string text, store.read(node.digest, oci::kMaxManifest));
    TRY_ASSIGN(oci::Index index, oci::parse_index(text, node.media_type));
    std::erase_if(index.manifests,
                  [&](const Descriptor& part) { return !store.stat(part.digest); });
    std::size_t chosen = oci::choose_manifest(index, platform);
    if (chosen == oci::kNoManifest) return std::optional<Descriptor>();
    node = index.manifests[chosen];
  }
  TRY(store.stat(node.digest));
  return std::optional(std::move(node));
}

}  // namespace dhow::engine
