// SPDX-License-Identifier: Apache-2.0
#include "oci/config_codec.h"

#include "oci/config_decode.h"

namespace dhow::oci {

// The decoders of this file alone; not in an unnamed namespace, where the templates of
// json_reader.h could not find them.
void decode(const JsonReader& in, Root& out);
void decode(const JsonReader& in, Hook& out);
void decode(const JsonReader& in, Hooks& out);

void decode(const JsonReader& in, Root& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "path", out.path);
  optional_member(in, "readonly", out.readonly);
}

void decode(const JsonReader& in, IdMapping& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "containerID", out.container_id);
  required_member(in, "hostID", out.host_id);
  required_member(in, "size", out.size);
}

void decode(const JsonReader& in, Mount& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "destination", out.destination);
  optional_member(in, "type", out.type);
  optional_member(in, "source", out.source);
  optional_member(in, "options", out.options);
  optional_member(in, "uidMappings", out.uid_mappings);
  optional_member(in, "gidMappings", out.gid_mappings);
}

void decode(const JsonReader& in, Hook& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "path", out.path);
  optional_member(in, "args", out.args);
  optional_member(in, "env", out.env);
  optional_member(in, "timeout", out.timeout);
}

void decode(const JsonReader& in, Hooks& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "prestart", out.prestart);
  optional_member(in, "createRuntime", out.create_runtime);
  optional_member(in, "createContainer", out.create_container);
  optional_member(in, "startContainer", out.start_container);
  optional_member(in, "poststart", out.poststart);
  optional_member(in, "poststop", out.poststop);
}

void decode(const JsonReader& in, Config& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "ociVersion", out.oci_version);
  optional_member(in, "root", out.root);
  optional_member(in, "process", out.process);
  optional_member(in, "hostname", out.hostname);
  optional_member(in, "domainname", out.domainname);
  optional_member(in, "mounts", out.mounts);
  optional_member(in, "hooks", out.hooks);
  optional_member(in, "annotations", out.annotations);
  optional_member(in, "linux", out.linux);
}

Result<Config> parse_config(std::string_view json) { return parse_as<Config>(json); }

Result<Process> parse_process(std::string_view json) { return parse_as<Process>(json); }

Result<Resources> parse_resources(std::string_view json) { return parse_as<Resources>(json); }

namespace {

// An array of mounts, or one mount alone.
struct MountList {
  std::vector<Mount> mounts;
};

void decode(const JsonReader& in, MountList& out) {
  if (in.value().kind() == JsonKind::kObject) return decode(in, out.mounts.emplace_back());
  decode(in, out.mounts);
}

}  // namespace

Result<std::vector<Mount>> parse_mounts(std::string_view json) {
  TRY_ASSIGN(MountList list, parse_as<MountList>(json));
  return std::move(list.mounts);
}

}  // namespace dhow::oci
