// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "oci/base64.h"
#include "oci/image_codec.h"
#include "oci/json_reader.h"

namespace dhow::oci {
namespace {

using Texts = std::vector<std::string>;

// RFC 6838, 4.2: what a media type may be made of.
bool is_media_type(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  auto is_name = [](std::string_view name) {
    constexpr std::string_view kOthers = "!#$&^_.+-";
    auto is_letter_or_digit = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    return !name.empty() && name.size() <= 127 && is_letter_or_digit(name.front()) &&
           std::ranges::all_of(name, [&](char c) {
             return is_letter_or_digit(c) || kOthers.find(c) != std::string_view::npos;
           });
  };
  return is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

void decode_media_type(const JsonReader& in, std::string_view name, std::string& out) {
  optional_member(in, name, out);
  if (!out.empty() && !is_media_type(out))
    in.member(name).fail(cat("no media type: ", quoted(out)));
}

void decode(const JsonReader& in, Digest& out) {
  std::string text;
  dhow::oci::decode(in, text);
  auto digest = Digest::parse(text);
  if (!digest) return in.fail(digest.error().message());
  out = std::move(*digest);
}

void decode(const JsonReader& in, Platform& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "os", out.os);
  required_member(in, "architecture", out.architecture);
  optional_member(in, "variant", out.variant);
  optional_member(in, "os.version", out.os_version);
  optional_member(in, "os.features", out.os_features);
}

void decode(const JsonReader& in, Descriptor& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "mediaType", out.media_type);
  decode_media_type(in, "mediaType", out.media_type);
  JsonReader digest = in.member("digest");
  if (!digest.present()) return digest.fail("required");
  decode(digest, out.digest);
  required_member(in, "size", out.size);
  if (out.size < 0) in.member("size").fail("negative");
  optional_member(in, "urls", out.urls);
  decode_media_type(in, "artifactType", out.artifact_type);
  optional_member(in, "annotations", out.annotations);
  if (JsonReader data = in.member("data"); data.present()) {
    std::string text;
    dhow::oci::decode(data, text);
    auto bytes = base64_decode(text);
    if (!bytes) return data.fail("no base64");
    if (static_cast<std::int64_t>(bytes->size()) != out.size)
      return data.fail("not of the given size");
    out.data = std::move(*bytes);
  }
  if (JsonReader platform = in.member("platform"); platform.present()) {
    decode(platform, out.platform.emplace());
  }
}

void decode_descriptors(const JsonReader& in, std::vector<Descriptor>& out) {
  if (!in.present() || !in.expect(JsonKind::kArray)) return;
  out.resize(in.value().size());
  for (std::size_t i = 0; i < out.size(); ++i) decode(in.item(i), out[i]);
}

template <typename Document>
void decode_common(const JsonReader& in, Document& out) {
  std::int64_t version = 0;
  required_member(in, "schemaVersion", version);
  if (version != 2) in.member("schemaVersion").fail(cat("expected 2, found ", version));
  decode_media_type(in, "mediaType", out.media_type);
  decode_media_type(in, "artifactType", out.artifact_type);
  if (JsonReader subject = in.member("subject"); subject.present()) {
    decode(subject, out.subject.emplace());
  }
  optional_member(in, "annotations", out.annotations);
}

void decode(const JsonReader& in, Manifest& out) {
  decode_common(in, out);
  JsonReader config = in.member("config");
  if (!config.present()) return config.fail("required");
  decode(config, out.config);
  JsonReader layers = in.member("layers");
  if (!layers.present()) return layers.fail("required");
  if (layers.value().size() > kMaxLayers) return layers.fail(cat("more than ", kMaxLayers));
  decode_descriptors(layers, out.layers);
}

void decode(const JsonReader& in, Index& out) {
  decode_common(in, out);
  JsonReader manifests = in.member("manifests");
  if (!manifests.present()) return manifests.fail("required");
  decode_descriptors(manifests, out.manifests);
}

// A set in Go's JSON: an object whose members say nothing.
void decode_set(const JsonReader& in, std::string_view name, Texts& out) {
  JsonReader set = in.member(name);
  if (!set.present() || !set.expect(JsonKind::kObject)) return;
  for (std::size_t i = 0; i < set.value().size(); ++i) out.emplace_back(set.member(i).name());
  std::ranges::sort(out);
}

void decode(const JsonReader& in, Healthcheck& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "Test", out.test);
  optional_member(in, "Interval", out.interval);
  optional_member(in, "Timeout", out.timeout);
  optional_member(in, "StartPeriod", out.start_period);
  optional_member(in, "StartInterval", out.start_interval);
  optional_member(in, "Retries", out.retries);
}

void decode(const JsonReader& in, ImageConfig& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "User", out.user);
  decode_set(in, "ExposedPorts", out.exposed_ports);
  optional_member(in, "Env", out.env);
  optional_member(in, "Entrypoint", out.entrypoint);
  optional_member(in, "Cmd", out.cmd);
  decode_set(in, "Volumes", out.volumes);
  optional_member(in, "WorkingDir", out.working_dir);
  optional_member(in, "Labels", out.labels);
  optional_member(in, "StopSignal", out.stop_signal);
  optional_member(in, "ArgsEscaped", out.args_escaped);
  if (JsonReader check = in.member("Healthcheck"); check.present()) {
    decode(check, out.healthcheck.emplace());
  }
  optional_member(in, "OnBuild", out.on_build);
  optional_member(in, "Shell", out.shell);
  optional_member(in, "StopTimeout", out.stop_timeout);
}

void decode(const JsonReader& in, History& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "created", out.created);
  optional_member(in, "author", out.author);
  optional_member(in, "created_by", out.created_by);
  optional_member(in, "comment", out.comment);
  optional_member(in, "empty_layer", out.empty_layer);
}

void decode_root_fs(const JsonReader& in, Image& out) {
  if (!in.present()) return in.fail("required");
  std::string type;
  required_member(in, "type", type);
  if (type != "layers") in.member("type").fail(cat("expected \"layers\", found ", quoted(type)));
  JsonReader ids = in.member("diff_ids");
  if (!ids.present()) return;  // docker writes null for an image without layers
  if (!ids.expect(JsonKind::kArray)) return;
  if (ids.value().size() > kMaxLayers) return ids.fail(cat("more than ", kMaxLayers));
  out.diff_ids.resize(ids.value().size());
  for (std::size_t i = 0; i < out.diff_ids.size(); ++i) decode(ids.item(i), out.diff_ids[i]);
}

void decode(const JsonReader& in, Image& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "created", out.created);
  optional_member(in, "author", out.author);
  decode(in, out.platform);
  if (JsonReader config = in.member("config"); config.present()) decode(config, out.config);
  decode_root_fs(in.member("rootfs"), out);
  if (JsonReader history = in.member("history"); history.present()) {
    if (!history.expect(JsonKind::kArray)) return;
    out.history.resize(history.value().size());
    for (std::size_t i = 0; i < out.history.size(); ++i) decode(history.item(i), out.history[i]);
  }
}

// Which of the two a text is; `media_type` is what others say of it.
void decode_either(const JsonReader& in, std::string_view media_type, ManifestOrIndex& out) {
  if (!in.expect(JsonKind::kObject)) return;
  bool is_index = in.member("manifests").present();
  if (is_index && (in.member("layers").present() || in.member("config").present())) {
    return in.fail("both an index and a manifest");
  }
  if (in.member("fsLayers").present()) return in.fail("schema version 1 is not supported");
  std::string own;
  optional_member(in, "mediaType", own);
  std::string_view said = media_type.empty() ? std::string_view(own) : media_type;
  if (!own.empty() && own != said) {
    return in.member("mediaType").fail(cat(quoted(own), " is served as ", quoted(said)));
  }
  if (!said.empty() && !(is_index ? is_index_type(said) : is_manifest_type(said))) {
    return in.fail(cat("no content for the media type ", quoted(said)));
  }
  if (is_index) {
    decode(in, out.emplace<Index>());
  } else {
    decode(in, out.emplace<Manifest>());
  }
}

// parse_as for the types of this file, with a limit.
template <typename Decode>
Status parse_with(std::string_view text, std::size_t limit, std::string_view what,
                  Decode decode_it) {
  if (text.size() > limit) {
    return fail(Code::kInvalidArgument, cat(what, ": larger than ", limit, " bytes"));
  }
  try {
    TRY_ASSIGN(JsonDocument document, JsonDocument::parse(text));
    std::optional<Error> fault;
    decode_it(JsonReader(document.root(), &fault));
    if (fault) return std::unexpected(std::move(*fault).add_context(what));
    return {};
  } catch (const std::exception& exception) {
    return fail(Code::kResourceExhausted, cat(what, ": ", exception.what()));
  }
}

}  // namespace

Result<ManifestOrIndex> parse_manifest_or_index(std::string_view text,
                                                std::string_view media_type) {
  ManifestOrIndex result;
  TRY(parse_with(text, kMaxManifest, "manifest",
                 [&](const JsonReader& in) { decode_either(in, media_type, result); }));
  return result;
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view media_type) {
  TRY_ASSIGN(ManifestOrIndex either, parse_manifest_or_index(text, media_type));
  if (auto* manifest = std::get_if<Manifest>(&either)) return std::move(*manifest);
  return fail(Code::kInvalidArgument, "manifest: found an index");
}

Result<Index> parse_index(std::string_view text, std::string_view media_type) {
  TRY_ASSIGN(ManifestOrIndex either, parse_manifest_or_index(text, media_type));
  if (auto* index = std::get_if<Index>(&either)) return std::move(*index);
  return fail(Code::kInvalidArgument, "index: found a manifest");
}

Result<Image> parse_image(std::string_view text) {
  Image image;
  TRY(parse_with(text, kMaxImageConfig, "image configuration",
                 [&](const JsonReader& in) { decode(in, image); }));
  return image;
}

}  // namespace dhow::oci
