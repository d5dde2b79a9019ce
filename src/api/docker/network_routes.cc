// SPDX-License-Identifier: Apache-2.0
// Networks.
#include "api/docker/container_json.h"
#include "api/docker/door.h"
#include "api/docker/request_params.h"
#include "base/strings.h"
#include "engine/container_config_json.h"
#include "oci/json.h"
#include "oci/json_reader.h"

namespace dhow::network {

// The body of POST /networks/create.
void decode(const oci::JsonReader& in, NewSubnet& out) {
  oci::optional_member(in, "Subnet", out.subnet);
  oci::optional_member(in, "IPRange", out.range);
  oci::optional_member(in, "Gateway", out.gateway);
  oci::optional_member(in, "AuxiliaryAddresses", out.auxiliary);
}

void decode(const oci::JsonReader& in, NewNetwork& out) {
  oci::optional_member(in, "Name", out.name);
  oci::optional_member(in, "Driver", out.driver);
  oci::optional_member(in, "Scope", out.scope);
  oci::optional_member(in, "Internal", out.internal);
  oci::optional_member(in, "Attachable", out.attachable);
  oci::optional_member(in, "Ingress", out.ingress);
  oci::optional_member(in, "ConfigOnly", out.config_only);
  oci::optional_member(in.member("ConfigFrom"), "Network", out.config_from);
  oci::optional_member(in, "EnableIPv4", out.ipv4);
  oci::optional_member(in, "EnableIPv6", out.ipv6);
  oci::JsonReader ipam = in.member("IPAM");
  oci::optional_member(ipam, "Driver", out.ipam_driver);
  oci::optional_member(ipam, "Config", out.subnets);
  oci::optional_member(ipam, "Options", out.ipam_options);
  oci::optional_member(in, "Options", out.options);
  oci::optional_member(in, "Labels", out.labels);
}

}  // namespace dhow::network

namespace dhow::api::docker {
namespace {

using engine::NetworkDetails;
using network::NetworkRecord;
using oci::JsonWriter;

void write_text_map(JsonWriter& json, std::string_view name, const network::TextMap& map) {
  json.key(name).begin_object();
  for (const auto& [key, value] : map) json.member(key, value);
  json.end_object();
}

template <typename Net>
void write_addressing(JsonWriter& json, const std::optional<network::Addressing<Net>>& addressing,
                      network::GatewayMode mode) {
  if (!addressing) return;
  json.begin_object().member("Subnet", addressing->subnet.text());
  if (addressing->range) json.member("IPRange", addressing->range->text());
  // Nobody has it.
  bool is_isolated = mode == network::GatewayMode::kIsolated;
  if (!is_isolated) json.member("Gateway", addressing->gateway.text());
  if (!addressing->auxiliary.empty()) {
    json.key("AuxiliaryAddresses").begin_object();
    for (const auto& [name, address] : addressing->auxiliary) json.member(name, address.text());
    json.end_object();
  }
  json.end_object();
}

void write_settings(JsonWriter& json, const network::NetworkSettings& settings) {
  json.begin_array();
  for (const network::NewSubnet& subnet : settings.subnets) {
    json.begin_object().member("Subnet", subnet.subnet);
    if (!subnet.range.empty()) json.member("IPRange", subnet.range);
    if (!subnet.gateway.empty()) json.member("Gateway", subnet.gateway);
    if (!subnet.auxiliary.empty()) write_text_map(json, "AuxiliaryAddresses", subnet.auxiliary);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_ipam(JsonWriter& json, const NetworkRecord& record) {
  json.key("IPAM").begin_object().member("Driver", "default");
  if (record.ipam_options.empty()) {
    json.key("Options").null();
  } else {
    write_text_map(json, "Options", record.ipam_options);
  }
  json.key("Config");
  if (record.settings) return write_settings(json, *record.settings);
  if (!record.has_addresses()) {
    json.null().end_object();
    return;
  }
  json.begin_array();
  write_addressing(json, record.v4, record.gateway_mode(false));
  write_addressing(json, record.v6, record.gateway_mode(true));
  json.end_array().end_object();
}

template <typename Address>
std::string with_bits(const Address& address, int bits) {
  return address.is_any() ? std::string() : cat(address.text(), "/", bits);
}

// What is said of the containers in it.
enum class ShownContainers { kNone, kEmpty, kAll };

void write_containers(JsonWriter& json, const NetworkDetails& network) {
  const NetworkRecord& record = network.record;
  for (const network::Endpoint& endpoint : network.endpoints) {
    json.key(endpoint.container).begin_object().member("Name", endpoint.name);
    json.member("EndpointID", endpoint.id).member("MacAddress", endpoint.mac);
    if (endpoint.cni) {
      json.member("IPv4Address", endpoint.cni->address);
      json.member("IPv6Address", endpoint.cni->address6).end_object();
      continue;
    }
    json.member("IPv4Address", with_bits(endpoint.address, record.v4 ? record.v4->subnet.bits : 0));
    json.member("IPv6Address",
                with_bits(endpoint.address6, record.v6 ? record.v6->subnet.bits : 0));
    json.end_object();
  }
}

void write_network(JsonWriter& json, const NetworkDetails& network, ShownContainers containers) {
  const NetworkRecord& record = network.record;
  json.begin_object().member("Name", record.name).member("Id", record.id);
  json.member("Created", record.created == 0 ? std::string("1970-01-01T00:00:00Z")
                                             : time_text(record.created));
  json.member("Scope", "local").member("Driver", record.driver);
  bool has_four = record.settings ? record.settings->v4 : record.v4 || !record.has_addresses();
  json.member_boolean("EnableIPv4", has_four);
  json.member_boolean("EnableIPv6", record.settings ? record.settings->v6 : record.v6.has_value());
  write_ipam(json, record);
  json.member_boolean("Internal", record.internal);
  json.member_boolean("Attachable", record.attachable).member_boolean("Ingress", false);
  json.key("ConfigFrom").begin_object().member("Network", record.config_from).end_object();
  json.member_boolean("ConfigOnly", record.is_config_only());
  if (containers != ShownContainers::kNone) {
    json.key("Containers").begin_object();
    if (containers == ShownContainers::kAll) write_containers(json, network);
    json.end_object();
  }
  write_text_map(json, "Options", record.options);
  write_text_map(json, "Labels", record.labels);
  json.end_object();
}

Status list_networks(const Services& services, const ExchangePtr& exchange) {
  TRY_ASSIGN(engine::Filters filters,
             parse_filters(exchange->query().get("filters"),
                           {"dangling", "driver", "id", "label", "name", "scope", "type"}));
  TRY_ASSIGN(std::vector<NetworkDetails> networks, services.engine.networks().list(filters));
  ShownContainers shown = before(*exchange, 28)   ? ShownContainers::kAll
                          : before(*exchange, 52) ? ShownContainers::kEmpty
                                                  : ShownContainers::kNone;
  JsonWriter json;
  json.begin_array();
  for (const NetworkDetails& network : networks) write_network(json, network, shown);
  json.end_array();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status inspect_network(const Services& services, const ExchangePtr& exchange, const Match& match) {
  TRY_ASSIGN(NetworkDetails network, services.engine.networks().inspect(match[0]));
  std::string_view scope = exchange->query().get("scope");
  if (!scope.empty() && scope != "local") {
    return fail(Code::kNotFound, cat("network ", match[0], " not found"));
  }
  JsonWriter json;
  write_network(json, network, ShownContainers::kAll);
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status create_network(const Services& services, const ExchangePtr& exchange) {
  TRY(check_json(*exchange));
  TRY_ASSIGN(auto wanted, oci::parse_as<network::NewNetwork>(exchange->body()));
  // Networks without IPv4 are of 1.47.
  if (before(*exchange, 47)) wanted.ipv4.reset();
  TRY_ASSIGN(NetworkRecord made, services.engine.networks().create(wanted));
  JsonWriter json;
  json.begin_object().member("Id", made.id).member("Warning", "").end_object();
  exchange->respond(Response::json(json.text() + "\n", 201));
  return {};
}

Status prune_networks(const Services& services, const ExchangePtr& exchange) {
  TRY_ASSIGN(engine::Filters filters,
             parse_filters(exchange->query().get("filters"), {"label", "label!", "until"}));
  TRY_ASSIGN(std::vector<std::string> removed, services.engine.networks().prune(filters));
  JsonWriter json;
  json.begin_object().key("NetworksDeleted");
  if (removed.empty()) {
    json.null();
  } else {
    json.begin_array();
    for (const std::string& name : removed) json.string(name);
    json.end_array();
  }
  json.end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status connect_network(const Services& services, const ExchangePtr& exchange, const Match& match,
                       bool connect) {
  TRY(check_json(*exchange));
  TRY_ASSIGN(engine::ConnectConfig wanted, engine::parse_connect_config(exchange->body()));
  engine::Containers& containers = services.engine.containers();
  if (connect) {
    TRY(containers.connect(wanted.container, match[0], wanted.endpoint));
  } else {
    TRY(containers.disconnect(wanted.container, match[0], wanted.force));
  }
  exchange->respond(Response::empty(200));
  return {};
}

}  // namespace

void add_network_routes(Router& router, const Services& services) {
  auto add = [&](const char* method, const char* pattern, auto handler) {
    router.add({.method = method, .pattern = pattern, .handler = std::move(handler)});
  };
  add("GET", "/networks", [&services](const ExchangePtr& exchange, const Match&) {
    return list_networks(services, exchange);
  });
  add("GET", "/networks/{}", [&services](const ExchangePtr& exchange, const Match& match) {
    return inspect_network(services, exchange, match);
  });
  add("POST", "/networks/create", [&services](const ExchangePtr& exchange, const Match&) {
    return create_network(services, exchange);
  });
  add("POST", "/networks/prune", [&services](const ExchangePtr& exchange, const Match&) {
    return prune_networks(services, exchange);
  });
  add("DELETE", "/networks/{}",
      [&services](const ExchangePtr& exchange, const Match& match) -> Status {
        TRY(services.engine.networks().remove(match[0]));
        exchange->respond(Response::empty(204));
        return {};
      });
  for (bool connect : {true, false}) {
    add("POST", connect ? "/networks/{}/connect" : "/networks/{}/disconnect",
        [&services, connect](const ExchangePtr& exchange, const Match& match) {
          return connect_network(services, exchange, match, connect);
        });
  }
}

}  // namespace dhow::api::docker
