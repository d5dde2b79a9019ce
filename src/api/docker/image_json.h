// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/docker/http_types.h"
#include "engine/image_details.h"
#include "oci/json.h"

namespace dhow::api::docker {

struct ImageShape {
  ApiVersion version;
  bool manifests = false;         // with a list of what an index has here
  std::int64_t shared_size = -1;  // bytes; -1: not asked for
  std::int64_t containers = -1;   // how many use it; -1: not asked for
};

// An item of GET /images/json.
void write_image_summary(oci::JsonWriter& json, const engine::ImageDetails& image,
                         const ImageShape& shape);
// GET /images/{name}/json.
std::string image_inspect_json(const engine::ImageDetails& image, const ImageShape& shape,
                               std::string_view driver);
std::string image_history_json(const engine::ImageDetails& image);
void write_descriptor(oci::JsonWriter& json, const oci::Descriptor& descriptor);
void write_platform(oci::JsonWriter& json, const oci::Platform& platform);

}  // namespace dhow::api::docker
