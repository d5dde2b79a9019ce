// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "api/docker/door.h"
#include "api/docker/image_json.h"
#include "api/docker/image_query.h"
#include "api/docker/request_params.h"
#include "base/strings.h"
#include "oci/image_codec.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

// How much of each image's layers other images have too.
std::map<Digest, std::int64_t> shared_sizes(const std::vector<engine::ImageDetails>& all) {
  std::map<Digest, int> times;
  for (const auto& image : all) {
    if (image.content == nullptr) continue;
    for (const Digest& layer : image.content->documents.chain) ++times[layer];
  }
  std::map<Digest, std::int64_t> sizes;
  for (const auto& image : all) {
    if (image.content == nullptr) continue;
    const auto& chain = image.content->documents.chain;
    std::int64_t size = 0;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      if (times[chain[i]] > 1) size += image.content->layer_sizes[i];
    }
    sizes[image.entry.id()] = size;
  }
  return sizes;
}

Status answer_images(const ExchangePtr& exchange, const Services& services) {
  TRY_ASSIGN(engine::ImageFilter filter, image_filter(*exchange, services.images));
  TRY_ASSIGN(std::vector<engine::ImageDetails> images, services.images.list(filter));
  ImageShape shape{.version = exchange->version()};
  shape.manifests = exchange->query().flag("manifests");
  std::map<Digest, std::int64_t> shared;
  bool with_shared = exchange->query().flag("shared-size");
  if (with_shared) {
    TRY_ASSIGN(std::vector<engine::ImageDetails> all, services.images.list({}));
    shared = shared_sizes(all);
  }
  JsonWriter json;
  json.begin_array();
  for (const engine::ImageDetails& image : images) {
    if (with_shared) shape.shared_size = shared[image.entry.id()];
    write_image_summary(json, image, shape);
  }
  json.end_array();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status inspect_image(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto platform, parse_platform_json(exchange->query().get("platform")));
  TRY_ASSIGN(engine::ImageDetails image, services.images.inspect(match[0], platform));
  ImageShape shape{.version = exchange->version()};
  shape.manifests = exchange->query().flag("manifests");
  exchange->respond(
      Response::json(image_inspect_json(image, shape, services.engine.snapshots().name())));
  return {};
}

Status answer_history(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto platform, parse_platform_json(exchange->query().get("platform")));
  TRY_ASSIGN(engine::ImageDetails image, services.images.inspect(match[0], platform));
  exchange->respond(Response::json(image_history_json(image)));
  return {};
}

Status tag_image(const ExchangePtr& exchange, const Match& match, const Services& services) {
  const Query& query = exchange->query();
  TRY(services.images.tag(match[0], joined_name(query.get("repo"), query.get("tag"))));
  exchange->respond(Response::empty(201));
  return {};
}

void write_removals(JsonWriter& json, const std::vector<engine::ImageRemoval>& removals) {
  json.begin_array();
  for (const engine::ImageRemoval& removal : removals) {
    json.begin_object().member(removal.is_image ? "Deleted" : "Untagged", removal.name);
    json.end_object();
  }
  json.end_array();
}

Status remove_image(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto removals,
             services.images.remove(match[0], {.force = exchange->query().flag("force")}));
  JsonWriter json;
  write_removals(json, removals);
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status prune_images(const ExchangePtr& exchange, const Services& services) {
  TRY_ASSIGN(engine::Filters filters, parse_filters(exchange->query().get("filters"),
                                                    {"dangling", "label", "label!", "until"}));
  TRY_ASSIGN(std::optional<bool> dangling, filter_flag(filters, "dangling"));
  engine::ImageFilter filter;
  TRY(add_common_filters(filters, filter));
  TRY_ASSIGN(engine::PrunedImages pruned, services.images.prune(filter, !dangling.value_or(true)));
  JsonWriter json;
  json.begin_object().key("ImagesDeleted");
  if (pruned.removed.empty()) {
    json.null();
  } else {
    write_removals(json, pruned.removed);
  }
  json.member_number("SpaceReclaimed", pruned.reclaimed).end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

// What a registry says: the descriptor, and which platforms an index has.
Status distribution(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(oci::Reference name, oci::parse_image_name(match[0]));
  TRY_ASSIGN(registry::FetchedManifest fetched,
             services.images.remote(match[0], request_credentials(*exchange, name.domain),
                                    exchange->stop()));
  TRY_ASSIGN(oci::ManifestOrIndex document,
             oci::parse_manifest_or_index(fetched.content, fetched.descriptor.media_type));
  JsonWriter json;
  json.begin_object().key("Descriptor");
  write_descriptor(json, fetched.descriptor);
  json.key("Platforms").begin_array();
  if (const auto* index = std::get_if<oci::Index>(&document)) {
    for (const oci::Descriptor& part : index->manifests) {
      if (part.platform) write_platform(json, *part.platform);
    }
  } else {
    write_platform(json, oci::host_platform());
  }
  json.end_array().end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

}  // namespace

void add_image_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/images/json",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return answer_images(exchange, services);
              }});
  router.add({.method = "POST",
              .pattern = "/images/prune",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return prune_images(exchange, services);
              }});
  router.add({.method = "GET",
              .pattern = "/images/search",
              .handler = [](const ExchangePtr&, const Match&) -> Status {
                return fail(Code::kUnimplemented, "searching registries is not supported");
              }});
  using Named = Status (*)(const ExchangePtr&, const Match&, const Services&);
  for (auto [method, pattern, handler] :
       {std::tuple<const char*, const char*, Named>{"GET", "/images/{*}/json", inspect_image},
        {"GET", "/images/{*}/history", answer_history},
        {"POST", "/images/{*}/tag", tag_image},
        {"DELETE", "/images/{*}", remove_image},
        {"GET", "/distribution/{*}/json", distribution}}) {
    router.add({.method = method,
                .pattern = pattern,
                .handler = [handler, &services](const ExchangePtr& exchange, const Match& match) {
                  return handler(exchange, match, services);
                }});
  }
}

}  // namespace dhow::api::docker
