// SPDX-License-Identifier: Apache-2.0
#include "engine/image_lookup.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "engine/image_tree.h"
#include "oci/image_codec.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kSha256 = "sha256:";
// Shorter beginnings of an id are taken for names alone.
constexpr std::size_t kHexDigits = 64;

std::unexpected<Error> no_such_image(std::string_view text) {
  auto reference = oci::parse_image_name(text);
  return fail(Code::kNotFound,
              cat("No such image: ", reference ? reference->familiar() : std::string(text)));
}

bool is_hex(std::string_view text) {
  return !text.empty() && text.size() <= kHexDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "sha256:…" or its digits, or their beginning; "" for what is none.
std::string_view id_digits(std::string_view text) {
  if (text.starts_with(kSha256)) text.remove_prefix(kSha256.size());
  return is_hex(text) ? text : std::string_view();
}

bool named_so(const ImageEntry& entry, const oci::Reference& wanted) {
  return std::ranges::any_of(entry.names, [&](const oci::Reference& name) {
    if (name.domain != wanted.domain || name.path != wanted.path) return false;
    if (!wanted.digest.empty()) return wanted.digest == entry.id();
    return name.tag == wanted.tag;
  });
}

// Whether a configuration of the image, for whatever platform, begins with these digits.
bool has_config(content::ContentStore& content, const ImageEntry& entry, std::string_view digits) {
  bool found = false;
  // Damage shows when the image is used.
  std::ignore = walk_tree(content, entry.target, [&](const oci::Descriptor& node) -> Status {
    bool is_config = node.media_type == oci::media_type::kOciConfig ||
                     node.media_type == oci::media_type::kDockerConfig;
    found = found || (is_config && node.digest.hex().starts_with(digits));
    return {};
  });
  return found;
}

Result<ImageEntry> find_by_id(content::ContentStore& content, std::vector<ImageEntry>& entries,
                              std::string_view digits, std::string_view text) {
  ImageEntry* found = nullptr;
  auto take = [&](ImageEntry& entry) -> Status {
    if (found != nullptr) {
      return fail(Code::kInvalidArgument, cat("ambiguous image id ", quoted(text),
                                              ": it is the beginning of more than one"));
    }
    found = &entry;
    return {};
  };
  for (ImageEntry& entry : entries) {
    if (entry.id().hex().starts_with(digits)) TRY(take(entry));
  }
  if (found == nullptr) {
    for (ImageEntry& entry : entries) {
      if (has_config(content, entry, digits)) TRY(take(entry));
    }
  }
  if (found == nullptr) return no_such_image(text);
  return std::move(*found);
}

}  // namespace

std::string dangling_name(const Digest& id) { return cat(kDanglingPrefix, id.text()); }

Result<std::vector<ImageEntry>> list_images(const image::Store& images,
                                            std::string_view name_space) {
  TRY_ASSIGN(std::vector<image::Record> records, images.list(name_space));
  std::map<Digest, ImageEntry> entries;
  for (const image::Record& record : records) {
    auto [at, is_new] = entries.try_emplace(record.digest);
    ImageEntry& entry = at->second;
    if (is_new) {
      entry.target.media_type = record.media_type;
      entry.target.digest = record.digest;
      entry.target.size = record.size;
      entry.created = record.created;
    }
    entry.created = std::min(entry.created, record.created);
    entry.updated = std::max(entry.updated, record.updated);
    if (record.name.starts_with(kDanglingPrefix)) continue;
    if (auto name = oci::parse_reference(record.name)) entry.names.push_back(std::move(*name));
  }
  std::vector<ImageEntry> list;
  list.reserve(entries.size());
  for (auto& [id, entry] : entries) list.push_back(std::move(entry));
  return list;
}

Result<ImageEntry> find_image(const ImageReading& stores, std::string_view name_space,
                              std::string_view text) {
  auto wanted = oci::parse_image_name(text);
  std::string_view digits = id_digits(text);
  // The common case is one look-up by its key.
  if (wanted && wanted->digest.empty() && digits.empty()) {
    if (!stores.images.get(name_space, wanted->text())) return no_such_image(text);
  }
  TRY_ASSIGN(std::vector<ImageEntry> entries, list_images(stores.images, name_space));
  if (wanted) {
    for (ImageEntry& entry : entries) {
      if (named_so(entry, *wanted)) return std::move(entry);
    }
  }
  if (digits.empty()) return no_such_image(text);
  return find_by_id(stores.content, entries, digits, text);
}

Result<ImageDocuments> read_image(content::ContentStore& content, const oci::Descriptor& target,
                                  const oci::Platform& platform) {
  TRY_ASSIGN(std::optional<oci::Descriptor> chosen, find_manifest(content, target, platform));
  if (!chosen) {
    return fail(Code::kNotFound, cat("image ", target.digest.text(), " has nothing here for ",
                                     oci::platform_text(platform)));
  }
  ImageDocuments documents;
  documents.manifest_descriptor = std::move(*chosen);
  const oci::Descriptor& descriptor = documents.manifest_descriptor;
  TRY_ASSIGN(std::string text, content.read(descriptor.digest, oci::kMaxManifest));
  TRY_ASSIGN(documents.manifest, oci::parse_manifest(text, descriptor.media_type));
  const Digest& config = documents.manifest.config.digest;
  TRY_ASSIGN(text, content.read(config, oci::kMaxImageConfig));
  auto image = oci::parse_image(text);
  if (!image) return std::unexpected(std::move(image).error().add_context(config.text()));
  documents.config = std::move(*image);
  documents.chain = oci::chain_ids(documents.config.diff_ids);
  return documents;
}

}  // namespace dhow::engine
