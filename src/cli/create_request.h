// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/config_file.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "oci/json.h"

namespace dhow::cli {

// What `run` and `create` ask of POST /containers/create.
struct CreateRequest {
  std::string body;
  std::string name;
  std::string platform;
  std::string image;
  bool terminal = false;
  bool input = false;  // the streams to attach
  bool output = false;
  bool errors = false;
};

// From the arguments of run or create, whose positionals are the image and the command. Reads the
// files that flags name. `detached`: nothing is attached unless asked for. kInvalidArgument in
// docker's words.
Result<CreateRequest> make_create_request(const Arguments& arguments, const ConfigFile& config,
                                          bool detached);

// The parts, each of which writes members of an object.

// NAME=VALUE of --env-file and --env; a NAME alone is handed on from our environment.
Result<std::vector<std::string>> read_environment(const Arguments& arguments);
// Lines of a file for --env-file or --label-file, without comments and empty lines.
Result<std::vector<std::string>> read_settings_file(std::string_view path, bool hand_on);
// Limits of CPU, memory, I/O and processes, of HostConfig and of update's body.
Status write_resources(const Arguments& arguments, oci::JsonWriter& json);
// "on-failure:3" as RestartPolicy.
Status write_restart_policy(std::string_view policy, oci::JsonWriter& json);
// Config's ExposedPorts and HostConfig's PortBindings.
struct PortRequests {
  std::vector<std::string> exposed;  // "80/tcp"
  struct Binding {
    std::string port;
    std::string host_ip;
    std::string host_port;
  };
  std::vector<Binding> bindings;
};
Result<PortRequests> read_ports(const Arguments& arguments);
// One -p or --expose.
Status parse_publish(std::string_view text, PortRequests& ports);
Status parse_expose(std::string_view text, PortRequests& ports);
// HostConfig's members on networks, and NetworkingConfig.
struct NetworkRequest {
  std::string mode;
  std::string endpoints;  // JSON of EndpointsConfig
};
Result<NetworkRequest> read_networks(const Arguments& arguments);
// HostConfig's Binds, Mounts, Tmpfs, VolumesFrom; volumes without a source are Config's.
Status write_mounts(const Arguments& arguments, oci::JsonWriter& json);
std::vector<std::string> anonymous_volumes(const Arguments& arguments);
// One --mount as a Mount.
Status write_mount(std::string_view text, oci::JsonWriter& json);
// Capabilities, devices, namespaces, security options.
Status write_isolation(const Arguments& arguments, oci::JsonWriter& json);

struct Ulimit {
  std::string_view name;
  std::int64_t soft = 0;
  std::int64_t hard = 0;
};
// "nofile=1024:2048"
Result<Ulimit> parse_ulimit(std::string_view text);
// The request of --gpus, as an item of DeviceRequests.
Status write_gpus(std::string_view text, oci::JsonWriter& json);

// Fields of a CSV line (RFC 4180), for --mount, --gpus and --network.
Result<std::vector<std::string>> split_csv(std::string_view text);
void write_strings(oci::JsonWriter& json, std::string_view name,
                   const std::vector<std::string_view>& items);
// A map of KEY=VALUE texts; nothing when there are none. A text without "=" has the value "".
void write_map(oci::JsonWriter& json, std::string_view name,
               const std::vector<std::string_view>& items);

}  // namespace dhow::cli
