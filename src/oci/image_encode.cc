// SPDX-License-Identifier: Apache-2.0
#include "oci/base64.h"
#include "oci/image_codec.h"
#include "oci/json.h"

namespace dhow::oci {
namespace {

using Texts = std::vector<std::string>;

void write_text(JsonWriter& json, std::string_view name, std::string_view text) {
  if (!text.empty()) json.member(name, text);
}

void write_array(JsonWriter& json, std::string_view name, const Texts& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

void write_texts(JsonWriter& json, std::string_view name, const Texts& texts) {
  if (!texts.empty()) write_array(json, name, texts);
}

void write_map(JsonWriter& json, std::string_view name,
               const std::map<std::string, std::string>& map) {
  if (map.empty()) return;
  json.key(name).begin_object();
  for (const auto& [key, value] : map) json.member(key, value);
  json.end_object();
}

void write_set(JsonWriter& json, std::string_view name, const Texts& names) {
  if (names.empty()) return;
  json.key(name).begin_object();
  for (const std::string& member : names) json.key(member).begin_object().end_object();
  json.end_object();
}

void write_platform(JsonWriter& json, const Platform& platform) {
  json.member("architecture", platform.architecture);
  json.member("os", platform.os);
  write_text(json, "os.version", platform.os_version);
  write_texts(json, "os.features", platform.os_features);
  write_text(json, "variant", platform.variant);
}

void write_descriptor(JsonWriter& json, const Descriptor& descriptor) {
  json.begin_object();
  json.member("mediaType", descriptor.media_type);
  json.member("digest", descriptor.digest.text());
  json.member_number("size", descriptor.size);
  write_texts(json, "urls", descriptor.urls);
  write_map(json, "annotations", descriptor.annotations);
  if (!descriptor.data.empty()) json.member("data", base64_encode(descriptor.data));
  if (descriptor.platform) {
    json.key("platform").begin_object();
    write_platform(json, *descriptor.platform);
    json.end_object();
  }
  write_text(json, "artifactType", descriptor.artifact_type);
  json.end_object();
}

template <typename Document>
void write_head(JsonWriter& json, const Document& document) {
  json.member_number("schemaVersion", 2);
  write_text(json, "mediaType", document.media_type);
  write_text(json, "artifactType", document.artifact_type);
}

template <typename Document>
void write_tail(JsonWriter& json, const Document& document) {
  if (document.subject) {
    json.key("subject");
    write_descriptor(json, *document.subject);
  }
  write_map(json, "annotations", document.annotations);
}

void write_descriptors(JsonWriter& json, std::string_view name,
                       const std::vector<Descriptor>& descriptors) {
  json.key(name).begin_array();
  for (const Descriptor& descriptor : descriptors) write_descriptor(json, descriptor);
  json.end_array();
}

void write_nonzero(JsonWriter& json, std::string_view name, std::int64_t number) {
  if (number != 0) json.member_number(name, number);
}

void write_healthcheck(JsonWriter& json, const Healthcheck& check) {
  json.key("Healthcheck").begin_object();
  write_texts(json, "Test", check.test);
  write_nonzero(json, "Interval", check.interval);
  write_nonzero(json, "Timeout", check.timeout);
  write_nonzero(json, "StartPeriod", check.start_period);
  write_nonzero(json, "StartInterval", check.start_interval);
  write_nonzero(json, "Retries", check.retries);
  json.end_object();
}

void write_config(JsonWriter& json, const ImageConfig& config) {
  json.key("config").begin_object();
  write_text(json, "User", config.user);
  write_set(json, "ExposedPorts", config.exposed_ports);
  write_texts(json, "Env", config.env);
  if (config.entrypoint) write_array(json, "Entrypoint", *config.entrypoint);
  if (config.cmd) write_array(json, "Cmd", *config.cmd);
  write_set(json, "Volumes", config.volumes);
  write_text(json, "WorkingDir", config.working_dir);
  write_map(json, "Labels", config.labels);
  write_text(json, "StopSignal", config.stop_signal);
  if (config.args_escaped) json.member_boolean("ArgsEscaped", true);
  if (config.healthcheck) write_healthcheck(json, *config.healthcheck);
  write_texts(json, "OnBuild", config.on_build);
  write_texts(json, "Shell", config.shell);
  if (config.stop_timeout) json.member_number("StopTimeout", *config.stop_timeout);
  json.end_object();
}

void write_history(JsonWriter& json, const History& step) {
  json.begin_object();
  write_text(json, "created", step.created);
  write_text(json, "author", step.author);
  write_text(json, "created_by", step.created_by);
  write_text(json, "comment", step.comment);
  if (step.empty_layer) json.member_boolean("empty_layer", true);
  json.end_object();
}

}  // namespace

std::string manifest_json(const Manifest& manifest) {
  JsonWriter json;
  json.begin_object();
  write_head(json, manifest);
  json.key("config");
  write_descriptor(json, manifest.config);
  write_descriptors(json, "layers", manifest.layers);
  write_tail(json, manifest);
  json.end_object();
  return json.text();
}

std::string index_json(const Index& index) {
  JsonWriter json;
  json.begin_object();
  write_head(json, index);
  write_descriptors(json, "manifests", index.manifests);
  write_tail(json, index);
  json.end_object();
  return json.text();
}

std::string image_json(const Image& image) {
  JsonWriter json;
  json.begin_object();
  write_text(json, "created", image.created);
  write_text(json, "author", image.author);
  write_platform(json, image.platform);
  write_config(json, image.config);
  json.key("rootfs").begin_object().member("type", "layers").key("diff_ids").begin_array();
  for (const Digest& diff_id : image.diff_ids) json.string(diff_id.text());
  json.end_array().end_object();
  json.key("history").begin_array();
  for (const History& step : image.history) write_history(json, step);
  json.end_array();
  json.end_object();
  return json.text();
}

}  // namespace dhow::oci
