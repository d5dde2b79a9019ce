// SPDX-License-Identifier: Apache-2.0
#include "api/docker/image_json.h"

#include "base/rfc3339.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

using engine::ImageDetails;
using oci::JsonWriter;
using Texts = std::vector<std::string>;

void write_image_texts(JsonWriter& json, std::string_view name, const Texts& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

// A list that is null when there is none of it.
void write_optional_list(JsonWriter& json, std::string_view name,
                         const std::optional<Texts>& texts) {
  if (texts) return write_image_texts(json, name, *texts);
  json.key(name).null();
}

void write_names(JsonWriter& json, const ImageDetails& image, bool older) {
  Texts tags;
  Texts digests;
  for (const oci::Reference& name : image.entry.names) {
    if (!name.tag.empty()) tags.push_back(cat(name.familiar_name(), ":", name.tag));
    std::string digest = cat(name.familiar_name(), "@", image.entry.id().text());
    if (digests.empty() || digests.back() != digest) digests.push_back(std::move(digest));
  }
  if (older && tags.empty() && digests.empty()) {
    tags = {"<none>:<none>"};
    digests = {"<none>@<none>"};
  }
  write_image_texts(json, "RepoTags", tags);
  write_image_texts(json, "RepoDigests", digests);
}

void write_label_map(JsonWriter& json, const std::map<std::string, std::string>& labels) {
  json.key("Labels");
  if (labels.empty()) {
    json.null();
    return;
  }
  json.begin_object();
  for (const auto& [key, value] : labels) json.member(key, value);
  json.end_object();
}

void write_name_set(JsonWriter& json, std::string_view name, const Texts& names) {
  json.key(name);
  if (names.empty()) {
    json.null();
    return;
  }
  json.begin_object();
  for (const std::string& member : names) json.key(member).begin_object().end_object();
  json.end_object();
}

void write_check(JsonWriter& json, const oci::Healthcheck& check) {
  json.key("Healthcheck").begin_object();
  if (!check.test.empty()) write_image_texts(json, "Test", check.test);
  auto nonzero = [&](std::string_view name, std::int64_t value) {
    if (value != 0) json.member_number(name, value);
  };
  nonzero("Interval", check.interval);
  nonzero("Timeout", check.timeout);
  nonzero("StartPeriod", check.start_period);
  nonzero("StartInterval", check.start_interval);
  nonzero("Retries", check.retries);
  json.end_object();
}

// Until 1.49 an image had the configuration of a container.
void write_container_members(JsonWriter& json) {
  json.member("Hostname", "").member("Domainname", "");
  for (const char* name :
       {"AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"}) {
    json.member_boolean(name, false);
  }
  json.member("Image", "");
}

void write_image_config(JsonWriter& json, std::string_view name, const oci::ImageConfig& config,
                        bool older) {
  json.key(name).begin_object();
  if (older) write_container_members(json);
  json.member("User", config.user);
  if (!config.exposed_ports.empty()) write_name_set(json, "ExposedPorts", config.exposed_ports);
  write_image_texts(json, "Env", config.env);
  write_optional_list(json, "Cmd", config.cmd);
  if (config.healthcheck) write_check(json, *config.healthcheck);
  if (config.args_escaped) json.member_boolean("ArgsEscaped", true);
  write_name_set(json, "Volumes", config.volumes);
  json.member("WorkingDir", config.working_dir);
  write_optional_list(json, "Entrypoint", config.entrypoint);
  if (config.on_build.empty()) {
    json.key("OnBuild").null();
  } else {
    write_image_texts(json, "OnBuild", config.on_build);
  }
  write_label_map(json, config.labels);
  if (!config.stop_signal.empty()) json.member("StopSignal", config.stop_signal);
  if (!config.shell.empty()) write_image_texts(json, "Shell", config.shell);
  json.end_object();
}

// What is here of the image: its manifest for this platform.
void write_manifests(JsonWriter& json, const ImageDetails& image) {
  json.key("Manifests").begin_array();
  if (image.content != nullptr) {
    const engine::ImageDocuments& documents = image.content->documents;
    std::int64_t packed = documents.manifest_descriptor.size + documents.manifest.config.size;
    for (const oci::Descriptor& layer : documents.manifest.layers) packed += layer.size;
    json.begin_object().member("ID", documents.manifest_descriptor.digest.text());
    json.key("Descriptor");
    write_descriptor(json, documents.manifest_descriptor);
    json.member_boolean("Available", true);
    json.key("Size").begin_object().member_number("Content", packed);
    json.member_number("Total", packed + image.content->size).end_object();
    json.member("Kind", "image").key("ImageData").begin_object().key("Platform");
    write_platform(json, documents.config.platform);
    json.key("Containers").begin_array().end_array();
    json.key("Size").begin_object().member_number("Unpacked", image.content->size).end_object();
    json.end_object().end_object();
  }
  json.end_array();
}

std::int64_t size_of(const ImageDetails& image) {
  return image.content == nullptr ? 0 : image.content->size;
}

}  // namespace

void write_platform(JsonWriter& json, const oci::Platform& platform) {
  json.begin_object().member("architecture", platform.architecture).member("os", platform.os);
  if (!platform.os_version.empty()) json.member("os.version", platform.os_version);
  if (!platform.os_features.empty()) write_image_texts(json, "os.features", platform.os_features);
  if (!platform.variant.empty()) json.member("variant", platform.variant);
  json.end_object();
}

void write_descriptor(JsonWriter& json, const oci::Descriptor& descriptor) {
  json.begin_object().member("mediaType", descriptor.media_type);
  json.member("digest", descriptor.digest.text()).member_number("size", descriptor.size);
  if (!descriptor.annotations.empty()) {
    json.key("annotations").begin_object();
    for (const auto& [key, value] : descriptor.annotations) json.member(key, value);
    json.end_object();
  }
  if (descriptor.platform) {
    json.key("platform");
    write_platform(json, *descriptor.platform);
  }
  if (!descriptor.artifact_type.empty()) json.member("artifactType", descriptor.artifact_type);
  json.end_object();
}

void write_image_summary(JsonWriter& json, const ImageDetails& image, const ImageShape& shape) {
  json.begin_object().member("Id", image.entry.id().text()).member("ParentId", "");
  write_names(json, image, shape.version < ApiVersion{43});
  json.member_number("Created", image.created() / 1'000'000'000);
  json.member_number("Size", size_of(image)).member_number("SharedSize", shape.shared_size);
  if (shape.version < ApiVersion{44}) json.member_number("VirtualSize", size_of(image));
  static const std::map<std::string, std::string> kNone;
  write_label_map(json,
                  image.content == nullptr ? kNone : image.content->documents.config.config.labels);
  json.member_number("Containers", shape.containers);
  if (shape.manifests && shape.version >= ApiVersion{47}) write_manifests(json, image);
  if (shape.version >= ApiVersion{48}) {
    json.key("Descriptor");
    write_descriptor(json, image.entry.target);
  }
  json.end_object();
}

std::string image_inspect_json(const ImageDetails& image, const ImageShape& shape,
                               std::string_view driver) {
  const oci::Image& config = image.content->documents.config;
  bool older = shape.version < ApiVersion{52};
  JsonWriter json;
  json.begin_object().member("Id", image.entry.id().text());
  write_names(json, image, false);
  if (older) json.member("Parent", "");
  json.member("Comment", config.history.empty() ? std::string() : config.history.back().comment);
  json.member("Created", config.created);
  if (shape.version < ApiVersion{45}) {
    json.member("Container", "");
    // Of the container that it was made of, which is not known. Clients look into it.
    write_image_config(json, "ContainerConfig", {}, true);
  }
  if (older) json.member("DockerVersion", "");
  json.member("Author", config.author);
  write_image_config(json, "Config", config.config, shape.version < ApiVersion{50});
  json.member("Architecture", config.platform.architecture);
  if (!config.platform.variant.empty()) json.member("Variant", config.platform.variant);
  json.member("Os", config.platform.os);
  if (!config.platform.os_version.empty()) json.member("OsVersion", config.platform.os_version);
  json.member_number("Size", size_of(image));
  if (shape.version < ApiVersion{44}) json.member_number("VirtualSize", size_of(image));
  json.key("GraphDriver").begin_object().key("Data").null().member("Name", driver).end_object();
  json.key("RootFS").begin_object().member("Type", "layers").key("Layers").begin_array();
  for (const Digest& id : config.diff_ids) json.string(id.text());
  json.end_array().end_object();
  json.key("Metadata").begin_object();
  json.member("LastTagTime", rfc3339_nano(image.entry.updated)).end_object();
  if (shape.version >= ApiVersion{48}) {
    json.key("Descriptor");
    write_descriptor(json, image.entry.target);
    if (shape.manifests) write_manifests(json, image);
  }
  json.end_object();
  return json.text() + "\n";
}

std::string image_history_json(const ImageDetails& image) {
  JsonWriter json;
  json.begin_array();
  for (const engine::HistoryItem& item : engine::history_of(image)) {
    json.begin_object().member("Comment", item.comment);
    json.member_number("Created", item.created / 1'000'000'000);
    json.member("CreatedBy", item.created_by).member("Id", item.id);
    json.member_number("Size", item.size).key("Tags");
    if (item.tags.empty()) {
      json.null();
    } else {
      json.begin_array();
      for (const std::string& tag : item.tags) json.string(tag);
      json.end_array();
    }
    json.end_object();
  }
  json.end_array();
  return json.text() + "\n";
}

}  // namespace dhow::api::docker
