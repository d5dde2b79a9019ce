// SPDX-License-Identifier: Apache-2.0
// /volumes.
#include "api/docker/door.h"
#include "api/docker/lazy_sink.h"
#include "api/docker/request_params.h"
#include "api/docker/volume_json.h"
#include "base/strings.h"
#include "oci/json_reader.h"

namespace dhow::api::docker {
namespace {

// The body of POST /volumes/create.
struct VolumeRequest {
  std::string name;
  std::string driver;
  std::map<std::string, std::string> options;
  std::map<std::string, std::string> labels;
  bool of_cluster = false;
};

void decode(const oci::JsonReader& in, VolumeRequest& out) {
  oci::optional_member(in, "Name", out.name);
  oci::optional_member(in, "Driver", out.driver);
  oci::optional_member(in, "DriverOpts", out.options);
  oci::optional_member(in, "Labels", out.labels);
  out.of_cluster = in.member("ClusterVolumeSpec").present();
}

constexpr const char* kNoSwarmUpdate =
    "volume update only valid for cluster volumes, but swarm is unavailable";

Status create_volume(const ExchangePtr& exchange, engine::Volumes& volumes) {
  TRY(check_json(*exchange));
  TRY_ASSIGN(VolumeRequest request,
             oci::parse_as<VolumeRequest>(exchange->body().empty() ? "{}" : exchange->body()));
  if (request.of_cluster) {
    return fail(Code::kUnavailable,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm "
                "join\" to connect this node to swarm and try again.");
  }
  TRY_ASSIGN(engine::VolumeInfo made, volumes.create({.name = std::move(request.name),
                                                      .driver = std::move(request.driver),
                                                      .options = std::move(request.options),
                                                      .labels = std::move(request.labels),
                                                      .created = 0,
                                                      .owner = {}}));
  oci::JsonWriter json;
  write_volume(json, made);
  exchange->respond(Response::json(json.text() + "\n", 201));
  return {};
}

Status list_volumes(const ExchangePtr& exchange, engine::Volumes& volumes) {
  TRY_ASSIGN(engine::Filters filters, parse_filters(exchange->query().get("filters"),
                                                    {"dangling", "driver", "label", "name"}));
  TRY_ASSIGN(std::vector<engine::VolumeInfo> found, volumes.list(filters, false));
  oci::JsonWriter json;
  json.begin_object().key("Volumes").begin_array();
  for (const engine::VolumeInfo& volume : found) write_volume(json, volume);
  json.end_array().key("Warnings").null().end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status inspect_volume(const ExchangePtr& exchange, const Match& match, engine::Volumes& volumes) {
  TRY_ASSIGN(engine::VolumeInfo volume, volumes.inspect(match[0]));
  oci::JsonWriter json;
  write_volume(json, volume);
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status remove_volume(const ExchangePtr& exchange, const Match& match, engine::Volumes& volumes) {
  TRY(volumes.remove(match[0], exchange->query().flag("force")));
  exchange->respond(Response::empty(204));
  return {};
}

Status prune_volumes(const ExchangePtr& exchange, engine::Volumes& volumes) {
  TRY_ASSIGN(engine::Filters filters,
             parse_filters(exchange->query().get("filters"), {"all", "label", "label!"}));
  // Older clients mean those with names as well.
  if (before(*exchange, 42)) filters["all"] = {"true"};
  TRY_ASSIGN(engine::PruneAnswer answer, volumes.prune(filters));
  oci::JsonWriter json;
  json.begin_object().key("VolumesDeleted").begin_array();
  for (const std::string& name : answer.removed) json.string(name);
  json.end_array().member_number("SpaceReclaimed", answer.reclaimed).end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

// What docker has not: all of a volume at once.
void add_content_routes(Router& router, const Services& services) {
  router.add({.method = "GET",
              .pattern = "/volumes/{}/archive",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) -> Status {
                LazySink sink(*exchange, {200, "application/x-tar", {}, {}});
                TRY(services.engine.containers().export_volume(match[0], sink));
                return sink.finish();
              }});
  router.add({.method = "PUT",
              .pattern = "/volumes/{}/archive",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) -> Status {
                TRY(services.engine.containers().import_volume(match[0], exchange->body_stream()));
                exchange->respond(Response::empty(200));
                return {};
              },
              .streams_body = true});
  router.add({.method = "POST",
              .pattern = "/volumes/{}/copy",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) -> Status {
                std::string from(exchange->query().get("from"));
                TRY(services.engine.containers().copy_volume(from, match[0]));
                exchange->respond(Response::empty(200));
                return {};
              }});
}

}  // namespace

void add_volume_routes(Router& router, const Services& services) {
  add_content_routes(router, services);
  router.add({.method = "GET",
              .pattern = "/volumes",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return list_volumes(exchange, services.engine.volumes());
              }});
  router.add({.method = "POST",
              .pattern = "/volumes/create",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return create_volume(exchange, services.engine.volumes());
              }});
  router.add({.method = "POST",
              .pattern = "/volumes/prune",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return prune_volumes(exchange, services.engine.volumes());
              }});
  router.add({.method = "GET",
              .pattern = "/volumes/{}",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) {
                return inspect_volume(exchange, match, services.engine.volumes());
              }});
  router.add({.method = "DELETE",
              .pattern = "/volumes/{}",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) {
                return remove_volume(exchange, match, services.engine.volumes());
              }});
  router.add({.method = "PUT",
              .pattern = "/volumes/{}",
              .handler = [](const ExchangePtr&, const Match&) -> Status {
                return fail(Code::kUnavailable, kNoSwarmUpdate);
              },
              .quick = true});
}

}  // namespace dhow::api::docker
