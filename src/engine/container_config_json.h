// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/container_config.h"

namespace dhow::oci {
class JsonReader;
class JsonWriter;
}  // namespace dhow::oci

// JSON in and out of the types of container_config.h, by the names of docker's API: requests, what
// the database keeps, and the parts of `inspect` are the same text. As docker reads it: unknown
// fields are ignored, null is an absent field, Cmd and Entrypoint may be one text. A field of the
// wrong type is kInvalidArgument with its JSON path: `$.HostConfig.Memory: …`.
namespace dhow::engine {

// A create request: the members of Config, "HostConfig" and "NetworkingConfig" in one object.
Result<CreateConfig> parse_create_config(std::string_view json);
Result<ContainerConfig> parse_container_config(std::string_view json);
Result<HostConfig> parse_host_config(std::string_view json);
// The body of POST /containers/{id}/update: resources and RestartPolicy, in a HostConfig of which
// nothing else is set.
Result<HostConfig> parse_update_config(std::string_view json);
Result<ConnectConfig> parse_connect_config(std::string_view json);
Result<ExecConfig> parse_exec_config(std::string_view json);

// What parse_create_config reads.
std::string create_config_json(const CreateConfig& config);
std::string exec_config_json(const ExecConfig& config);

// The value alone, as `inspect` has it: every member that docker always writes, and of the others
// those that are set.
void write_json(oci::JsonWriter& out, const ContainerConfig& config);
void write_json(oci::JsonWriter& out, const HostConfig& config);
void write_json(oci::JsonWriter& out, const EndpointConfig& config);
void write_json(oci::JsonWriter& out, const MountConfig& config);

}  // namespace dhow::engine
