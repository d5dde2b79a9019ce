// SPDX-License-Identifier: Apache-2.0
// GET /system/df.
#include <algorithm>

#include "api/docker/container_json.h"
#include "api/docker/door.h"
#include "api/docker/image_json.h"
#include "api/docker/volume_json.h"
#include "base/strings.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

struct Usage {
  std::vector<engine::ImageDetails> images;
  std::vector<engine::ContainerSummary> containers;
  std::vector<engine::VolumeInfo> volumes;
  std::int64_t layers = 0;  // bytes
};

struct Wanted {
  bool images = true;
  bool containers = true;
  bool volumes = true;
  bool build_cache = true;
};

Wanted wanted_types(const Query& query) {
  std::vector<std::string> types = query.all("type");
  if (types.empty()) return {};
  auto has = [&](const char* type) { return std::ranges::find(types, type) != types.end(); };
  return {has("image"), has("container"), has("volume"), has("build-cache")};
}

std::int64_t users_of(const Usage& usage, const engine::ImageDetails& image) {
  return std::ranges::count(usage.containers, image.entry.id().text(),
                            &engine::ContainerSummary::image_id);
}

std::int64_t bytes_of(const engine::ContainerSummary& container) {
  return container.size_rw.value_or(0);
}

void write_image_items(JsonWriter& json, const Usage& usage, ApiVersion version) {
  json.begin_array();
  for (const engine::ImageDetails& image : usage.images) {
    ImageShape shape{.version = version};
    shape.shared_size = 0;
    shape.containers = users_of(usage, image);
    write_image_summary(json, image, shape);
  }
  json.end_array();
}

void write_container_items(JsonWriter& json, const Usage& usage, ApiVersion version) {
  json.begin_array();
  for (const auto& container : usage.containers) {
    write_container_summary(json, container, version);
  }
  json.end_array();
}

void write_volume_items(JsonWriter& json, const Usage& usage) {
  json.begin_array();
  for (const engine::VolumeInfo& volume : usage.volumes) write_volume(json, volume);
  json.end_array();
}

void write_counts(JsonWriter& json, std::int64_t active, std::int64_t total,
                  std::int64_t reclaimable, std::int64_t size) {
  json.member_number("ActiveCount", active).member_number("TotalCount", total);
  json.member_number("Reclaimable", reclaimable).member_number("TotalSize", size);
}

// As it is from 1.52 on.
void write_usage(JsonWriter& json, const Usage& usage, const Wanted& wanted, bool verbose) {
  if (wanted.images) {
    std::int64_t active = 0;
    std::int64_t unused = 0;
    for (const auto& image : usage.images) {
      bool used = users_of(usage, image) != 0;
      active += used ? 1 : 0;
      if (!used && image.content != nullptr) unused += image.content->size;
    }
    json.key("ImageUsage").begin_object();
    write_counts(json, active, std::ssize(usage.images), std::min(unused, usage.layers),
                 usage.layers);
    if (verbose) write_image_items(json.key("Items"), usage, kNewestApi);
    json.end_object();
  }
  if (wanted.containers) {
    std::int64_t active = 0;
    std::int64_t size = 0;
    std::int64_t unused = 0;
    for (const auto& container : usage.containers) {
      bool running = container.state.is_running();
      active += running ? 1 : 0;
      size += bytes_of(container);
      if (!running) unused += bytes_of(container);
    }
    json.key("ContainerUsage").begin_object();
    write_counts(json, active, std::ssize(usage.containers), unused, size);
    if (verbose) write_container_items(json.key("Items"), usage, kNewestApi);
    json.end_object();
  }
  if (wanted.volumes) {
    std::int64_t active = 0;
    std::int64_t size = 0;
    std::int64_t unused = 0;
    for (const auto& volume : usage.volumes) {
      std::int64_t bytes = std::max<std::int64_t>(volume.size.value_or(0), 0);
      active += volume.users.empty() ? 0 : 1;
      size += bytes;
      if (volume.users.empty()) unused += bytes;
    }
    json.key("VolumeUsage").begin_object();
    write_counts(json, active, std::ssize(usage.volumes), unused, size);
    if (verbose) write_volume_items(json.key("Items"), usage);
    json.end_object();
  }
  if (wanted.build_cache) {
    json.key("BuildCacheUsage").begin_object();
    write_counts(json, 0, 0, 0, 0);
    if (verbose) json.key("Items").begin_array().end_array();
    json.end_object();
  }
}

void write_old_usage(JsonWriter& json, const Usage& usage, const Wanted& wanted,
                     ApiVersion version) {
  json.member_number("LayersSize", usage.layers);
  auto list = [&](const char* name, bool shown, auto write) {
    json.key(name);
    if (shown) {
      write();
    } else {
      json.null();
    }
  };
  list("Images", wanted.images, [&] { write_image_items(json, usage, version); });
  list("Containers", wanted.containers, [&] { write_container_items(json, usage, version); });
  list("Volumes", wanted.volumes, [&] { write_volume_items(json, usage); });
  list("BuildCache", wanted.build_cache, [&] { json.begin_array().end_array(); });
  if (version < ApiVersion{42}) json.member_number("BuilderSize", 0);
}

Status disk_usage(const ExchangePtr& exchange, const Services& services) {
  Wanted wanted = wanted_types(exchange->query());
  Usage usage;
  // Containers tell which images are in use.
  engine::ListOptions all;
  all.all = true;
  all.size = wanted.containers;
  TRY_ASSIGN(usage.containers, services.engine.containers().list(all));
  if (wanted.images) {
    TRY_ASSIGN(usage.images, services.images.list({}));
    TRY_ASSIGN(usage.layers, services.images.layers_size());
  }
  if (wanted.volumes) {
    TRY_ASSIGN(usage.volumes, services.engine.volumes().list({}, true));
  }
  JsonWriter json;
  json.begin_object();
  bool unversioned = is_unversioned(*exchange);
  if (before(*exchange, 52) || unversioned) {
    write_old_usage(json, usage, wanted, unversioned ? ApiVersion{51} : exchange->version());
  }
  if (!before(*exchange, 52)) {
    write_usage(json, usage, wanted, exchange->query().flag("verbose"));
  }
  json.end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

}  // namespace

void add_usage_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/system/df",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return disk_usage(exchange, services);
              }});
}

}  // namespace dhow::api::docker
