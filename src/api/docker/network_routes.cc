// SPDX-License-Identifier: Apache-2.0
// Networks, as far as they are there: the two networks that are none of their own.
#include "api/docker/door.h"
#include "api/docker/request_params.h"
#include "base/hasher.h"
#include "base/strings.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

struct BuiltinNetwork {
  const char* name;
  const char* driver;
};
constexpr BuiltinNetwork kNetworks[] = {{"host", "host"}, {"none", "null"}};

constexpr const char* kNoNetworks =
    "networks of your own are not supported yet: there are \"host\" and \"none\"";

// The same on each machine, as nobody makes them.
std::string network_id(const BuiltinNetwork& network) {
  return std::string(digest_of(cat("dhow network ", network.name)).hex());
}

void write_network(JsonWriter& json, const BuiltinNetwork& network, bool with_containers) {
  json.begin_object().member("Name", network.name).member("Id", network_id(network));
  json.member("Created", "1970-01-01T00:00:00Z").member("Scope", "local");
  json.member("Driver", network.driver);
  json.member_boolean("EnableIPv4", true).member_boolean("EnableIPv6", false);
  json.key("IPAM").begin_object().member("Driver", "default").key("Options").null();
  json.key("Config").null().end_object();
  for (const char* name : {"Internal", "Attachable", "Ingress"}) json.member_boolean(name, false);
  json.key("ConfigFrom").begin_object().member("Network", "").end_object();
  json.member_boolean("ConfigOnly", false);
  if (with_containers) json.key("Containers").begin_object().end_object();
  json.key("Options").begin_object().end_object();
  json.key("Labels").begin_object().end_object().end_object();
}

bool wanted(const BuiltinNetwork& network, const engine::Filters& filters) {
  for (const auto& [key, values] : filters) {
    bool any = values.empty();
    for (const std::string& value : values) {
      bool holds = false;
      if (key == "name") holds = std::string_view(network.name).find(value) != std::string::npos;
      if (key == "driver") holds = value == network.driver;
      if (key == "id") holds = network_id(network).starts_with(value);
      if (key == "scope") holds = value == "local";
      if (key == "type") holds = value == "builtin";
      if (key == "dangling") holds = value == "false" || value == "0";
      any = any || holds;
    }
    if (!any) return false;
  }
  return true;
}

Status list_networks(const ExchangePtr& exchange) {
  TRY_ASSIGN(engine::Filters filters,
             parse_filters(exchange->query().get("filters"),
                           {"dangling", "driver", "id", "label", "name", "scope", "type"}));
  JsonWriter json;
  json.begin_array();
  for (const BuiltinNetwork& network : kNetworks) {
    if (wanted(network, filters)) write_network(json, network, before(*exchange, 28));
  }
  json.end_array();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status inspect_network(const ExchangePtr& exchange, const Match& match) {
  for (const BuiltinNetwork& network : kNetworks) {
    if (match[0] != network.name && !network_id(network).starts_with(match[0])) continue;
    JsonWriter json;
    write_network(json, network, true);
    exchange->respond(Response::json(json.text() + "\n"));
    return {};
  }
  return fail(Code::kNotFound, cat("network ", match[0], " not found"));
}

void refuse_networks(Router& router, const char* method, const char* pattern, const char* message) {
  router.add({.method = method,
              .pattern = pattern,
              .handler = [message](const ExchangePtr&, const Match&) -> Status {
                return fail(Code::kUnimplemented, message);
              },
              .quick = true});
}

void answer_always(Router& router, const char* method, const char* pattern, const char* json) {
  router.add({.method = method,
              .pattern = pattern,
              .handler = [json](const ExchangePtr& exchange, const Match&) -> Status {
                exchange->respond(Response::json(json));
                return {};
              },
              .quick = true});
}

}  // namespace

void add_network_routes(Router& router, const Services&) {
  router.add(
      {.method = "GET",
       .pattern = "/networks",
       .handler = [](const ExchangePtr& exchange, const Match&) { return list_networks(exchange); },
       .quick = true});
  router.add({.method = "GET",
              .pattern = "/networks/{}",
              .handler = [](const ExchangePtr& exchange,
                            const Match& match) { return inspect_network(exchange, match); },
              .quick = true});
  answer_always(router, "POST", "/networks/prune", "{\"NetworksDeleted\":null}\n");
  refuse_networks(router, "POST", "/networks/create", kNoNetworks);
  refuse_networks(router, "POST", "/networks/{}/connect", kNoNetworks);
  refuse_networks(router, "POST", "/networks/{}/disconnect", kNoNetworks);
  router.add({.method = "DELETE",
              .pattern = "/networks/{}",
              .handler = [](const ExchangePtr&, const Match& match) -> Status {
                for (const BuiltinNetwork& network : kNetworks) {
                  if (match[0] != network.name) continue;
                  return fail(Code::kPermissionDenied,
                              cat(match[0], " is a pre-defined network and cannot be removed"));
                }
                return fail(Code::kNotFound, cat("network ", match[0], " not found"));
              },
              .quick = true});
}

}  // namespace dhow::api::docker
