// SPDX-License-Identifier: Apache-2.0
// Containers: whatever is one call of the engine.
#include "api/docker/container_json.h"
#include "api/docker/door.h"
#include "api/docker/request_params.h"
#include "base/strings.h"
#include "engine/container_config_json.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

// Bytes: some forty containers.
constexpr std::size_t kPartOfList = std::size_t{32} << 10;

Status answer_empty(const ExchangePtr& exchange, bool unchanged = false) {
  exchange->respond(Response::empty(unchanged ? 304 : 204));
  return {};
}

Status list_containers(const ExchangePtr& exchange, const Match&, const Services& services) {
  engine::ListOptions options;
  const Query& query = exchange->query();
  options.all = query.flag("all");
  options.size = query.flag("size");
  if (std::string_view text = query.get("limit"); !text.empty()) {
    auto limit = parse_number<int>(text);
    if (!limit) return fail(Code::kInvalidArgument, cat("invalid limit ", quoted(text)));
    options.limit = *limit;
  }
  TRY_ASSIGN(options.filters, parse_filters(query.get("filters"),
                                            {"ancestor", "before", "expose", "exited", "health",
                                             "id", "is-task", "isolation", "label", "name",
                                             "network", "publish", "since", "status", "volume"}));
  JsonWriter json;
  json.begin_array();
  // The client reads one part of a long list while the next is made.
  auto listed = services.engine.containers().for_each(
      options, [&](const engine::ContainerSummary& container) -> Status {
        write_container_summary(json, container, exchange->version());
        if (json.text().size() < kPartOfList) return {};
        if (!exchange->begun()) exchange->begin(Response::json({}));
        return exchange->write(json.take_text());
      });
  if (!listed && exchange->begun()) {
    exchange->abort();
    return {};
  }
  TRY(std::move(listed));
  json.end_array();
  std::string rest = json.take_text() + "\n";
  if (exchange->begun()) {
    exchange->end(rest);
  } else {
    exchange->respond(Response::json(std::move(rest)));
  }
  return {};
}

// What older versions of the API knew nothing of, or forbade.
Status shape_request(const Exchange& exchange, engine::CreateConfig& config) {
  if (before(exchange, 42)) config.host.console_size.reset();
  if (before(exchange, 44) && config.networking.endpoints.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [name, endpoint] : config.networking.endpoints) names.push_back(name);
    return fail(
        Code::kInvalidArgument,
        cat("Container cannot be created with multiple network endpoints: ", join(names, ", ")));
  }
  return {};
}

Status create_container(const ExchangePtr& exchange, const Match&, const Services& services) {
  TRY(check_json(*exchange));
  if (exchange->body().empty()) {
    return fail(Code::kInvalidArgument, "invalid JSON: got EOF while reading request body");
  }
  engine::CreateRequest request;
  request.name = exchange->query().get("name");
  TRY_ASSIGN(request.platform, parse_platform_text(exchange->query().get("platform")));
  TRY_ASSIGN(request.config, engine::parse_create_config(exchange->body()));
  TRY(shape_request(*exchange, request.config));
  auto created = services.engine.containers().create(request);
  if (!created && created.error().code() == Code::kNotFound &&
      services.images.find_or_load(request.config.config.image)) {
    // An image that comes with dhow.
    created = services.engine.containers().create(request);
  }
  if (!created) return std::unexpected(std::move(created).error());
  JsonWriter json;
  json.begin_object().member("Id", created->id).key("Warnings").begin_array();
  for (const std::string& warning : created->warnings) json.string(warning);
  json.end_array().end_object();
  exchange->respond(Response::json(json.text() + "\n", 201));
  return {};
}

Status inspect_container(const ExchangePtr& exchange, const Match& match,
                         const Services& services) {
  TRY_ASSIGN(engine::Inspection container,
             services.engine.containers().inspect(match[0], exchange->query().flag("size")));
  exchange->respond(Response::json(container_inspect_json(container, exchange->version())));
  return {};
}

Status start_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  if (exchange->body().size() > 7) {
    return fail(Code::kInvalidArgument,
                "starting container with non-empty request body was deprecated since API v1.22 "
                "and removed in v1.24");
  }
  if (!exchange->query().get("checkpoint").empty()) {
    return fail(Code::kUnimplemented, "starting from a checkpoint is not supported yet");
  }
  TRY_ASSIGN(bool already, services.engine.containers().start(match[0]));
  return answer_empty(exchange, already);
}

Result<engine::StopOptions> stop_options(const Exchange& exchange) {
  engine::StopOptions options;
  if (!before(exchange, 42)) options.signal = exchange.query().get("signal");
  if (std::string_view text = exchange.query().get("t"); !text.empty()) {
    auto seconds = parse_number<std::int64_t>(text);
    if (!seconds) return fail(Code::kInvalidArgument, cat("invalid timeout ", quoted(text)));
    options.timeout = *seconds;
  }
  return options;
}

Status stop_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(engine::StopOptions options, stop_options(*exchange));
  TRY_ASSIGN(bool already, services.engine.containers().stop(match[0], options));
  return answer_empty(exchange, already);
}

Status restart_container(const ExchangePtr& exchange, const Match& match,
                         const Services& services) {
  TRY_ASSIGN(engine::StopOptions options, stop_options(*exchange));
  TRY(services.engine.containers().restart(match[0], options));
  return answer_empty(exchange);
}

Status kill_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY(services.engine.containers().kill(match[0], exchange->query().get("signal")));
  return answer_empty(exchange);
}

Status pause_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY(services.engine.containers().pause(match[0]));
  return answer_empty(exchange);
}

Status unpause_container(const ExchangePtr& exchange, const Match& match,
                         const Services& services) {
  TRY(services.engine.containers().unpause(match[0]));
  return answer_empty(exchange);
}

Status rename_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY(services.engine.containers().rename(match[0], exchange->query().get("name")));
  return answer_empty(exchange);
}

Status update_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY(check_json(*exchange));
  TRY_ASSIGN(engine::HostConfig changes, engine::parse_update_config(exchange->body()));
  TRY_ASSIGN(std::vector<std::string> warnings,
             services.engine.containers().update(match[0], changes));
  JsonWriter json;
  json.begin_object().key("Warnings");
  if (warnings.empty()) {
    json.null();
  } else {
    json.begin_array();
    for (const std::string& warning : warnings) json.string(warning);
    json.end_array();
  }
  json.end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status remove_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  engine::RemoveOptions options;
  options.force = exchange->query().flag("force");
  options.volumes = exchange->query().flag("v");
  if (exchange->query().flag("link")) {
    TRY(services.engine.containers().remove_link(match[0]));
    return answer_empty(exchange);
  }
  TRY(services.engine.containers().remove(match[0], options));
  return answer_empty(exchange);
}

Status prune_containers(const ExchangePtr& exchange, const Match&, const Services& services) {
  TRY_ASSIGN(engine::Filters filters,
             parse_filters(exchange->query().get("filters"), {"label", "label!", "until"}));
  TRY_ASSIGN(engine::PruneAnswer pruned, services.engine.containers().prune(filters));
  JsonWriter json;
  json.begin_object().key("ContainersDeleted");
  if (pruned.removed.empty()) {
    json.null();
  } else {
    json.begin_array();
    for (const std::string& id : pruned.removed) json.string(id);
    json.end_array();
  }
  json.member_number("SpaceReclaimed", pruned.reclaimed).end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status top_of_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(engine::TopAnswer processes,
             services.engine.containers().top(match[0], exchange->query().get("ps_args")));
  JsonWriter json;
  json.begin_object().key("Processes").begin_array();
  for (const auto& process : processes.processes) {
    json.begin_array();
    for (const std::string& cell : process) json.string(cell);
    json.end_array();
  }
  json.end_array().key("Titles").begin_array();
  for (const std::string& title : processes.titles) json.string(title);
  json.end_array().end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status resize_container(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto size, terminal_size(exchange->query()));
  TRY(services.engine.containers().resize(match[0], size.first, size.second));
  exchange->respond(Response::empty(200));
  return {};
}

}  // namespace

void add_container_routes(Router& router, const Services& services) {
  using Use = Status (*)(const ExchangePtr&, const Match&, const Services&);
  for (auto [method, pattern, use] :
       {std::tuple<const char*, const char*, Use>{"GET", "/containers/json", list_containers},
        {"POST", "/containers/create", create_container},
        {"POST", "/containers/prune", prune_containers},
        {"GET", "/containers/{}/json", inspect_container},
        {"GET", "/containers/{}/top", top_of_container},
        {"POST", "/containers/{}/start", start_container},
        {"POST", "/containers/{}/stop", stop_container},
        {"POST", "/containers/{}/restart", restart_container},
        {"POST", "/containers/{}/kill", kill_container},
        {"POST", "/containers/{}/pause", pause_container},
        {"POST", "/containers/{}/unpause", unpause_container},
        {"POST", "/containers/{}/rename", rename_container},
        {"POST", "/containers/{}/update", update_container},
        {"POST", "/containers/{}/resize", resize_container},
        {"DELETE", "/containers/{*}", remove_container}}) {
    router.add({.method = method,
                .pattern = pattern,
                .handler = [use, &services](const ExchangePtr& exchange, const Match& match) {
                  return use(exchange, match, services);
                }});
  }
}

}  // namespace dhow::api::docker
