// SPDX-License-Identifier: Apache-2.0
#include "builtin/archive.h"

#include <elf.h>

#include <cstring>
#include <map>

#include "base/hasher.h"
#include "base/strings.h"
#include "oci/image_codec.h"
#include "oci/reference.h"
#include "unpack/deflate.h"
#include "unpack/tar_writer.h"

namespace dhow::builtin {
namespace {

constexpr std::string_view kEpoch = "1970-01-01T00:00:00Z";

class Text final : public unpack::ByteSink {
 public:
  Status write(std::string_view piece) override {
    text += piece;
    return {};
  }
  std::string text;
};

Result<std::string> layer_of(const std::vector<Member>& members) {
  Text layer;
  unpack::TarWriter writer(layer);
  for (const Member& member : members) {
    unpack::Entry entry = member.entry;
    entry.size = static_cast<std::int64_t>(member.content.size());
    TRY(writer.begin(entry));
    TRY(writer.write(member.content));
  }
  TRY(writer.finish());
  return std::move(layer.text);
}

Result<std::string> gzipped(std::string_view content) {
  Text packed;
  auto packer = unpack::pack(packed, oci::Compression::kGzip);
  TRY(packer->write(content));
  TRY(packer->finish());
  return std::move(packed.text);
}

// The blobs of a layout, by their digests.
class Blobs {
 public:
  oci::Descriptor add(std::string_view media_type, std::string content) {
    oci::Descriptor descriptor;
    descriptor.media_type = media_type;
    descriptor.digest = digest_of(content);
    descriptor.size = static_cast<std::int64_t>(content.size());
    blobs_[descriptor.digest] = std::move(content);
    return descriptor;
  }
  Status write(unpack::TarWriter& archive) const {
    for (const auto& [digest, content] : blobs_) {
      TRY(archive.file(oci::layout_path(digest), content));
    }
    return {};
  }

 private:
  std::map<Digest, std::string> blobs_;
};

}  // namespace

Status write_archive(std::string_view name, const std::vector<Member>& members, oci::Image image,
                     unpack::ByteSink& sink) {
  TRY_ASSIGN(oci::Reference reference, oci::parse_reference(name));
  TRY_ASSIGN(std::string layer, layer_of(members));
  TRY_ASSIGN(std::string packed, gzipped(layer));
  image.created = kEpoch;
  image.diff_ids = {digest_of(layer)};
  image.history = {{.created = std::string(kEpoch),
                    .author = {},
                    .created_by = "dhow",
                    .comment = "comes with dhow",
                    .empty_layer = false}};
  Blobs blobs;
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::kOciManifest;
  manifest.config = blobs.add(oci::media_type::kOciConfig, oci::image_json(image));
  manifest.layers = {blobs.add(oci::media_type::kOciLayerGzip, std::move(packed))};
  oci::Index index;
  index.media_type = oci::media_type::kOciIndex;
  index.manifests = {blobs.add(manifest.media_type, oci::manifest_json(manifest))};
  index.manifests[0].platform = image.platform;
  index.manifests[0].annotations = {{"io.containerd.image.name", reference.text()},
                                    {"org.opencontainers.image.ref.name", reference.tag}};
  unpack::TarWriter archive(sink);
  TRY(blobs.write(archive));
  TRY(archive.file("index.json", oci::index_json(index)));
  TRY(archive.file(std::string(oci::kLayoutFile), oci::kLayoutContent));
  return archive.finish();
}

Result<oci::Platform> platform_of(std::string_view program) {
  Elf64_Ehdr header{};
  if (program.size() < sizeof header || !program.starts_with(ELFMAG)) {
    return fail(Code::kInvalidArgument, "no program");
  }
  std::memcpy(&header, program.data(), sizeof header);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part{};
    std::size_t at = header.e_phoff + i * sizeof part;
    if (at > program.size() || program.size() - at < sizeof part) {
      return fail(Code::kInvalidArgument, "a damaged program");
    }
    std::memcpy(&part, program.data() + at, sizeof part);
    if (part.p_type == PT_INTERP) return fail(Code::kInvalidArgument, "not linked statically");
  }
  oci::Platform platform;
  platform.os = "linux";
  if (header.e_machine == EM_X86_64) {
    platform.architecture = "amd64";
  } else if (header.e_machine == EM_AARCH64) {
    platform.architecture = "arm64";
  } else {
    return fail(Code::kInvalidArgument, cat("for the processor ", header.e_machine));
  }
  return platform;
}

}  // namespace dhow::builtin
