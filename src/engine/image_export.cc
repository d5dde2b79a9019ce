// SPDX-License-Identifier: Apache-2.0
#include "engine/image_export.h"

#include <map>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_tree.h"
#include "oci/image_codec.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "sys/file_io.h"
#include "unpack/tar_writer.h"

namespace dhow::engine {
namespace {

using oci::Descriptor;

constexpr std::size_t kBuffer = std::size_t{256} << 10;

class Exporter {
 public:
  Exporter(content::ContentStore& store, const ExportOptions& options, unpack::ByteSink& sink)
      : store_(store), options_(options), archive_(sink) {}

  Status write(const std::vector<Exported>& images);

 private:
  Status collect(const std::vector<Exported>& images);
  Status add_folders();
  Status add_blob(const Descriptor& blob);
  static std::string index_text(const std::vector<Exported>& images);
  Result<std::string> manifest_text(const std::vector<Exported>& images);

  content::ContentStore& store_;
  const ExportOptions& options_;
  unpack::TarWriter archive_;
  std::map<Digest, Descriptor> blobs_;
};

Status Exporter::collect(const std::vector<Exported>& images) {
  for (const Exported& image : images) {
    TRY(walk_tree(store_, image.target, [&](const Descriptor& node) -> Status {
      blobs_.emplace(node.digest, node);
      return {};
    }));
  }
  return {};
}

Status Exporter::add_folders() {
  unpack::Entry folder;
  folder.type = unpack::EntryType::kFolder;
  folder.mode = 0755;
  folder.path = "blobs/";
  TRY(archive_.begin(folder));
  std::string last;
  for (const auto& [digest, blob] : blobs_) {
    if (digest.algorithm() == last) continue;
    last = digest.algorithm();
    folder.path = cat("blobs/", last, "/");
    TRY(archive_.begin(folder));
  }
  return {};
}

Status Exporter::add_blob(const Descriptor& blob) {
  TRY_ASSIGN(content::BlobInfo info, store_.stat(blob.digest));
  TRY_ASSIGN(Fd file, store_.open(blob.digest));
  unpack::Entry entry;
  entry.path = oci::layout_path(blob.digest);
  entry.mode = 0444;
  entry.size = info.size;
  TRY(archive_.begin(entry));
  Hasher hasher(blob.digest.algorithm());
  std::string buffer(kBuffer, '\0');
  while (true) {
    auto count = read_some(file, buffer);
    if (!count) return std::unexpected(std::move(count).error().add_context(blob.digest.text()));
    if (*count == 0) break;
    std::string_view piece = std::string_view(buffer).substr(0, *count);
    hasher.update(piece);
    TRY(archive_.write(piece));
  }
  if (hasher.finish() == blob.digest) return {};
  TRY(store_.discard(blob.digest));
  return fail(Code::kDataLoss, cat("blob ", blob.digest.text(), ": its content is damaged"));
}

std::string Exporter::index_text(const std::vector<Exported>& images) {
  oci::Index index;
  index.media_type = oci::media_type::kOciIndex;
  for (const Exported& image : images) {
    Descriptor entry;
    entry.media_type = image.target.media_type;
    entry.digest = image.target.digest;
    entry.size = image.target.size;
    if (image.names.empty()) index.manifests.push_back(entry);
    for (const std::string& name : image.names) {
      entry.annotations["io.containerd.image.name"] = name;
      auto reference = oci::parse_reference(name);
      if (reference && !reference->tag.empty()) {
        entry.annotations["org.opencontainers.image.ref.name"] = reference->tag;
      }
      index.manifests.push_back(entry);
    }
  }
  return oci::index_json(index);
}

Result<std::string> Exporter::manifest_text(const std::vector<Exported>& images) {
  oci::JsonWriter json;
  json.begin_array();
  for (const Exported& image : images) {
    TRY_ASSIGN(std::optional<Descriptor> chosen,
               find_manifest(store_, image.target, options_.platform));
    if (!chosen) continue;
    TRY_ASSIGN(std::string text, store_.read(chosen->digest, oci::kMaxManifest));
    TRY_ASSIGN(oci::Manifest manifest, oci::parse_manifest(text, chosen->media_type));
    json.begin_object().member("Config", oci::layout_path(manifest.config.digest));
    json.key("RepoTags").begin_array();
    for (const std::string& name : image.names) {
      auto reference = oci::parse_reference(name);
      if (!reference || reference->tag.empty()) continue;
      json.string(cat(reference->familiar_name(), ":", reference->tag));
    }
    json.end_array();
    json.key("Layers").begin_array();
    for (const Descriptor& layer : manifest.layers) json.string(oci::layout_path(layer.digest));
    json.end_array().end_object();
  }
  json.end_array();
  return json.text();
}

Status Exporter::write(const std::vector<Exported>& images) {
  TRY(collect(images));
  TRY_ASSIGN(std::string manifest, manifest_text(images));
  TRY(add_folders());
  for (const auto& [digest, blob] : blobs_) TRY(add_blob(blob));
  TRY(archive_.file("index.json", index_text(images)));
  TRY(archive_.file("manifest.json", manifest));
  TRY(archive_.file(std::string(oci::kLayoutFile), oci::kLayoutContent));
  return archive_.finish();
}

}  // namespace

Status export_images(content::ContentStore& store, const std::vector<Exported>& images,
                     const ExportOptions& options, unpack::ByteSink& sink) {
  return Exporter(store, options, sink).write(images);
}

}  // namespace dhow::engine
