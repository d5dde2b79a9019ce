// SPDX-License-Identifier: Apache-2.0
#include "engine/image_pull.h"

#include <functional>
#include <variant>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/image_settle.h"
#include "engine/image_tree.h"
#include "engine/layer_downloads.h"
#include "oci/image_codec.h"

namespace dhow::engine {
namespace {

using oci::Descriptor;

// When a pull dies, what it held may be collected this much later. Nanoseconds.
constexpr std::int64_t kLeaseTime = std::int64_t{24} * 3600 * 1'000'000'000;

class Pull {
 public:
  Pull(const ImageStores& stores, const registry::Repository& repository,
       const PullOptions& options, std::stop_token stop)
      : stores_(stores),
        repository_(repository),
        options_(options),
        stop_(std::move(stop)),
        progress_(options.progress) {}

  Result<Pulled> run();

 private:
  // A small document, and whether it had to be fetched.
  struct Document {
    std::string text;
    bool fetched = false;
  };
  // From the store or else by `fetch`; held by the lease.
  Result<Document> document(const Descriptor& what, std::size_t limit,
                            const std::function<Result<std::string>()>& fetch);
  Result<oci::ManifestOrIndex> manifest_or_index(const Descriptor& what);
  // The manifest of the platform, through indexes.
  Result<oci::Manifest> manifest_for_platform();
  Result<oci::Image> configuration(const oci::Manifest& manifest);
  Result<std::string> bring_layers(const oci::Manifest& manifest, const oci::Image& image);
  Status settle(const oci::Manifest& manifest, const std::string& top);

  const ImageStores& stores_;
  const registry::Repository& repository_;
  const PullOptions& options_;
  std::stop_token stop_;
  Progress progress_;
  std::string lease_;
  Descriptor target_;
  std::vector<std::string> chain_;  // names of the layers' snapshots
  std::vector<Digest> documents_;   // manifests, indexes and the configuration
};

Result<Pull::Document> Pull::document(const Descriptor& what, std::size_t limit,
                                      const std::function<Result<std::string>()>& fetch) {
  documents_.push_back(what.digest);
  auto stored = stores_.content.read(what.digest, limit);
  if (stored) {
    TRY(stores_.content.hold(what.digest, lease_));
    return Document{std::move(*stored), false};
  }
  bool missing =
      stored.error().code() == Code::kNotFound || stored.error().code() == Code::kDataLoss;
  if (!missing) return std::unexpected(std::move(stored).error());
  TRY_ASSIGN(std::string text, fetch());
  content::CommitRequest request;
  request.digest = what.digest;
  request.lease = lease_;
  TRY(stores_.content.put(text, request));
  return Document{std::move(text), true};
}

Result<oci::ManifestOrIndex> Pull::manifest_or_index(const Descriptor& what) {
  auto fetch = [&]() -> Result<std::string> {
    TRY_ASSIGN(registry::FetchedManifest fetched, repository_.fetch_manifest(what, stop_));
    return std::move(fetched.content);
  };
  TRY_ASSIGN(Document found, document(what, oci::kMaxManifest, fetch));
  auto parsed = oci::parse_manifest_or_index(found.text, what.media_type);
  if (!parsed) return std::unexpected(std::move(parsed).error().add_context(what.digest.text()));
  if (found.fetched) TRY(stores_.content.refer(what.digest, needed_by(*parsed)));
  return parsed;
}

Result<oci::Manifest> Pull::manifest_for_platform() {
  Descriptor node = target_;
  constexpr int kMaxDepth = 4;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    TRY_ASSIGN(oci::ManifestOrIndex parsed, manifest_or_index(node));
    if (auto* manifest = std::get_if<oci::Manifest>(&parsed)) return std::move(*manifest);
    const auto& index = std::get<oci::Index>(parsed);
    std::size_t chosen = oci::choose_manifest(index, options_.platform);
    if (chosen == oci::kNoManifest) {
      return fail(Code::kNotFound,
                  cat("no matching manifest for ", oci::platform_text(options_.platform),
                      " in the manifest list of ", repository_.reference().familiar()));
    }
    node = index.manifests[chosen];
  }
  return fail(Code::kInvalidArgument, cat("index ", target_.digest.text(), ": nested too deeply"));
}

class TextWriter final : public registry::BlobWriter {
 public:
  Status write(std::string_view data) override {
    text += data;
    return {};
  }
  std::string text;
};

Result<oci::Image> Pull::configuration(const oci::Manifest& manifest) {
  const Descriptor& config = manifest.config;
  bool known = config.media_type == oci::media_type::kOciConfig ||
               config.media_type == oci::media_type::kDockerConfig;
  if (!known) {
    return fail(Code::kInvalidArgument,
                cat(repository_.reference().familiar(), " is no image: its configuration is ",
                    quoted(config.media_type)));
  }
  if (config.size > static_cast<std::int64_t>(oci::kMaxImageConfig)) {
    return fail(Code::kInvalidArgument, cat("configuration ", config.digest.text(),
                                            ": larger than ", oci::kMaxImageConfig, " bytes"));
  }
  auto fetch = [&]() -> Result<std::string> {
    TextWriter writer;
    TRY(repository_.fetch_blob(config, 0, writer, {}, stop_));
    return std::move(writer.text);
  };
  TRY_ASSIGN(Document found, document(config, oci::kMaxImageConfig, fetch));
  auto image = oci::parse_image(found.text);
  if (!image) return std::unexpected(std::move(image).error().add_context(config.digest.text()));
  return image;
}

Result<std::string> Pull::bring_layers(const oci::Manifest& manifest, const oci::Image& image) {
  TRY_ASSIGN(chain_, hold_chain(stores_.leases, lease_, image));
  UnpackOptions unpacking{.lease = lease_,
                          .threads = options_.threads,
                          .limits = {},
                          .strict_layers = options_.strict_layers,
                          .progress = &progress_};
  LayerDownloads::Options downloading;
  downloading.lease = lease_;
  downloading.parallel = options_.downloads;
  downloading.progress = &progress_;
  downloading.split_from = options_.split_from;
  downloading.part = options_.part;
  for (bool again = false;; again = true) {
    // Each is to be fetched, too.
    expect_layers(progress_, manifest.layers, 1);
    LayerDownloads downloads(stores_.content, repository_, manifest.layers, downloading);
    // Callers end a pull by their token: the threads have tokens of their own.
    std::stop_callback ended(stop_, [&] { downloads.stop(); });
    auto top = unpack_image(stores_.snapshots, manifest, image, downloads, unpacking);
    if (!top && top.error().code() == Code::kCancelled && stop_.stop_requested()) return top;
    if (!top) {
      if (again ||
          (top.error().code() != Code::kDataLoss && top.error().code() != Code::kAborted)) {
        return top;
      }
      // A blob that was in the store may be damaged: what is gets forgotten, and comes anew.
      std::ignore = downloads.wait();
      for (const Descriptor& layer : manifest.layers) {
        std::ignore = stores_.content.verify(layer.digest);
      }
      continue;
    }
    TRY(downloads.wait());
    return top;
  }
}

// All of it is on the disk, then it gets its name.
Status Pull::settle(const oci::Manifest& manifest, const std::string& top) {
  std::vector<Digest> blobs = documents_;
  for (const Descriptor& layer : manifest.layers) blobs.push_back(layer.digest);
  return make_durable(stores_, manifest.config.digest, chain_, top, blobs);
}

Result<Pulled> Pull::run() {
  const oci::Reference& reference = repository_.reference();
  metadata::Lease wanted;
  wanted.expires = metadata::now() + kLeaseTime;
  TRY_ASSIGN(metadata::Lease lease, stores_.leases.create(std::move(wanted)));
  lease_ = lease.id;
  // Left behind by a failure it would only keep things for a day.
  Cleanup release([&] { std::ignore = stores_.leases.remove(lease_); });
  std::string asked = reference.digest.empty() ? reference.tag : reference.digest.text();
  progress_.resolving();
  TRY_ASSIGN(target_, repository_.resolve(asked, stop_));
  TRY_ASSIGN(oci::Manifest manifest, manifest_for_platform());
  TRY_ASSIGN(oci::Image image, configuration(manifest));
  TRY_ASSIGN(std::string top, bring_layers(manifest, image));
  TRY(settle(manifest, top));
  return name_image(stores_, options_.name_space, reference.text(), target_, std::move(top));
}

}  // namespace

Result<Pulled> pull_image(const ImageStores& stores, const registry::Repository& repository,
                          const PullOptions& options, std::stop_token stop) {
  auto pulled = Pull(stores, repository, options, std::move(stop)).run();
  if (!pulled) {
    return std::unexpected(
        std::move(pulled).error().add_context(cat("pull ", repository.reference().familiar())));
  }
  return pulled;
}

}  // namespace dhow::engine
