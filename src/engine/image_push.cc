// SPDX-License-Identifier: Apache-2.0
#include "engine/image_push.h"

#include <algorithm>
#include <map>
#include <set>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "engine/blob_uploads.h"
#include "engine/image_tree.h"
#include "oci/image_codec.h"
#include "oci/reference.h"

namespace dhow::engine {
namespace {

using oci::Descriptor;

// To ask more repositories would take longer than to send most blobs.
constexpr std::size_t kMostSources = 3;

class Push {
 public:
  Push(const PushStores& stores, const registry::Repository& repository, const PushOptions& options,
       std::stop_token stop)
      : stores_(stores), repository_(repository), options_(options), stop_(std::move(stop)) {}

  Result<Descriptor> run(const std::string& name);

 private:
  struct Document {
    Descriptor what;
    std::string text;
  };
  Result<Descriptor> choose(const Descriptor& target);
  Result<std::optional<Document>> document(const Descriptor& what) const;
  // What a manifest or index needs, and itself after that.
  Status collect(const Descriptor& node, const std::string& what, int depth);
  Status collect_blob(const Descriptor& blob, std::string_view what);
  Status complain() const;
  Status find_sources();

  const PushStores& stores_;
  const registry::Repository& repository_;
  const PushOptions& options_;
  std::stop_token stop_;
  std::vector<Document> documents_;  // in the order in which they are to be written
  std::vector<BlobUpload> blobs_;
  std::set<Digest> seen_;
  std::vector<std::string> missing_;
};

// None when the store lacks it.
Result<std::optional<Push::Document>> Push::document(const Descriptor& what) const {
  auto text = stores_.content.read(what.digest, oci::kMaxManifest);
  if (text) return Document{what, std::move(*text)};
  if (text.error().code() == Code::kNotFound) return std::optional<Document>();
  return std::unexpected(std::move(text).error());
}

Result<Descriptor> Push::choose(const Descriptor& target) {
  if (!options_.platform) return target;
  TRY_ASSIGN(std::optional<Descriptor> chosen,
             find_manifest(stores_.content, target, *options_.platform));
  if (chosen) return *chosen;
  return fail(Code::kNotFound,
              cat("the image has nothing here for ", oci::platform_text(*options_.platform)));
}

Status Push::collect_blob(const Descriptor& blob, std::string_view what) {
  if (!seen_.insert(blob.digest).second || oci::is_foreign_layer(blob.media_type)) return {};
  auto stored = stores_.content.stat(blob.digest);
  if (stored) {
    blobs_.push_back({blob, {}});
    return {};
  }
  if (stored.error().code() != Code::kNotFound) return std::unexpected(stored.error());
  TRY_ASSIGN(bool is_there, repository_.has_blob(blob.digest, stop_));
  if (!is_there) missing_.push_back(cat(what, " ", blob.digest.text()));
  return {};
}

Status Push::collect(const Descriptor& node, const std::string& what, int depth) {
  if (!seen_.insert(node.digest).second) return {};
  if (depth > kMaxIndexDepth) {
    return fail(Code::kInvalidArgument, cat("index ", node.digest.text(), ": nested too deeply"));
  }
  TRY_ASSIGN(std::optional<Document> found, document(node));
  if (!found) {
    auto there = repository_.resolve(node.digest.text(), stop_);
    if (there) return {};
    if (there.error().code() != Code::kNotFound) return std::unexpected(there.error());
    missing_.push_back(cat(what, " ", node.digest.text()));
    return {};
  }
  auto parsed = oci::parse_manifest_or_index(found->text, node.media_type);
  if (!parsed) return std::unexpected(std::move(parsed).error().add_context(node.digest.text()));
  if (const auto* index = std::get_if<oci::Index>(&*parsed)) {
    for (const Descriptor& part : index->manifests) {
      TRY(collect(part,
                  part.platform ? cat("the manifest for ", oci::platform_text(*part.platform))
                                : std::string("the manifest"),
                  depth + 1));
    }
  } else {
    const auto& manifest = std::get<oci::Manifest>(*parsed);
    TRY(collect_blob(manifest.config, "the configuration"));
    for (const Descriptor& layer : manifest.layers) TRY(collect_blob(layer, "the layer"));
  }
  documents_.push_back(std::move(*found));
  return {};
}

Status Push::complain() const {
  if (missing_.empty()) return {};
  return fail(Code::kNotFound, cat("neither here nor there: ", join(missing_, ", ")));
}

// Images that are named after other repositories of that registry came from there, as a rule, or
// went there.
Status Push::find_sources() {
  std::map<Digest, BlobUpload*> wanted;
  for (BlobUpload& blob : blobs_) wanted[blob.blob.digest] = &blob;
  TRY_ASSIGN(std::vector<image::Record> records, stores_.images.list(options_.name_space));
  for (const image::Record& record : records) {
    auto name = oci::parse_reference(record.name);
    if (!name || name->domain != repository_.reference().domain ||
        name->path == repository_.reference().path) {
      continue;
    }
    Descriptor root;
    root.media_type = record.media_type;
    root.digest = record.digest;
    // One that is not whole helps as far as it goes.
    std::ignore = walk_tree(stores_.content, root, [&](const Descriptor& node) -> Status {
      auto blob = wanted.find(node.digest);
      if (blob == wanted.end()) return {};
      std::vector<std::string>& sources = blob->second->sources;
      bool known = std::ranges::find(sources, name->path) != sources.end();
      if (!known && sources.size() < kMostSources) sources.push_back(name->path);
      return {};
    });
  }
  return {};
}

Result<Descriptor> Push::run(const std::string& name) {
  TRY_ASSIGN(image::Record record, stores_.images.get(options_.name_space, name));
  Descriptor target;
  target.media_type = record.media_type;
  target.digest = record.digest;
  target.size = record.size;
  TRY_ASSIGN(target, choose(target));
  TRY(collect(target, "the manifest", 0));
  TRY(complain());
  if (documents_.empty()) {
    return fail(Code::kNotFound, cat("the manifest ", target.digest.text(), " is not here"));
  }
  TRY(find_sources());
  TRY(upload_blobs(stores_.content, repository_, blobs_, options_, stop_));
  Descriptor written;
  for (const Document& document : documents_) {
    bool is_last = &document == &documents_.back();
    std::string tag = is_last ? repository_.reference().tag : std::string();
    TRY_ASSIGN(written,
               repository_.put_manifest(document.text, document.what.media_type, tag, stop_));
  }
  return written;
}

}  // namespace

Result<Descriptor> push_image(const PushStores& stores, const std::string& name,
                              const registry::Repository& repository, const PushOptions& options,
                              std::stop_token stop) {
  auto pushed = Push(stores, repository, options, std::move(stop)).run(name);
  if (!pushed) {
    return std::unexpected(
        std::move(pushed).error().add_context(cat("push ", repository.reference().familiar())));
  }
  return pushed;
}

}  // namespace dhow::engine
