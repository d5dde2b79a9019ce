// SPDX-License-Identifier: Apache-2.0
#include "cli/create_request.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using oci::JsonWriter;

std::vector<std::string_view> views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

void write_text(JsonWriter& json, std::string_view name, std::string_view value) {
  if (!value.empty()) json.member(name, value);
}

std::string handed_on(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value != nullptr ? cat(name, "=", value) : std::string(name);
}

bool is_mac(std::string_view text) {
  if (text.empty()) return true;
  auto parts = split(text, text.find('-') == std::string_view::npos ? ':' : '-');
  return parts.size() == 6 && std::ranges::all_of(parts, [](std::string_view part) {
           return part.size() == 2 && parse_number<std::uint8_t>(part, 16).has_value();
         });
}

void choose_streams(const Arguments& arguments, bool detached, CreateRequest& request) {
  std::vector<std::string_view> asked = arguments.list("attach");
  auto wants = [&](std::string_view stream) {
    return std::ranges::any_of(asked,
                               [&](std::string_view one) { return lower_text(one) == stream; });
  };
  bool interactive = arguments.boolean("interactive");
  if (asked.empty()) {
    request.output = request.errors = !detached;
    request.input = interactive && !detached;
    return;
  }
  request.input = wants("stdin");
  request.output = wants("stdout");
  request.errors = wants("stderr");
}

Status write_health(const Arguments& arguments, JsonWriter& json) {
  bool given = arguments.has("health-cmd") || arguments.has("health-interval") ||
               arguments.has("health-timeout") || arguments.has("health-retries") ||
               arguments.has("health-start-period") || arguments.has("health-start-interval");
  if (arguments.boolean("no-healthcheck")) {
    if (given)
      return fail(Code::kInvalidArgument, "--no-healthcheck conflicts with --health-* options");
    json.key("Healthcheck")
        .begin_object()
        .key("Test")
        .begin_array()
        .string("NONE")
        .end_array()
        .end_object();
    return {};
  }
  if (!given) return {};
  json.key("Healthcheck").begin_object();
  if (std::string_view command = arguments.string("health-cmd"); !command.empty()) {
    json.key("Test").begin_array().string("CMD-SHELL").string(command).end_array();
  }
  struct Time {
    std::string_view flag;
    std::string_view member;
  };
  for (const Time& time : {Time{"health-interval", "Interval"}, Time{"health-timeout", "Timeout"},
                           Time{"health-start-period", "StartPeriod"},
                           Time{"health-start-interval", "StartInterval"}}) {
    std::int64_t value = arguments.duration(time.flag);
    if (value < 0) return fail(Code::kInvalidArgument, cat("--", time.flag, " cannot be negative"));
    if (value != 0) json.member_number(time.member, value);
  }
  if (std::int64_t retries = arguments.integer("health-retries"); retries != 0) {
    if (retries < 0) return fail(Code::kInvalidArgument, "--health-retries cannot be negative");
    json.member_number("Retries", retries);
  }
  json.end_object();
  return {};
}

void write_keys(JsonWriter& json, std::string_view name, const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  json.key(name).begin_object();
  for (const std::string& key : keys) json.key(key).begin_object().end_object();
  json.end_object();
}

// The members of Config.
Status write_config(const Arguments& arguments, const CreateRequest& request,
                    const ConfigFile& config, const PortRequests& ports, JsonWriter& json) {
  write_text(json, "Hostname", arguments.string("hostname"));
  write_text(json, "Domainname", arguments.string("domainname"));
  write_text(json, "User", arguments.string("user"));
  json.member_boolean("AttachStdin", request.input);
  json.member_boolean("AttachStdout", request.output);
  json.member_boolean("AttachStderr", request.errors);
  json.member_boolean("Tty", request.terminal);
  bool interactive = arguments.boolean("interactive");
  json.member_boolean("OpenStdin", interactive);
  json.member_boolean("StdinOnce", interactive && request.input);
  TRY_ASSIGN(auto environment, read_environment(arguments));
  for (const auto& [name, value] : config.default_proxies) {
    bool given = std::ranges::any_of(environment, [&](const std::string& one) {
      return std::string_view(one).substr(0, one.find('=')) == name;
    });
    if (!given) environment.push_back(cat(name, "=", value));
  }
  write_strings(json, "Env", views(environment));
  const auto& words = arguments.positionals();
  write_strings(json, "Cmd", {words.begin() + 1, words.end()});
  if (arguments.has("entrypoint")) {
    json.key("Entrypoint").begin_array().string(arguments.string("entrypoint")).end_array();
  }
  json.member("Image", request.image);
  write_keys(json, "Volumes", anonymous_volumes(arguments));
  write_keys(json, "ExposedPorts", ports.exposed);
  write_text(json, "WorkingDir", arguments.string("workdir"));
  std::vector<std::string> labels;
  for (std::string_view path : arguments.list("label-file")) {
    TRY_ASSIGN(auto lines, read_settings_file(path, false));
    labels.insert(labels.end(), lines.begin(), lines.end());
  }
  for (std::string_view label : arguments.list("label")) labels.emplace_back(label);
  write_map(json, "Labels", views(labels));
  write_text(json, "StopSignal", arguments.string("stop-signal"));
  if (arguments.has("stop-timeout"))
    json.member_number("StopTimeout", arguments.integer("stop-timeout"));
  write_text(json, "MacAddress", arguments.string("mac-address"));
  return write_health(arguments, json);
}

Status write_host_config(const Arguments& arguments, const CreateRequest& request,
                         const PortRequests& ports, const NetworkRequest& network,
                         JsonWriter& json) {
  json.key("HostConfig").begin_object();
  if (arguments.boolean("rm")) json.member_boolean("AutoRemove", true);
  write_text(json, "ContainerIDFile", arguments.string("cidfile"));
  if (std::string_view driver = arguments.string("log-driver");
      !driver.empty() || arguments.has("log-opt")) {
    if (driver == "none" && arguments.has("log-opt")) {
      return fail(Code::kInvalidArgument, "invalid logging opts for driver none");
    }
    json.key("LogConfig").begin_object().member("Type", driver);
    write_map(json, "Config", arguments.list("log-opt"));
    json.end_object();
  }
  json.member("NetworkMode", network.mode);
  if (arguments.boolean("publish-all")) json.member_boolean("PublishAllPorts", true);
  if (!ports.bindings.empty()) {
    // Those of one port come one after the other.
    json.key("PortBindings").begin_object();
    for (std::size_t i = 0; i < ports.bindings.size();) {
      const std::string& port = ports.bindings[i].port;
      json.key(port).begin_array();
      for (; i < ports.bindings.size() && ports.bindings[i].port == port; ++i) {
        const auto& binding = ports.bindings[i];
        json.begin_object()
            .member("HostIp", binding.host_ip)
            .member("HostPort", binding.host_port)
            .end_object();
      }
      json.end_array();
    }
    json.end_object();
  }
  std::string_view restart = arguments.string("restart");
  if (arguments.boolean("rm") && !restart.empty() && restart != "no") {
    return fail(Code::kInvalidArgument,
                "conflicting options: cannot specify both --restart and --rm");
  }
  if (!restart.empty()) TRY(write_restart_policy(restart, json));
  TRY(write_mounts(arguments, json));
  TRY(write_isolation(arguments, json));
  TRY(write_resources(arguments, json));
  if (request.terminal) {
    if (auto size = terminal_size(STDOUT_FILENO)) {
      json.key("ConsoleSize").begin_array().number(size->rows).number(size->columns).end_array();
    }
  }
  json.end_object();
  return {};
}

}  // namespace

void write_strings(JsonWriter& json, std::string_view name,
                   const std::vector<std::string_view>& items) {
  if (items.empty()) return;
  json.key(name).begin_array();
  for (std::string_view item : items) json.string(item);
  json.end_array();
}

void write_map(JsonWriter& json, std::string_view name,
               const std::vector<std::string_view>& items) {
  if (items.empty()) return;
  json.key(name).begin_object();
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::size_t equals = items[i].find('=');
    std::string_view key = items[i].substr(0, equals);
    // The last of several counts.
    bool again = std::any_of(
        items.begin() + static_cast<std::ptrdiff_t>(i) + 1, items.end(),
        [key](std::string_view later) { return later.substr(0, later.find('=')) == key; });
    if (!again)
      json.member(key, equals == std::string_view::npos ? "" : items[i].substr(equals + 1));
  }
  json.end_object();
}

Result<std::vector<std::string>> split_csv(std::string_view text) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"' && inside && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += text[++i];
    } else if (c == '"') {
      if (!inside && !fields.back().empty()) {
        return fail(Code::kInvalidArgument,
                    cat("parse error on line 1, column ", i + 1, ": bare \" in non-quoted-field"));
      }
      inside = !inside;
    } else if (c == ',' && !inside) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (inside)
    return fail(Code::kInvalidArgument,
                "parse error on line 1: extraneous or missing \" in quoted-field");
  return fields;
}

Result<std::vector<std::string>> read_settings_file(std::string_view path, bool hand_on) {
  auto text = read_file(path);
  if (!text) {
    return fail(text.error().code(),
                cat("open ", path, ": ", errno_text(text.error().sys_errno())));
  }
  std::vector<std::string> settings;
  for (std::string_view line : split(*text, '\n')) {
    std::size_t first = line.find_first_not_of(" \t");
    line.remove_prefix(std::min(first, line.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    std::string_view name = line.substr(0, line.find('='));
    if (name.find_first_of(" \t") != std::string_view::npos) {
      return fail(Code::kInvalidArgument,
                  cat("invalid env file (", path, "): variable '", name, "' contains whitespaces"));
    }
    if (name.empty())
      return fail(Code::kInvalidArgument,
                  cat("invalid env file (", path, "): no variable name on line '", line, "'"));
    if (name.size() == line.size() && hand_on) {
      // One that we do not have is left out.
      std::string whole = handed_on(name);
      if (whole.size() != name.size()) settings.push_back(whole);
      continue;
    }
    settings.emplace_back(line);
  }
  return settings;
}

Result<std::vector<std::string>> read_environment(const Arguments& arguments) {
  std::vector<std::string> environment;
  for (std::string_view path : arguments.list("env-file")) {
    TRY_ASSIGN(auto lines, read_settings_file(path, true));
    environment.insert(environment.end(), lines.begin(), lines.end());
  }
  for (std::string_view one : arguments.list("env")) {
    if (one.empty() || one[0] == '=')
      return fail(Code::kInvalidArgument, cat("invalid environment variable: ", one));
    environment.push_back(one.find('=') == std::string_view::npos ? handed_on(one)
                                                                  : std::string(one));
  }
  return environment;
}

Result<CreateRequest> make_create_request(const Arguments& arguments, const ConfigFile& config,
                                          bool detached) {
  CreateRequest request;
  request.image = arguments.positional(0);
  request.name = arguments.string("name");
  request.platform = arguments.string("platform");
  if (request.platform.empty()) {
    const char* platform = std::getenv("DOCKER_DEFAULT_PLATFORM");
    request.platform = platform != nullptr ? platform : "";
  }
  request.terminal = arguments.boolean("tty");
  choose_streams(arguments, detached, request);
  for (std::string_view flag : {"cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"}) {
    if (arguments.has(flag)) {
      return fail(Code::kInvalidArgument,
                  cat("\"--", flag, "\" is only supported on an engine running on windows"));
    }
  }
  if (std::string_view address = arguments.string("mac-address"); !is_mac(address)) {
    return fail(Code::kInvalidArgument, cat(address, " is not a valid mac address"));
  }
  if (arguments.boolean("use-api-socket")) {
    return fail(Code::kUnimplemented,
                "--use-api-socket is not supported; mount the socket with -v "
                "/run/dhow/docker.sock:/run/docker.sock");
  }
  TRY_ASSIGN(PortRequests ports, read_ports(arguments));
  std::ranges::stable_sort(ports.bindings, {}, &PortRequests::Binding::port);
  TRY_ASSIGN(NetworkRequest network, read_networks(arguments));
  JsonWriter json;
  json.begin_object();
  TRY(write_config(arguments, request, config, ports, json));
  TRY(write_host_config(arguments, request, ports, network, json));
  if (!network.endpoints.empty()) {
    json.key("NetworkingConfig")
        .begin_object()
        .key("EndpointsConfig")
        .raw(network.endpoints)
        .end_object();
  }
  json.end_object();
  request.body = json.text();
  return request;
}

}  // namespace dhow::cli
