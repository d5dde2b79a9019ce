// SPDX-License-Identifier: Apache-2.0
#include "engine/image_import.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_tree.h"
#include "oci/image_codec.h"
#include "oci/json_reader.h"
#include "oci/reference.h"
#include "sys/file_io.h"
#include "unpack/inflate.h"
#include "unpack/member_path.h"
#include "unpack/tar_reader.h"

namespace dhow::engine {
namespace {

using oci::Descriptor;
using oci::JsonReader;

constexpr std::int64_t kMaxArchive = std::int64_t{1} << 42;
constexpr std::int64_t kMaxDocument = std::int64_t{8} << 20;
constexpr int kMaxLinks = 8;

// An image of docker's manifest.json.
struct DockerImage {
  std::string config;
  std::vector<std::string> tags;
  std::vector<std::string> layers;
};

void decode(const JsonReader& in, std::vector<DockerImage>& out) {
  if (!in.expect(oci::JsonKind::kArray)) return;
  out.resize(in.value().size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    JsonReader image = in.item(i);
    if (!image.expect(oci::JsonKind::kObject)) return;
    oci::required_member(image, "Config", out[i].config);
    oci::optional_member(image, "RepoTags", out[i].tags);
    oci::optional_member(image, "Layers", out[i].layers);
  }
}

// Gives back what was looked at to tell how the stream is packed.
class Replay : public unpack::ByteSource {
 public:
  Replay(std::string front, unpack::ByteSource& rest) : front_(std::move(front)), rest_(rest) {}
  Result<std::string_view> next() override {
    if (!done_) {
      done_ = true;
      if (!front_.empty()) return std::string_view(front_);
    }
    return rest_.next();
  }

 private:
  std::string front_;
  unpack::ByteSource& rest_;
  bool done_ = false;
};

Result<std::string> read_front(unpack::ByteSource& archive) {
  std::string front;
  while (front.size() < 4) {
    TRY_ASSIGN(std::string_view piece, archive.next());
    if (piece.empty()) break;
    front += piece;
  }
  return front;
}

class Importer {
 public:
  Importer(content::ContentStore& store, const ImportOptions& options)
      : store_(store), options_(options) {}

  Status read(unpack::TarReader& archive);
  Result<std::vector<Imported>> images();

 private:
  // A member that is a blob now.
  struct File {
    Digest digest;
    std::int64_t size = 0;
  };
  Status read_file(unpack::TarReader& archive, const unpack::Entry& entry, const std::string& path);
  Status read_document(unpack::TarReader& archive, const std::string& path);
  // What a path of a docker-archive stands for, through the links that older ones have.
  Result<File> find(std::string path) const;
  Result<std::vector<Imported>> from_index(const std::string& text);
  Result<std::vector<Imported>> from_manifest(const std::string& text);
  Result<Imported> build(const DockerImage& image);
  Result<std::string> layer_type(const File& layer);
  void add_names(const Descriptor& entry, std::vector<std::string>& names) const;

  content::ContentStore& store_;
  const ImportOptions& options_;
  std::map<std::string, File> files_;
  std::map<std::string, std::string> links_;
  std::map<std::string, std::string> documents_;
};

Status Importer::read(unpack::TarReader& archive) {
  while (true) {
    TRY_ASSIGN(std::optional<unpack::Entry> entry, archive.next());
    if (!entry) return {};
    auto path = unpack::member_path(entry->path);
    if (!path) {
      return fail(Code::kInvalidArgument, cat(quoted(entry->path), ": ", path.error().message()));
    }
    if (entry->type == unpack::EntryType::kSymlink || entry->type == unpack::EntryType::kHardlink) {
      std::string folder = unpack::split_path(*path).folder;
      bool relative = entry->type == unpack::EntryType::kSymlink && !entry->target.starts_with('/');
      links_[*path] = relative ? cat(folder, "/", entry->target) : entry->target;
    } else if (entry->type == unpack::EntryType::kFile) {
      bool document =
          *path == "index.json" || *path == "manifest.json" || *path == oci::kLayoutFile;
      if (document && entry->size > kMaxDocument) {
        return fail(Code::kInvalidArgument,
                    cat(quoted(*path), ": larger than ", kMaxDocument, " bytes"));
      }
      TRY(document ? read_document(archive, *path) : read_file(archive, *entry, *path));
    }
  }
}

Status Importer::read_document(unpack::TarReader& archive, const std::string& path) {
  std::string text;
  TRY(archive.read([&](std::int64_t, std::string_view piece) -> Status {
    text += piece;
    return {};
  }));
  documents_[path] = std::move(text);
  return {};
}

// In a layout the path says what the content is to be.
Result<std::optional<Digest>> named_digest(const std::string& path) {
  constexpr std::string_view kBlobs = "blobs/";
  if (!path.starts_with(kBlobs)) return std::nullopt;
  std::string text = path.substr(kBlobs.size());
  std::ranges::replace(text, '/', ':');
  auto named = Digest::parse(text);
  if (!named) {
    return fail(Code::kInvalidArgument, cat(quoted(path), ": ", named.error().message()));
  }
  return std::move(*named);
}

Status Importer::read_file(unpack::TarReader& archive, const unpack::Entry& entry,
                           const std::string& path) {
  TRY_ASSIGN(std::optional<Digest> named, named_digest(path));
  Progress* progress = options_.progress;
  if (progress != nullptr && named) progress->expect(*named, entry.size, 1);
  // The ingest's name keeps two imports at the same time apart.
  TRY_ASSIGN(auto ingest, store_.ingest(cat("import-", options_.lease, "-", path)));
  TRY(ingest->restart());
  Hasher hasher;
  TRY(archive.read([&](std::int64_t offset, std::string_view piece) -> Status {
    // Blobs have no holes: a sparse member would be another content.
    if (offset != ingest->offset())
      return fail(Code::kInvalidArgument, cat(quoted(path), ": sparse"));
    hasher.update(piece);
    TRY(ingest->write(piece));
    if (progress != nullptr && named) {
      progress->report(*named, ProgressPhase::kReading, ingest->offset());
    }
    return {};
  }));
  if (ingest->offset() != entry.size) {
    return fail(Code::kDataLoss,
                cat(quoted(path), ": ", ingest->offset(), " bytes of ", entry.size));
  }
  content::CommitRequest request;
  request.digest = hasher.finish();
  request.lease = options_.lease;
  if (named) request.digest = *named;
  if (auto status = ingest->commit(request); !status) {
    return std::unexpected(std::move(status).error().add_context(quoted(path)));
  }
  if (progress != nullptr) {
    if (!named) progress->expect(request.digest, entry.size, 1);
    progress->step(request.digest, true);
  }
  files_[path] = {request.digest, entry.size};
  return {};
}

Result<Importer::File> Importer::find(std::string path) const {
  std::string wanted = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    std::string clean;
    for (std::string_view part : split(path, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        clean = unpack::split_path(clean).folder;
        continue;
      }
      clean = clean.empty() ? std::string(part) : cat(clean, "/", part);
    }
    if (auto file = files_.find(clean); file != files_.end()) return file->second;
    auto link = links_.find(clean);
    if (link == links_.end()) break;
    path = link->second;
  }
  return fail(Code::kNotFound, cat("the archive has no ", quoted(wanted)));
}

void Importer::add_names(const Descriptor& entry, std::vector<std::string>& names) const {
  auto annotation = [&](const char* name) {
    auto found = entry.annotations.find(name);
    return found == entry.annotations.end() ? std::string() : found->second;
  };
  std::string name = annotation("io.containerd.image.name");
  std::string reference_name = annotation("org.opencontainers.image.ref.name");
  std::string repository = options_.repository;
  if (auto full = oci::parse_reference(name)) repository = full->name();
  // Of a name and a tag the tag is newer: that is what tools change that know nothing of names.
  if (oci::is_tag(reference_name)) {
    name = repository.empty() ? std::string() : cat(repository, ":", reference_name);
  } else if (!reference_name.empty() && name.empty()) {
    name = reference_name;
  }
  // Names that are none are no reason to refuse the image.
  if (auto reference = oci::parse_image_name(name)) names.push_back(reference->text());
}

Result<std::vector<Imported>> Importer::from_index(const std::string& text) {
  auto index = oci::parse_index(text, {});
  if (!index) return std::unexpected(std::move(index).error().add_context("index.json"));
  std::vector<Imported> images;
  for (const Descriptor& entry : index->manifests) {
    auto known = std::ranges::find(images, entry.digest,
                                   [](const Imported& image) { return image.target.digest; });
    if (known == images.end()) {
      TRY_CONTEXT(hold_tree(store_, entry), "index.json");
      Imported image;
      image.target.media_type = entry.media_type;
      image.target.digest = entry.digest;
      image.target.size = entry.size;
      known = images.insert(images.end(), std::move(image));
    }
    add_names(entry, known->names);
  }
  return images;
}

// The layers of a docker-archive have no media type: what they begin with tells.
Result<std::string> Importer::layer_type(const File& layer) {
  TRY_ASSIGN(Fd file, store_.open(layer.digest));
  char front[4] = {};
  auto size = read_at(file, 0, front);
  if (!size) return std::unexpected(std::move(size).error().add_context(layer.digest.text()));
  switch (unpack::sniff_compression({front, *size})) {
    case oci::Compression::kGzip:
      return std::string(oci::media_type::kDockerLayerGzip);
    case oci::Compression::kZstd:
      return std::string(oci::media_type::kDockerLayerZstd);
    case oci::Compression::kNone:
      break;
  }
  return std::string(oci::media_type::kDockerLayer);
}

Result<Imported> Importer::build(const DockerImage& image) {
  TRY_ASSIGN(File config, find(image.config));
  TRY_ASSIGN(std::string config_text, store_.read(config.digest, oci::kMaxImageConfig));
  TRY_ASSIGN(oci::Image parsed, oci::parse_image(config_text));
  if (parsed.diff_ids.size() != image.layers.size()) {
    return fail(Code::kInvalidArgument, cat(quoted(image.config), ": ", parsed.diff_ids.size(),
                                            " diff ids for ", image.layers.size(), " layers"));
  }
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::kDockerManifest;
  manifest.config.media_type = oci::media_type::kDockerConfig;
  manifest.config.digest = config.digest;
  manifest.config.size = config.size;
  for (const std::string& path : image.layers) {
    TRY_ASSIGN(File file, find(path));
    Descriptor layer;
    TRY_ASSIGN(layer.media_type, layer_type(file));
    layer.digest = file.digest;
    layer.size = file.size;
    manifest.layers.push_back(std::move(layer));
  }
  std::string text = oci::manifest_json(manifest);
  content::CommitRequest request;
  request.digest = digest_of(text);
  request.lease = options_.lease;
  TRY(store_.put(text, request));
  Imported result;
  result.target.media_type = manifest.media_type;
  result.target.digest = request.digest;
  result.target.size = static_cast<std::int64_t>(text.size());
  TRY(hold_tree(store_, result.target));
  for (const std::string& tag : image.tags) {
    if (auto reference = oci::parse_image_name(tag)) result.names.push_back(reference->text());
  }
  return result;
}

Result<std::vector<Imported>> Importer::from_manifest(const std::string& text) {
  std::vector<DockerImage> listed;
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(text));
  std::optional<Error> fault;
  decode(JsonReader(document.root(), &fault), listed);
  if (fault) return std::unexpected(std::move(*fault).add_context("manifest.json"));
  std::vector<Imported> images;
  for (const DockerImage& image : listed) {
    auto built = build(image);
    if (!built) return std::unexpected(std::move(built).error().add_context("manifest.json"));
    images.push_back(std::move(*built));
  }
  return images;
}

Result<std::vector<Imported>> Importer::images() {
  if (auto index = documents_.find("index.json"); index != documents_.end()) {
    if (!documents_.contains(std::string(oci::kLayoutFile))) {
      return fail(Code::kInvalidArgument, "index.json without oci-layout: no image layout");
    }
    return from_index(index->second);
  }
  if (auto manifest = documents_.find("manifest.json"); manifest != documents_.end()) {
    return from_manifest(manifest->second);
  }
  return fail(Code::kInvalidArgument,
              "no image archive: neither index.json nor manifest.json in it");
}

}  // namespace

Result<std::vector<Imported>> import_images(unpack::ByteSource& archive,
                                            content::ContentStore& store,
                                            const ImportOptions& options) {
  TRY_ASSIGN(std::string front, read_front(archive));
  oci::Compression compression = unpack::sniff_compression(front);
  Replay replay(std::move(front), archive);
  auto plain = unpack::inflate(replay, compression, kMaxArchive);
  unpack::TarReader reader(*plain);
  Importer importer(store, options);
  TRY(importer.read(reader));
  return importer.images();
}

}  // namespace dhow::engine
