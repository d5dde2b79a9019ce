// SPDX-License-Identifier: Apache-2.0
#include "network/cni/config.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_copy.h"
#include "oci/json_reader.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::cni {
namespace {

using oci::JsonKind;
using oci::JsonReader;
using oci::JsonWriter;

constexpr std::size_t kMaxConfig = std::size_t{1} << 20;

struct ParsedNetwork {
  NetworkConfig config;
  bool only_inlined = false;
};

// libcni takes both.
void decode_switch(const JsonReader& in, std::string_view name, bool& out) {
  JsonReader member = in.member(name);
  if (!member.present()) return;
  auto text = member.value().as_string();
  if (!text) return decode(member, out);
  if (*text == "true" || *text == "false") {
    out = *text == "true";
  } else {
    member.fail_expected("true or false");
  }
}

void decode_version(const JsonReader& in, std::vector<Version>& out) {
  std::string text;
  decode(in, text);
  auto version = parse_version(text);
  if (version) {
    out.push_back(*version);
  } else if (!text.empty()) {
    in.fail(cat("not a version: ", quoted(text)));
  }
}

void decode_versions(const JsonReader& in, NetworkConfig& out) {
  if (in.member("cniVersion").present()) decode_version(in.member("cniVersion"), out.versions);
  JsonReader list = in.member("cniVersions");
  if (list.present() && list.expect(JsonKind::kArray)) {
    for (std::size_t i = 0; i < list.value().size(); ++i) {
      decode_version(list.item(i), out.versions);
    }
  }
  if (out.versions.empty()) out.versions.push_back(kOldest);
  std::vector<Version> given = out.versions;
  std::erase_if(out.versions, [](const Version& version) { return !is_known(version); });
  if (out.versions.empty()) {
    return in.member("cniVersion")
        .fail(cat("version ", given.front().text(), " is none that we know"));
  }
  std::ranges::sort(out.versions);
  const auto rest = std::ranges::unique(out.versions);
  out.versions.erase(rest.begin(), rest.end());
  out.version = out.versions.back();
}

void decode_name(const JsonReader& in, NetworkConfig& out) {
  oci::required_member(in, "name", out.name);
  if (!is_plain_name(out.name)) {
    in.member("name").fail(cat("not a network's name: ", quoted(out.name)));
  }
}

}  // namespace

void decode(const JsonReader& in, PluginConfig& out) {
  if (!in.expect(JsonKind::kObject)) return;
  oci::required_member(in, "type", out.type);
  if (out.type.empty() || out.type.find('/') != std::string::npos || out.type == "." ||
      out.type == "..") {
    return in.member("type").fail(cat("not a plugin's name: ", quoted(out.type)));
  }
  std::map<std::string, bool> capabilities;
  oci::optional_member(in, "capabilities", capabilities);
  for (const auto& [name, is_there] : capabilities) {
    if (is_there) out.capabilities.insert(name);
  }
  out.text = oci::value_json(in.value());
}

namespace {

void decode(const JsonReader& in, ParsedNetwork& out) {
  if (!in.expect(JsonKind::kObject)) return;
  NetworkConfig& config = out.config;
  decode_name(in, config);
  decode_versions(in, config);
  decode_switch(in, "disableCheck", config.disable_check);
  decode_switch(in, "disableGC", config.disable_gc);
  decode_switch(in, "loadOnlyInlinedPlugins", out.only_inlined);
  if (in.member("plugins").present()) {
    oci::optional_member(in, "plugins", config.plugins);
  } else if (in.member("type").present()) {
    out.only_inlined = true;
    decode(in, config.plugins.emplace_back());
  }
}

Result<ParsedNetwork> parse(std::string_view json) {
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(json));
  std::optional<Error> fault;
  ParsedNetwork parsed;
  decode(JsonReader(document.root(), &fault), parsed);
  if (fault) return fail(std::move(*fault));
  return parsed;
}

Result<NetworkConfig> with_plugins(ParsedNetwork parsed) {
  if (parsed.config.plugins.empty()) {
    return fail(Code::kInvalidArgument, "$.plugins: there are no plugins");
  }
  return std::move(parsed.config);
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings,
                             [name](std::string_view ending) { return name.ends_with(ending); });
}

Result<std::vector<std::string>> files_of(const std::string& folder,
                                          std::initializer_list<std::string_view> endings) {
  auto opened = open_at(kCwd, folder, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().sys_errno() == ENOENT) return std::vector<std::string>();
  if (!opened) return fail(std::move(opened).error());
  TRY_ASSIGN(std::vector<std::string> names, list_dir(*opened));
  std::erase_if(names, [&](const std::string& name) { return !ends_with_any(name, endings); });
  std::ranges::sort(names);
  for (std::string& name : names) name = cat(folder, "/", name);
  return names;
}

Result<PluginConfig> load_plugin(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path, kMaxConfig));
  auto plugin = oci::parse_as<PluginConfig>(text);
  if (!plugin) return fail(std::move(plugin).error().add_context(cat("read ", quoted(path))));
  return std::move(*plugin);
}

// "": none of them is for this plugin.
std::string runtime_config(const PluginConfig& plugin, const CapabilityArgs& args) {
  JsonWriter out;
  out.begin_object();
  bool is_empty = true;
  for (const auto& [name, value] : args) {
    if (!plugin.capabilities.contains(name)) continue;
    is_empty = false;
    out.key(name).raw(value);
  }
  out.end_object();
  return is_empty ? std::string() : out.text();
}

}  // namespace

Result<NetworkConfig> parse_network(std::string_view json) {
  TRY_ASSIGN(ParsedNetwork parsed, parse(json));
  return with_plugins(std::move(parsed));
}

Result<NetworkConfig> load_network(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path, kMaxConfig));
  auto loaded = [&]() -> Result<NetworkConfig> {
    TRY_ASSIGN(ParsedNetwork parsed, parse(text));
    if (!parsed.only_inlined) {
      std::size_t slash = path.rfind('/');
      std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
      TRY_ASSIGN(std::vector<std::string> files,
                 files_of(cat(folder, "/", parsed.config.name), {".conf"}));
      for (const std::string& file : files) {
        TRY_ASSIGN(PluginConfig plugin, load_plugin(file));
        parsed.config.plugins.push_back(std::move(plugin));
      }
    }
    return with_plugins(std::move(parsed));
  }();
  if (!loaded) return fail(std::move(loaded).error().add_context(cat("read ", quoted(path))));
  return loaded;
}

Result<std::vector<std::string>> network_files(const std::string& folder) {
  return files_of(folder, {".conf", ".conflist", ".json"});
}

Result<NetworkConfig> find_network(const std::string& folder, std::string_view name) {
  TRY_ASSIGN(std::vector<std::string> files, network_files(folder));
  std::optional<Error> fault;
  for (const std::string& file : files) {
    auto loaded = load_network(file);
    if (loaded && (name.empty() || loaded->name == name)) return loaded;
    if (!loaded && !fault) fault = std::move(loaded).error();
  }
  if (fault) return fail(std::move(*fault));
  return fail(Code::kNotFound, name.empty()
                                   ? cat("no network configuration in ", quoted(folder))
                                   : cat("no network ", quoted(name), " in ", quoted(folder)));
}

std::string network_text(const NetworkConfig& config) {
  JsonWriter out;
  out.begin_object().member("cniVersion", config.version.text());
  if (config.versions.size() > 1) {
    out.key("cniVersions").begin_array();
    for (const Version& version : config.versions) out.string(version.text());
    out.end_array();
  }
  out.member("name", config.name);
  if (config.disable_check) out.member_boolean("disableCheck", true);
  if (config.disable_gc) out.member_boolean("disableGC", true);
  out.member_boolean("loadOnlyInlinedPlugins", true);
  out.key("plugins").begin_array();
  for (const PluginConfig& plugin : config.plugins) out.raw(plugin.text);
  out.end_array().end_object();
  return out.text();
}

bool is_plain_name(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  return !text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos &&
         std::string_view("_.-").find(text.front()) == std::string_view::npos;
}

bool is_interface_name(std::string_view text) {
  constexpr std::size_t kLongest = 15;
  return !text.empty() && text.size() <= kLongest && text != "." && text != ".." &&
         text.find_first_of("/: \t\r\n\v\f") == std::string_view::npos;
}

std::string plugin_input(const NetworkConfig& network, const PluginConfig& plugin,
                         const PluginInput& input) {
  constexpr std::array<std::string_view, 5> kOurs = {"name", "cniVersion", "capabilities",
                                                     "prevResult", "cni.dev/valid-attachments"};
  std::string runtime = runtime_config(plugin, input.capabilities);
  JsonWriter out;
  out.begin_object();
  // It was made by value_json().
  auto document = oci::JsonDocument::parse(plugin.text);
  for (std::size_t i = 0; document && i < document->root().size(); ++i) {
    oci::JsonMember member = document->root().member(i);
    if (std::ranges::find(kOurs, member.name) != kOurs.end()) continue;
    if (member.name == "runtimeConfig" && !runtime.empty()) continue;
    out.key(member.name);
    oci::copy_value(out, member.value);
  }
  out.member("cniVersion", network.version.text()).member("name", network.name);
  if (!runtime.empty()) out.key("runtimeConfig").raw(runtime);
  if (!input.previous.empty()) out.key("prevResult").raw(input.previous);
  if (!input.valid_attachments.empty()) {
    out.key("cni.dev/valid-attachments").raw(input.valid_attachments);
  }
  out.end_object();
  return out.text();
}

}  // namespace dhow::cni
