// SPDX-License-Identifier: Apache-2.0
#include "api/docker/event_json.h"

#include "oci/json.h"

namespace dhow::api::docker {

EventFormat event_format(const Exchange& exchange) {
  if (exchange.version() < ApiVersion{52}) return {"application/json", {}, true};
  std::string_view accepted = exchange.head().header("Accept");
  if (accepted.find("application/json-seq") != std::string_view::npos) {
    return {"application/json-seq", "\x1e", false};
  }
  if (accepted.find("application/x-ndjson") != std::string_view::npos) {
    return {"application/x-ndjson", {}, false};
  }
  if (accepted.find("application/jsonl") != std::string_view::npos) {
    return {"application/jsonl", {}, false};
  }
  return {"application/json", {}, false};
}

std::string event_json(const engine::Event& event, bool legacy) {
  oci::JsonWriter json;
  json.begin_object();
  bool of_container = event.type == "container";
  if (legacy && (of_container || event.type == "image")) {
    json.member("status", event.action);
    if (!event.actor.empty()) json.member("id", event.actor);
    auto image = event.attributes.find("image");
    if (of_container && image != event.attributes.end()) json.member("from", image->second);
  }
  json.member("Type", event.type).member("Action", event.action);
  json.key("Actor").begin_object().member("ID", event.actor);
  json.key("Attributes").begin_object();
  for (const auto& [name, value] : event.attributes) json.member(name, value);
  json.end_object().end_object();
  json.member("scope", "local").member_number("time", event.time / 1'000'000'000);
  json.member_number("timeNano", event.time).end_object();
  return json.text();
}

}  // namespace dhow::api::docker
