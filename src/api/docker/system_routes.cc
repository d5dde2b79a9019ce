// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "api/docker/door.h"
#include "api/docker/event_json.h"
#include "api/docker/host_facts.h"
#include "api/docker/request_params.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "oci/json.h"
#include "sys/process.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

Response ping_answer() {
  Response response{200, "text/plain; charset=utf-8", "OK", {}};
  response.headers = {{"Builder-Version", "1"},
                      {"Cache-Control", "no-cache, no-store, must-revalidate"},
                      {"Pragma", "no-cache"},
                      {"Swarm", "inactive"}};
  return response;
}

void version_members(JsonWriter& json, const Services& services, const HostFacts& host) {
  json.member("ApiVersion", version_text(kNewestApi));
  json.member("MinAPIVersion", version_text(kOldestApi));
  json.member("GitCommit", "").member("GoVersion", "");
  json.member("Os", "linux").member("Arch", host.architecture);
  json.member("KernelVersion", host.kernel).member("BuildTime", "");
  static_cast<void>(services);
}

std::string version_json(const Services& services) {
  HostFacts host = read_host_facts();
  JsonWriter json;
  json.begin_object().key("Platform").begin_object().member("Name", "dhow").end_object();
  json.key("Components").begin_array().begin_object();
  json.member("Name", "Engine").member("Version", services.version);
  json.key("Details").begin_object();
  version_members(json, services, host);
  json.member("Experimental", "false").end_object().end_object();
  json.begin_object().member("Name", "dhow-runtime").member("Version", services.version);
  json.key("Details").begin_object().member("GitCommit", "").end_object().end_object();
  json.end_array().member("Version", services.version);
  version_members(json, services, host);
  json.end_object();
  return json.text() + "\n";
}

void write_text_list(JsonWriter& json, std::string_view name,
                     const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

struct Counts {
  std::int64_t all = 0;
  std::int64_t running = 0;
  std::int64_t paused = 0;
};

Result<Counts> count_containers(engine::Containers& containers) {
  engine::ListOptions options;
  options.all = true;
  TRY_ASSIGN(std::vector<engine::ContainerSummary> list, containers.list(options));
  Counts counts;
  for (const engine::ContainerSummary& container : list) {
    ++counts.all;
    if (container.state.phase == engine::Phase::kPaused) ++counts.paused;
    if (container.state.phase == engine::Phase::kRunning) ++counts.running;
  }
  return counts;
}

void write_limits(JsonWriter& json, const HostFacts& host, ApiVersion version) {
  for (const char* name :
       {"MemoryLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit"}) {
    json.member_boolean(name, true);
  }
  json.member_boolean("SwapLimit", host.swap_limit);
  json.member_boolean("OomKillDisable", !host.unified_cgroup);
  json.member_boolean("IPv4Forwarding", host.ip_forwarding);
  if (version < ApiVersion{50}) {
    // Bridges pass nothing to the rules of the host's own packets: ours are of the bridges.
    json.member_boolean("BridgeNfIptables", false).member_boolean("BridgeNfIp6tables", false);
  }
}

void write_runtimes(JsonWriter& json, const engine::Engine& engine) {
  json.key("Runtimes").begin_object();
  for (const std::string& name : engine.runtimes()) {
    json.key(name).begin_object().member("path", name).end_object();
  }
  json.end_object();
  json.member("DefaultRuntime", engine.options().default_runtime);
}

void write_registries(JsonWriter& json, ApiVersion version) {
  json.member("IndexServerAddress", "https://index.docker.io/v1/");
  json.key("RegistryConfig").begin_object();
  if (version < ApiVersion{49}) {
    write_text_list(json, "AllowNondistributableArtifactsCIDRs", {});
    write_text_list(json, "AllowNondistributableArtifactsHostnames", {});
  }
  write_text_list(json, "InsecureRegistryCIDRs", {"127.0.0.0/8", "::1/128"});
  json.key("IndexConfigs").begin_object().key("docker.io").begin_object();
  json.member("Name", "docker.io").member_boolean("Secure", true).member_boolean("Official", true);
  write_text_list(json, "Mirrors", {});
  json.end_object().end_object();
  write_text_list(json, "Mirrors", {});
  json.end_object();
}

void write_security(JsonWriter& json, const engine::EngineOptions& options, const HostFacts& host) {
  std::vector<std::string> security;
  if (host.apparmor) security.emplace_back("name=apparmor");
  const std::string& profile = options.seccomp_profile;
  security.push_back(cat("name=seccomp,profile=", profile.empty() ? "builtin" : profile));
  if (in_user_namespace().value_or(false)) security.emplace_back("name=rootless");
  if (!options.userns_remap.empty()) security.emplace_back("name=userns");
  if (::access("/proc/self/ns/cgroup", F_OK) == 0) security.emplace_back("name=cgroupns");
  if (options.no_new_privileges) security.emplace_back("name=no-new-privileges");
  write_text_list(json, "SecurityOptions", security);
}

void write_plugins(JsonWriter& json) {
  json.key("Plugins").begin_object();
  write_text_list(json, "Volume", {"local"});
  write_text_list(json, "Network", {"bridge", "host", "ipvlan", "macvlan", "null"});
  json.key("Authorization").null();
  write_text_list(json, "Log", {"json-file", "local", "none"});
  json.end_object();
}

void write_swarm(JsonWriter& json) {
  json.key("Swarm").begin_object();
  json.member("NodeID", "").member("NodeAddr", "").member("LocalNodeState", "inactive");
  json.member_boolean("ControlAvailable", false).member("Error", "");
  json.key("RemoteManagers").null().end_object();
}

void write_machine(JsonWriter& json, const HostFacts& host) {
  json.member("KernelVersion", host.kernel).member("OperatingSystem", host.system);
  json.member("OSVersion", host.system_version).member("OSType", "linux");
  json.member("Architecture", host.machine).member_number("NCPU", host.processors);
  json.member_number("MemTotal", host.memory).member("Name", host.name);
  json.member("CgroupVersion", host.unified_cgroup ? "2" : "1");
}

void write_commits(JsonWriter& json, const Services& services, ApiVersion version) {
  for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"}) {
    json.key(name).begin_object().member("ID", services.version);
    // Older clients warn where it is another.
    if (version < ApiVersion{49}) json.member("Expected", services.version);
    json.end_object();
  }
  json.member("InitBinary", "dhow-init").member("Isolation", "").member("ProductLicense", "");
}

Result<std::string> info_json(const Services& services, ApiVersion version) {
  HostFacts host = read_host_facts();
  const engine::EngineOptions& options = services.engine.options();
  TRY_ASSIGN(Counts counts, count_containers(services.engine.containers()));
  TRY_ASSIGN(auto images, engine::list_images(services.engine.images(), options.name_space));
  JsonWriter json;
  json.begin_object().member("ID", host.id);
  json.member_number("Containers", counts.all).member_number("ContainersRunning", counts.running);
  json.member_number("ContainersPaused", counts.paused);
  json.member_number("ContainersStopped", counts.all - counts.running - counts.paused);
  json.member_number("Images", static_cast<std::int64_t>(images.size()));
  json.member("Driver", services.engine.snapshots().name());
  json.key("DriverStatus").begin_array().begin_array();
  json.string("driver-type").string("dhow.snapshotter").end_array().end_array();
  write_plugins(json);
  write_limits(json, host, version);
  json.member_boolean("Debug", services.debug).member_number("NFd", 0);
  json.member_number("NGoroutines", 0).member("SystemTime", rfc3339_nano(metadata::now()));
  json.member("LoggingDriver", options.log_driver);
  json.member("CgroupDriver", options.systemd_cgroup ? "systemd" : "cgroupfs");
  json.member_number("NEventsListener", 0);
  write_machine(json, host);
  write_registries(json, version);
  json.key("GenericResources").null().member("DockerRootDir", options.root);
  json.member("HttpProxy", "").member("HttpsProxy", "").member("NoProxy", "");
  write_text_list(json, "Labels", {});
  json.member_boolean("ExperimentalBuild", false).member("ServerVersion", services.version);
  write_runtimes(json, services.engine);
  write_swarm(json);
  // Whatever becomes of this process, the containers run on.
  json.member_boolean("LiveRestoreEnabled", true);
  write_commits(json, services, version);
  write_security(json, options, host);
  write_text_list(json, "CDISpecDirs", options.cdi_folders);
  write_text_list(json, "Warnings", services.engine.networks().warnings());
  json.end_object();
  return json.text() + "\n";
}

// Of a login that a client makes through us: whether the registry takes it.
Status check_login(const ExchangePtr& exchange, const Services& services) {
  TRY(check_json(*exchange));
  auto given = parse_auth_config(exchange->body());
  if (!given) return fail(Code::kInvalidArgument, "invalid JSON: not an object");
  TRY(services.images.log_in(given->server, given->credentials, exchange->stop()));
  exchange->respond(Response::json("{\"IdentityToken\":\"\",\"Status\":\"Login Succeeded\"}\n"));
  return {};
}

Status stream_events(const ExchangePtr& exchange, const Services& services) {
  engine::EventQuery query;
  std::int64_t now = metadata::now();
  for (auto [name, out] : {std::pair{"since", &query.since}, {"until", &query.until}}) {
    std::string_view text = exchange->query().get(name);
    if (text.empty()) continue;
    TRY_ASSIGN(*out, parse_time(text, now));
  }
  if (query.since && query.until && *query.since > *query.until) {
    return fail(Code::kInvalidArgument, "`since` time cannot be after `until` time");
  }
  TRY_ASSIGN(query.filters,
             parse_filters(exchange->query().get("filters"),
                           {"config", "container", "daemon", "event", "image", "label", "network",
                            "node", "plugin", "scope", "secret", "service", "type", "volume"}));
  EventFormat format = event_format(*exchange);
  exchange->begin({200, format.content_type, {}, {}});
  TRY(services.engine.events().read(
      query,
      [&](const engine::Event& event) -> Status {
        return exchange->write(cat(format.separator, event_json(event, format.legacy), "\n"));
      },
      exchange->stop()));
  exchange->end();
  return {};
}

}  // namespace

void add_system_routes(Router& router, const Services& services) {
  for (const char* method : {"GET", "HEAD"}) {
    router.add({.method = method,
                .pattern = "/_ping",
                .handler = [](const ExchangePtr& exchange, const Match&) -> Status {
                  Response answer = ping_answer();
                  // As docker: the length of a HEAD is 0.
                  if (exchange->head().method == "HEAD") answer.body.clear();
                  exchange->respond(std::move(answer));
                  return {};
                },
                .quick = true});
  }
  router.add({.method = "GET",
              .pattern = "/version",
              .handler = [&services](const ExchangePtr& exchange, const Match&) -> Status {
                exchange->respond(Response::json(version_json(services)));
                return {};
              }});
  router.add({.method = "GET",
              .pattern = "/info",
              .handler = [&services](const ExchangePtr& exchange, const Match&) -> Status {
                TRY_ASSIGN(std::string text, info_json(services, exchange->version()));
                exchange->respond(Response::json(std::move(text)));
                return {};
              }});
  router.add({.method = "POST",
              .pattern = "/auth",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return check_login(exchange, services);
              }});
  router.add({.method = "GET",
              .pattern = "/events",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return stream_events(exchange, services);
              }});
}

}  // namespace dhow::api::docker
