// SPDX-License-Identifier: Apache-2.0
#include "engine/log_settings.h"

#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>

#include "base/strings.h"
#include "engine/host_lookup.h"
#include "engine/pattern.h"
#include "engine/programs.h"
#include "logging/driver.h"
#include "logging/file_drivers.h"
#include "logging/socket_drivers.h"

namespace dhow::engine {
namespace {

// What says which metadata of a container goes with its lines.
constexpr std::string_view kMetadata[] = {"labels", "labels-regex", "env", "env-regex", "tag"};
// Of any driver.
constexpr std::string_view kModes[] = {"mode",           "max-buffer-size", "cache-disabled",
                                       "cache-max-size", "cache-max-file",  "cache-compress"};
constexpr std::string_view kFiles[] = {"max-size", "max-file", "compress"};
constexpr std::string_view kSyslog[] = {
    "syslog-address",  "syslog-facility", "syslog-format",         "syslog-tls-ca-cert",
    "syslog-tls-cert", "syslog-tls-key",  "syslog-tls-skip-verify"};
constexpr std::string_view kAbsent[] = {"fluentd", "gelf",   "awslogs",
                                        "gcplogs", "splunk", "etwlogs"};

constexpr std::string_view kTlsProgram = "dhow-tls";

using Names = std::span<const std::string_view>;

bool is_among(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// Docker's words for an option that a driver hasn't.
std::string unknown_option(std::string_view driver, std::string_view name) {
  if (driver == "local") return cat("unknown log opt '", name, "' for log driver local");
  return cat("unknown log opt '", name, "' for ", driver, " log driver");
}

Status check_names(const LogConfig& config, std::initializer_list<Names> known) {
  for (const auto& [name, value] : config.config) {
    bool found = is_among(kModes, name) ||
                 std::ranges::any_of(known, [&](Names names) { return is_among(names, name); });
    if (!found) return fail(Code::kInvalidArgument, unknown_option(config.type, name));
  }
  return {};
}

std::string option(const TextMap& options, std::string_view name) {
  auto found = options.find(std::string(name));
  return found == options.end() ? std::string() : found->second;
}

Result<Pattern> option_pattern(std::string_view name, const std::string& text) {
  auto pattern = Pattern::make(text);
  if (pattern) return pattern;
  return fail(Code::kInvalidArgument,
              cat("log opt ", name, " ", quoted(text), ": ", pattern.error().message()));
}

// Adds those of `all` that the option names, one by one or by a pattern.
Status add_named(const TextMap& options, std::string_view names, std::string_view pattern,
                 const TextMap& all, TextMap& out) {
  const std::string wanted = option(options, names);
  for (std::string_view name : split(wanted, ',')) {
    if (auto found = all.find(std::string(name)); found != all.end()) out.insert(*found);
  }
  std::string text = option(options, pattern);
  if (text.empty()) return {};
  TRY_ASSIGN(Pattern compiled, option_pattern(pattern, text));
  for (const auto& entry : all) {
    if (compiled.matches(entry.first)) out.insert(entry);
  }
  return {};
}

Result<TextMap> extra_attributes(const ContainerRecord& record) {
  const TextMap& options = record.config.host.log_config.config;
  TextMap environment;
  for (const std::string& entry : record.config.config.env) {
    std::size_t equals = entry.find('=');
    if (equals == std::string::npos) continue;
    environment[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  TextMap extra;
  TRY(add_named(options, "labels", "labels-regex", record.config.config.labels, extra));
  TRY(add_named(options, "env", "env-regex", environment, extra));
  return extra;
}

// What {{.NAME}} in a tag stands for; none: there is no such field.
std::optional<std::string> tag_field(const ContainerRecord& record, std::string_view name) {
  if (name == "ID") return record.id.substr(0, 12);
  if (name == "FullID") return record.id;
  if (name == "Name") return record.name;
  if (name == "ImageID") return record.facts.image_id.substr(0, 12);
  if (name == "ImageFullID") return record.facts.image_id;
  if (name == "ImageName") return record.config.config.image;
  if (name == "DaemonName") return "docker";
  if (name == "Command") {
    std::string command = record.facts.path;
    for (const std::string& argument : record.facts.args) command += cat(" ", argument);
    return command;
  }
  if (name == "Hostname") {
    char host[256] = {};
    return ::gethostname(host, sizeof host - 1) == 0 ? host : "";
  }
  return std::nullopt;
}

Result<std::string> expand_tag(const ContainerRecord& record, std::string_view text) {
  std::string out;
  while (true) {
    std::size_t begin = text.find("{{");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) return out;
    std::size_t end = text.find("}}", begin);
    std::string_view field = text.substr(begin + 2, end - begin - 2);
    auto value = end != std::string_view::npos && trim(field).starts_with('.')
                     ? tag_field(record, trim(field).substr(1))
                     : std::nullopt;
    if (!value) {
      return fail(Code::kInvalidArgument,
                  cat("log opt tag ", quoted(text), ": ", quoted(text.substr(begin)),
                      " is no field of a container, as {{.Name}}"));
    }
    out += *value;
    text.remove_prefix(end + 2);
  }
}

// An object as Go writes it, which is how docker's json-file has it.
std::string attributes_json(const TextMap& attributes) {
  std::string json = "{";
  for (const auto& [name, value] : attributes) {
    if (json.size() > 1) json += ',';
    logging::append_json_text(json, name, false);
    json += ':';
    logging::append_json_text(json, value, false);
  }
  return json + '}';
}

// As docker makes a journal field of a label: capitals, underscores, and none in front.
std::string field_name(std::string_view label) {
  std::string name;
  for (char c : upper_text(label)) {
    bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || !name.empty()) name += plain ? c : '_';
  }
  return name.substr(0, 64);
}

bool writes_file(const std::string& driver) { return driver == "json-file" || driver == "local"; }

// Drivers whose lines go to others keep what `logs` reads in a file besides, as docker has it.
bool has_cache(const LogConfig& config) {
  return !writes_file(config.type) && config.type != "none" &&
         !parse_bool(option(config.config, "cache-disabled")).value_or(false);
}

// Where the lines go to be read here, and of the options of a cache those that it has.
void set_file(const LogConfig& config, const std::string& path, TextMap& options) {
  bool is_cached = has_cache(config);
  std::erase_if(options, [&](const auto& each) {
    return each.first == "cache-disabled" || (!is_cached && each.first.starts_with("cache-"));
  });
  if (writes_file(config.type)) options["path"] = path;
  if (is_cached) options["cache-path"] = path;
}

Status check_values(const LogConfig& config) {
  TextMap options = config.config;
  for (std::string_view name : kMetadata) options.erase(std::string(name));
  std::string disabled = option(options, "cache-disabled");
  if (!disabled.empty() && !parse_bool(disabled)) {
    return fail(Code::kInvalidArgument, cat("invalid value for option cache-disabled: ", disabled));
  }
  set_file(config, "/log", options);
  logging::DriverOptions checked{config.type, {}};
  checked.options.insert(options.begin(), options.end());
  return logging::check_driver(checked);
}

// What shims can't find out: where a server's name leads, and the program that has TLS.
Status find_server(TextMap& query) {
  using Kind = logging::LogSocket::Kind;
  std::string& address = query["syslog-address"];
  TRY_ASSIGN(logging::LogSocket::Address server, logging::parse_syslog_address(address));
  if (server.kind == Kind::kTls) {
    std::string program = find_program("", kTlsProgram);
    if (program.empty()) {
      return fail(Code::kFailedPrecondition,
                  cat("failed to initialize logging driver: TLS needs the program ", kTlsProgram,
                      ": put it beside dhowd or into $PATH"));
    }
    query["tls-program"] = program;
  } else if (server.kind == Kind::kUdp || server.kind == Kind::kTcp) {
    auto found = numeric_address(server.host);
    if (!found) {
      return fail(found.error().code(),
                  cat("failed to initialize logging driver: ", found.error().message()));
    }
    address = cat(server.kind == Kind::kUdp ? "udp" : "tcp", "://[", *found, "]:", server.port);
  }
  return {};
}

}  // namespace

bool is_readable_log(const LogConfig& config) {
  return writes_file(config.type) || has_cache(config);
}

Status check_log_config(const LogConfig& config) {
  if (config.type == "none") return {};
  if (config.type == "json-file") {
    TRY(check_names(config, {kFiles, kMetadata}));
  } else if (config.type == "local") {
    TRY(check_names(config, {kFiles}));
  } else if (config.type == "syslog") {
    TRY(check_names(config, {kSyslog, kMetadata}));
  } else if (config.type == "journald") {
    TRY(check_names(config, {kMetadata}));
  } else if (is_among(kAbsent, config.type)) {
    return fail(Code::kUnimplemented,
                cat("logging driver ", quoted(config.type), " is not supported by dhow"));
  } else {
    return fail(Code::kInvalidArgument,
                cat("logger: no log driver named '", config.type, "' is registered"));
  }
  for (std::string_view name : {"labels-regex", "env-regex"}) {
    TRY(option_pattern(name, option(config.config, name)));
  }
  TRY(expand_tag({}, option(config.config, "tag")));
  return check_values(config);
}

Result<TextMap> shim_log_options(const ContainerRecord& record, const std::string& path) {
  const LogConfig& log = record.config.host.log_config;
  TextMap query = log.config;
  for (std::string_view name : kMetadata) query.erase(std::string(name));
  query["driver"] = log.type;
  if (log.type == "none") return TextMap{{"driver", "none"}};
  TRY_ASSIGN(TextMap extra, extra_attributes(record));
  TRY_ASSIGN(std::string tag, expand_tag(record, option(log.config, "tag")));
  set_file(log, path, query);
  if (writes_file(log.type)) {
    if (!tag.empty()) extra["tag"] = tag;
    if (!extra.empty()) query["attrs"] = attributes_json(extra);
    return query;
  }
  if (query.contains("syslog-address")) TRY(find_server(query));
  query["container-id"] = record.id;
  if (!tag.empty()) query["tag"] = tag;
  if (log.type != "journald") return query;
  query["container-name"] = record.name;
  query["image-name"] = record.config.config.image;
  for (const auto& [name, value] : extra) {
    if (std::string field = field_name(name); !field.empty()) query["field." + field] = value;
  }
  return query;
}

}  // namespace dhow::engine
