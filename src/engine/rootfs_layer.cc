// SPDX-License-Identifier: Apache-2.0
#include "engine/rootfs_layer.h"

#include <fcntl.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_tree.h"
#include "oci/image_codec.h"
#include "sys/random_name.h"
#include "unpack/inflate.h"

namespace dhow::engine {
namespace {

constexpr std::int64_t kMaxRootfs = std::int64_t{1} << 42;

// Hands the bytes on while they are stored and hashed.
class Copying final : public unpack::ByteSource {
 public:
  Copying(unpack::ByteSource& source, content::Ingest& ingest) : source_(source), ingest_(ingest) {}
  Result<std::string_view> next() override {
    TRY_ASSIGN(std::string_view piece, source_.next());
    hasher_.update(piece);
    if (!piece.empty()) TRY(ingest_.write(piece));
    return piece;
  }
  Digest digest() { return hasher_.finish(); }

 private:
  unpack::ByteSource& source_;
  content::Ingest& ingest_;
  Hasher hasher_;
};

// The front of a stream, to be looked at, and then all of it.
class Peeked final : public unpack::ByteSource {
 public:
  explicit Peeked(unpack::ByteSource& source) : source_(source) {}
  Status peek() {
    while (front_.size() < 4) {
      TRY_ASSIGN(std::string_view piece, source_.next());
      if (piece.empty()) break;
      front_ += piece;
    }
    return {};
  }
  std::string_view front() const { return front_; }
  Result<std::string_view> next() override {
    if (!std::exchange(given_, true) && !front_.empty()) return std::string_view(front_);
    return source_.next();
  }

 private:
  unpack::ByteSource& source_;
  std::string front_;
  bool given_ = false;
};

std::string_view layer_type(oci::Compression compression) {
  switch (compression) {
    case oci::Compression::kGzip:
      return oci::media_type::kOciLayerGzip;
    case oci::Compression::kZstd:
      return oci::media_type::kOciLayerZstd;
    case oci::Compression::kNone:
      break;
  }
  return oci::media_type::kOciLayer;
}

Result<oci::Descriptor> put_document(content::ContentStore& content, std::string_view type,
                                     const std::string& text, const std::string& lease) {
  content::CommitRequest request;
  request.digest = digest_of(text);
  request.lease = lease;
  TRY(content.put(text, request));
  oci::Descriptor descriptor;
  descriptor.media_type = type;
  descriptor.digest = request.digest;
  descriptor.size = static_cast<std::int64_t>(text.size());
  return descriptor;
}

}  // namespace

Result<RootfsLayer> store_rootfs_layer(unpack::ByteSource& archive, content::ContentStore& content,
                                       const std::string& lease) {
  TRY_ASSIGN(std::unique_ptr<content::Ingest> ingest, content.ingest(cat("rootfs-", lease)));
  Copying copy(archive, *ingest);
  Peeked packed(copy);
  TRY(packed.peek());
  oci::Compression compression = unpack::sniff_compression(packed.front());
  auto plain = unpack::inflate(packed, compression, kMaxRootfs);
  Hasher hasher;
  while (true) {
    TRY_ASSIGN(std::string_view piece, plain->next());
    if (piece.empty()) break;
    hasher.update(piece);
  }
  // What is behind the end of the packing is a part of the blob too.
  while (true) {
    TRY_ASSIGN(std::string_view piece, copy.next());
    if (piece.empty()) break;
  }
  RootfsLayer result;
  result.diff_id = hasher.finish();
  result.layer.media_type = layer_type(compression);
  result.layer.size = ingest->offset();
  result.layer.digest = copy.digest();
  content::CommitRequest request;
  request.digest = result.layer.digest;
  request.size = result.layer.size;
  request.lease = lease;
  TRY(ingest->commit(request));
  return result;
}

Result<oci::Descriptor> store_image(content::ContentStore& content, const oci::Image& image,
                                    const std::vector<oci::Descriptor>& layers,
                                    const std::string& lease) {
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::kOciManifest;
  manifest.layers = layers;
  TRY_ASSIGN(manifest.config,
             put_document(content, oci::media_type::kOciConfig, oci::image_json(image), lease));
  TRY_ASSIGN(oci::Descriptor target, put_document(content, oci::media_type::kOciManifest,
                                                  oci::manifest_json(manifest), lease));
  TRY(hold_tree(content, target));
  return target;
}

}  // namespace dhow::engine
