// SPDX-License-Identifier: Apache-2.0
#include "oci/state.h"

#include "oci/json.h"

namespace dhow::oci {
namespace {

void write_state(JsonWriter& json, const State& state) {
  json.begin_object();
  json.member("ociVersion", kOciVersion);
  json.member("id", state.id);
  json.member("status", state.status);
  if (state.pid != 0) json.member_number("pid", state.pid);
  json.member("bundle", state.bundle);
  if (!state.annotations.empty()) {
    json.key("annotations").begin_object();
    for (const auto& [name, value] : state.annotations) json.member(name, value);
    json.end_object();
  }
  json.end_object();
}

}  // namespace

std::string state_json(const State& state) {
  JsonWriter json;
  write_state(json, state);
  return json.text();
}

std::string seccomp_state_json(const State& state, pid_t pid, std::string_view metadata) {
  JsonWriter json;
  json.begin_object();
  json.member("ociVersion", kOciVersion);
  json.key("fds").begin_array().string("seccompFd").end_array();
  json.member_number("pid", pid);
  if (!metadata.empty()) json.member("metadata", metadata);
  json.key("state");
  write_state(json, state);
  json.end_object();
  return json.text();
}

}  // namespace dhow::oci
