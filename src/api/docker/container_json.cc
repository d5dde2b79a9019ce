// SPDX-License-Identifier: Apache-2.0
#include "api/docker/container_json.h"

#include <algorithm>
#include <map>

#include "api/docker/image_json.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "engine/container_config_json.h"

namespace dhow::api::docker {
namespace {

using engine::ContainerState;
using engine::ContainerSummary;
using engine::Inspection;
using engine::Phase;
using oci::JsonWriter;

void write_health(JsonWriter& json, const engine::HealthState& health) {
  json.key("Health").begin_object().member("Status", health.status);
  json.member_number("FailingStreak", health.failing_streak).key("Log").begin_array();
  for (const engine::HealthResult& result : health.log) {
    json.begin_object().member("Start", time_text(result.start));
    json.member("End", time_text(result.end)).member_number("ExitCode", result.exit_code);
    json.member("Output", result.output).end_object();
  }
  json.end_array().end_object();
}

void write_state(JsonWriter& json, const ContainerState& state) {
  json.key("State").begin_object().member("Status", engine::phase_name(state.phase));
  json.member_boolean("Running", state.is_running());
  json.member_boolean("Paused", state.phase == Phase::kPaused);
  json.member_boolean("Restarting", state.phase == Phase::kRestarting);
  json.member_boolean("OOMKilled", state.oom_killed);
  json.member_boolean("Dead", state.phase == Phase::kDead);
  json.member_number("Pid", state.pid).member_number("ExitCode", state.exit_code);
  json.member("Error", state.error).member("StartedAt", time_text(state.started));
  json.member("FinishedAt", time_text(state.finished));
  if (state.health) write_health(json, *state.health);
  json.end_object();
}

void write_mounts(JsonWriter& json, const std::vector<engine::MountPoint>& mounts) {
  json.key("Mounts").begin_array();
  for (const engine::MountPoint& mount : mounts) {
    json.begin_object().member("Type", mount.type);
    if (!mount.name.empty()) json.member("Name", mount.name);
    json.member("Source", mount.source).member("Destination", mount.destination);
    if (!mount.driver.empty()) json.member("Driver", mount.driver);
    json.member("Mode", mount.mode).member_boolean("RW", mount.writable);
    json.member("Propagation", mount.propagation).end_object();
  }
  json.end_array();
}

void write_texts_or_null(JsonWriter& json, std::string_view name,
                         const std::vector<std::string>& texts) {
  json.key(name);
  if (texts.empty()) {
    json.null();
    return;
  }
  json.begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

// What was asked for, and what came of it.
void write_endpoint(JsonWriter& json, const engine::NetworkStatus& network) {
  const engine::EndpointConfig& config = network.config;
  json.begin_object().key("IPAMConfig");
  if (config.ipam_config) {
    json.begin_object();
    if (!config.ipam_config->ipv4_address.empty()) {
      json.member("IPv4Address", config.ipam_config->ipv4_address);
    }
    if (!config.ipam_config->ipv6_address.empty()) {
      json.member("IPv6Address", config.ipam_config->ipv6_address);
    }
    if (!config.ipam_config->link_local_ips.empty()) {
      json.key("LinkLocalIPs").begin_array();
      for (const std::string& address : config.ipam_config->link_local_ips) json.string(address);
      json.end_array();
    }
    json.end_object();
  } else {
    json.null();
  }
  write_texts_or_null(json, "Links", config.links);
  write_texts_or_null(json, "Aliases", config.aliases);
  json.key("DriverOpts");
  if (config.driver_opts.empty()) {
    json.null();
  } else {
    json.begin_object();
    for (const auto& [key, value] : config.driver_opts) json.member(key, value);
    json.end_object();
  }
  json.member_number("GwPriority", config.gw_priority);
  json.member("NetworkID", network.network_id).member("EndpointID", network.endpoint_id);
  json.member("Gateway", network.gateway).member("IPAddress", network.address);
  json.member("MacAddress", network.mac).member_number("IPPrefixLen", network.prefix_length);
  json.member("IPv6Gateway", network.gateway6).member("GlobalIPv6Address", network.address6);
  json.member_number("GlobalIPv6PrefixLen", network.prefix_length6);
  write_texts_or_null(json, "DNSNames", network.dns_names);
  json.end_object();
}

void write_network_map(JsonWriter& json, const std::vector<engine::NetworkStatus>& networks) {
  json.key("Networks").begin_object();
  for (const engine::NetworkStatus& network : networks) {
    json.key(network.name);
    write_endpoint(json, network);
  }
  json.end_object();
}

// "80/tcp": null for one that is not published.
void write_port_map(JsonWriter& json, const std::vector<engine::PortStatus>& ports) {
  std::map<std::string, std::vector<const engine::PortStatus*>> by_port;
  for (const engine::PortStatus& port : ports) {
    auto& bindings = by_port[cat(port.container_port, "/", port.protocol)];
    if (!port.host.empty()) bindings.push_back(&port);
  }
  json.key("Ports").begin_object();
  for (const auto& [name, bindings] : by_port) {
    json.key(name);
    if (bindings.empty()) {
      json.null();
      continue;
    }
    json.begin_array();
    for (const engine::PortStatus* port : bindings) {
      json.begin_object().member("HostIp", port->host);
      json.member("HostPort", port->host_port == 0 ? "" : cat(port->host_port)).end_object();
    }
    json.end_array();
  }
  json.end_object();
}

// Before 1.45 the names that others find it by were among the aliases.
std::vector<engine::NetworkStatus> with_names(const Inspection& container) {
  std::vector<engine::NetworkStatus> networks = container.networks;
  for (engine::NetworkStatus& network : networks) {
    if (network.dns_names.empty()) continue;
    std::vector<std::string>& aliases = network.config.aliases;
    for (const std::string& name : {container.id.substr(0, 12), container.config.config.hostname}) {
      bool is_new = std::ranges::find(aliases, name) == aliases.end();
      if (is_new && !name.empty()) aliases.push_back(name);
    }
  }
  return networks;
}

// What 1.52 has no more.
void write_old_network_members(JsonWriter& json, const Inspection& container) {
  // Those of the default network, where it is in it.
  engine::NetworkStatus shown;
  for (const engine::NetworkStatus& network : container.networks) {
    if (network.name == "bridge") shown = network;
  }
  json.member("Bridge", "").member_boolean("HairpinMode", false);
  json.member("LinkLocalIPv6Address", "").member_number("LinkLocalIPv6PrefixLen", 0);
  json.key("SecondaryIPAddresses").null().key("SecondaryIPv6Addresses").null();
  json.member("EndpointID", shown.endpoint_id).member("Gateway", shown.gateway);
  json.member("GlobalIPv6Address", shown.address6).member("IPAddress", shown.address);
  json.member("IPv6Gateway", shown.gateway6).member("MacAddress", shown.mac);
  json.member_number("GlobalIPv6PrefixLen", shown.prefix_length6);
  json.member_number("IPPrefixLen", shown.prefix_length);
}

void write_network_settings(JsonWriter& json, const Inspection& container, ApiVersion version) {
  json.key("NetworkSettings").begin_object();
  // The namespace is the container's own, and so has its id.
  json.member("SandboxID", container.sandbox_key.empty() ? "" : container.id)
      .member("SandboxKey", container.sandbox_key);
  write_port_map(json, container.ports);
  if (version < ApiVersion{52}) write_old_network_members(json, container);
  bool older = version < ApiVersion{45};
  write_network_map(json, older ? with_names(container) : container.networks);
  json.end_object();
}

void write_ports(JsonWriter& json, const std::vector<engine::PortStatus>& ports) {
  json.key("Ports").begin_array();
  for (const engine::PortStatus& port : ports) {
    json.begin_object();
    if (!port.host.empty()) json.member("IP", port.host);
    json.member_number("PrivatePort", port.container_port);
    if (port.host_port != 0) json.member_number("PublicPort", port.host_port);
    json.member("Type", port.protocol).end_object();
  }
  json.end_array();
}

void write_sizes(JsonWriter& json, const std::optional<std::int64_t>& size_rw,
                 const std::optional<std::int64_t>& size_root) {
  if (size_rw) json.member_number("SizeRw", *size_rw);
  if (size_root) json.member_number("SizeRootFs", *size_root);
}

}  // namespace

std::string time_text(std::int64_t nanoseconds) {
  return nanoseconds == 0 ? "0001-01-01T00:00:00Z" : rfc3339_nano(nanoseconds);
}

std::string container_inspect_json(const Inspection& container, ApiVersion version) {
  JsonWriter json;
  json.begin_object().member("Id", container.id).member("Created", time_text(container.created));
  json.member("Path", container.path).key("Args").begin_array();
  for (const std::string& argument : container.args) json.string(argument);
  json.end_array();
  write_state(json, container.state);
  json.member("Image", container.image_id).member("ResolvConfPath", container.resolv_conf_path);
  json.member("HostnamePath", container.hostname_path).member("HostsPath", container.hosts_path);
  json.member("LogPath", container.log_path).member("Name", cat("/", container.name));
  json.member_number("RestartCount", container.restart_count).member("Driver", container.driver);
  json.member("Platform", container.platform).member("MountLabel", container.mount_label);
  json.member("ProcessLabel", container.process_label);
  json.member("AppArmorProfile", container.apparmor_profile);
  write_texts_or_null(json, "ExecIDs", container.exec_ids);
  json.key("HostConfig");
  engine::write_json(json, container.config.host);
  json.key("GraphDriver").begin_object().key("Data").null();
  json.member("Name", container.driver).end_object();
  write_sizes(json, container.size_rw, container.size_root);
  write_mounts(json, container.mounts);
  json.key("Config");
  engine::write_json(json, container.config.config);
  write_network_settings(json, container, version);
  if (version >= ApiVersion{48} && !container.image_manifest.digest.empty()) {
    json.key("ImageManifestDescriptor");
    write_descriptor(json, container.image_manifest);
  }
  json.end_object();
  return json.text() + "\n";
}

void write_container_summary(JsonWriter& json, const ContainerSummary& container,
                             ApiVersion version) {
  json.begin_object().member("Id", container.id).key("Names").begin_array();
  json.string(cat("/", container.name)).end_array().member("Image", container.image);
  json.member("ImageID", container.image_id).member("Command", container.command);
  json.member_number("Created", container.created / 1'000'000'000);
  write_ports(json, container.ports);
  write_sizes(json, container.size_rw, container.size_root);
  json.key("Labels").begin_object();
  for (const auto& [key, value] : container.labels) json.member(key, value);
  json.end_object();
  json.member("State", engine::phase_name(container.state.phase));
  json.member("Status", container.status);
  json.key("HostConfig").begin_object().member("NetworkMode", container.network_mode);
  if (version >= ApiVersion{46} && !container.annotations.empty()) {
    json.key("Annotations").begin_object();
    for (const auto& [key, value] : container.annotations) json.member(key, value);
    json.end_object();
  }
  json.end_object().key("NetworkSettings").begin_object();
  write_network_map(json, container.networks);
  json.end_object();
  write_mounts(json, container.mounts);
  if (version >= ApiVersion{52}) {
    const auto& health = container.state.health;
    json.key("Health").begin_object().member("Status", health ? health->status : "none");
    json.member_number("FailingStreak", health ? health->failing_streak : 0).end_object();
  }
  json.end_object();
}

}  // namespace dhow::api::docker
