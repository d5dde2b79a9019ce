// SPDX-License-Identifier: Apache-2.0
#include "api/docker/volume_json.h"

#include "base/rfc3339.h"

namespace dhow::api::docker {
namespace {

constexpr std::int64_t kVolumeSecond = 1'000'000'000;

void write_text_map(oci::JsonWriter& json, const char* name,
                    const std::map<std::string, std::string>& texts) {
  json.key(name);
  if (texts.empty()) {
    json.null();
    return;
  }
  json.begin_object();
  for (const auto& [key, value] : texts) json.member(key, value);
  json.end_object();
}

}  // namespace

void write_volume(oci::JsonWriter& json, const engine::VolumeInfo& volume) {
  std::int64_t whole = volume.record.created / kVolumeSecond * kVolumeSecond;
  json.begin_object().member("CreatedAt", rfc3339_nano(whole));
  json.member("Driver", volume.record.driver);
  write_text_map(json, "Labels", volume.record.labels);
  json.member("Mountpoint", volume.mountpoint).member("Name", volume.record.name);
  write_text_map(json, "Options", volume.record.options);
  json.member("Scope", "local");
  if (volume.size) {
    json.key("UsageData").begin_object();
    json.member_number("RefCount", std::ssize(volume.users)).member_number("Size", *volume.size);
    json.end_object();
  }
  json.end_object();
}

}  // namespace dhow::api::docker
