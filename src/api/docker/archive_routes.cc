// SPDX-License-Identifier: Apache-2.0
// Files of containers: cp, export, diff, commit.
#include "api/docker/door.h"
#include "api/docker/image_query.h"
#include "api/docker/lazy_sink.h"
#include "api/docker/request_params.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "engine/container_config_json.h"
#include "oci/base64.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

constexpr const char* kStatHeader = "X-Docker-Container-Path-Stat";

std::string stat_header(const engine::PathStat& stat) {
  JsonWriter json;
  json.begin_object().member("name", stat.name).member_number("size", stat.size);
  // The beginning of 1970 is a time like any other: images that are built alike have it.
  json.member_number("mode", stat.mode).member("mtime", rfc3339_nano(stat.modified));
  json.member("linkTarget", stat.link_target).end_object();
  return oci::base64_encode(json.text());
}

Result<std::string> wanted_path(const Exchange& exchange) {
  std::string path(exchange.query().get("path"));
  if (path.empty()) return fail(Code::kInvalidArgument, "bad parameter: 'path' cannot be empty");
  return path;
}

Status stat_path(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(std::string path, wanted_path(*exchange));
  TRY_ASSIGN(engine::PathStat stat, services.engine.containers().stat_path(match[0], path));
  Response answer = Response::empty(200);
  answer.headers = {{kStatHeader, stat_header(stat)}};
  exchange->respond(std::move(answer));
  return {};
}

Status get_archive(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(std::string path, wanted_path(*exchange));
  LazySink sink(*exchange, {200, "application/x-tar", {}, {}});
  TRY(services.engine.containers().get_archive(
      match[0], path, sink, [&](const engine::PathStat& stat) {
        sink.head().headers = {{kStatHeader, stat_header(stat)}};
      }));
  return sink.finish();
}

Status put_archive(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(std::string path, wanted_path(*exchange));
  engine::ArchivePutOptions options;
  options.no_overwrite_dir_non_dir = exchange->query().flag("noOverwriteDirNonDir");
  options.copy_uid_gid = exchange->query().flag("copyUIDGID");
  auto put =
      services.engine.containers().put_archive(match[0], path, exchange->body_stream(), options);
  if (!put && put.error().code() == Code::kDataLoss) {
    return fail(Code::kInvalidArgument, put.error().message());  // the client's own
  }
  TRY(put);
  exchange->respond(Response::empty(200));
  return {};
}

Status export_root(const ExchangePtr& exchange, const Match& match, const Services& services) {
  LazySink sink(*exchange, {200, "application/x-tar", {}, {}});
  TRY(services.engine.containers().export_root(match[0], sink));
  return sink.finish();
}

Status answer_changes(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto changes, services.engine.containers().changes(match[0]));
  JsonWriter json;
  if (changes.empty()) {
    json.null();
  } else {
    json.begin_array();
    for (const engine::Change& change : changes) {
      json.begin_object().member_number("Kind", static_cast<int>(change.kind));
      json.member("Path", change.path).end_object();
    }
    json.end_array();
  }
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status commit_container(const ExchangePtr& exchange, const Match&, const Services& services) {
  const Query& query = exchange->query();
  engine::CommitOptions options;
  if (std::string_view name = query.get("repo"); !name.empty()) {
    options.reference = joined_name(name, query.get("tag"));
  }
  options.author = query.get("author");
  options.comment = query.get("comment");
  options.pause = query.flag("pause", true);
  options.changes = query.all("changes");
  if (std::string_view body = trim(exchange->body()); !body.empty() && body != "null") {
    TRY(check_json(*exchange));
    TRY_ASSIGN(options.config, engine::parse_container_config(body));
  }
  TRY_ASSIGN(std::string id, services.engine.containers().commit(query.get("container"), options));
  JsonWriter json;
  json.begin_object().member("Id", id).end_object();
  exchange->respond(Response::json(json.text() + "\n", 201));
  return {};
}

}  // namespace

void add_archive_routes(Router& router, const Services& services) {
  using Use = Status (*)(const ExchangePtr&, const Match&, const Services&);
  for (auto [method, pattern, use] :
       {std::tuple<const char*, const char*, Use>{"HEAD", "/containers/{}/archive", stat_path},
        {"GET", "/containers/{}/archive", get_archive},
        {"PUT", "/containers/{}/archive", put_archive},
        {"GET", "/containers/{}/export", export_root},
        {"GET", "/containers/{}/changes", answer_changes},
        {"POST", "/commit", commit_container}}) {
    router.add(
        {.method = method,
         .pattern = pattern,
         .handler = [use, &services](const ExchangePtr& exchange,
                                     const Match& match) { return use(exchange, match, services); },
         .streams_body = std::string_view(method) == "PUT"});
  }
}

}  // namespace dhow::api::docker
