// SPDX-License-Identifier: Apache-2.0
// network and volume.
#include <algorithm>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/network_pools.h"
#include "cli/output_verbs.h"
#include "cli/tables.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;
using enum FlagKind;

std::string named_path(std::string_view kind, std::string_view name, std::string_view rest = {}) {
  return cat("/", kind, "/", client::percent_encoded(name), rest);
}

template <std::size_t kSize>
Value member_text(JsonValue row, const char (&name)[kSize]) {
  return text_member(row, std::string_view(name, kSize - 1));
}

template <std::size_t kSize>
Value member_flag(JsonValue row, const char (&name)[kSize], bool absent = false) {
  return row.find(std::string_view(name, kSize - 1)).as_boolean().value_or(absent) ? "true"
                                                                                   : "false";
}

// "2026-11-22 19:54:08.715127659 +0000 UTC", as Go prints a time that it has read.
std::string go_time_of(std::string_view text) {
  std::int64_t nanoseconds = 0;
  auto seconds = parse_rfc3339(text, &nanoseconds);
  if (!seconds) return std::string(text);
  std::string whole = go_time_text(*seconds);
  if (nanoseconds == 0) return whole;
  std::string fraction = cat(nanoseconds);
  fraction.insert(0, 9 - fraction.size(), '0');
  while (fraction.ends_with('0')) fraction.pop_back();
  return whole.insert(std::string_view("2026-11-22 19:54:08").size(), "." + fraction);
}

constexpr Column kNetworkColumns[] = {
    {"CreatedAt", "CREATED AT",
     [](JsonValue row, const RowOptions&) -> Value {
       return go_time_of(text_member(row, "Created"));
     }},
    {"Driver", "DRIVER",
     [](JsonValue row, const RowOptions&) { return member_text(row, "Driver"); }},
    {"ID", "NETWORK ID",
     [](JsonValue row, const RowOptions& options) -> Value {
       return options.truncate ? short_id(text_member(row, "Id")) : text_member(row, "Id");
     }},
    {"IPv4", "IPV4",
     [](JsonValue row, const RowOptions&) { return member_flag(row, "EnableIPv4"); }},
    {"IPv6", "IPV6",
     [](JsonValue row, const RowOptions&) { return member_flag(row, "EnableIPv6"); }},
    {"Internal", "INTERNAL",
     [](JsonValue row, const RowOptions&) { return member_flag(row, "Internal"); }},
    {"Labels", "LABELS",
     [](JsonValue row, const RowOptions&) -> Value { return labels_text(row.find("Labels")); }},
    {"Name", "NAME", [](JsonValue row, const RowOptions&) { return member_text(row, "Name"); }},
    {"Scope", "SCOPE", [](JsonValue row, const RowOptions&) { return member_text(row, "Scope"); }},
};

Value not_there(JsonValue, const RowOptions&) { return "N/A"; }

constexpr Column kVolumeColumns[] = {
    {"Availability", "AVAILABILITY", not_there},
    {"Driver", "DRIVER",
     [](JsonValue row, const RowOptions&) { return member_text(row, "Driver"); }},
    {"Group", "GROUP", not_there},
    {"Labels", "LABELS",
     [](JsonValue row, const RowOptions&) -> Value { return labels_text(row.find("Labels")); }},
    {"Links", "LINKS",
     [](JsonValue row, const RowOptions&) -> Value {
       JsonValue usage = row.find("UsageData");
       return usage.is_null() ? std::string("N/A") : cat(number_member(usage, "RefCount"));
     }},
    {"Mountpoint", "MOUNTPOINT",
     [](JsonValue row, const RowOptions&) { return member_text(row, "Mountpoint"); }},
    {"Name", "VOLUME NAME",
     [](JsonValue row, const RowOptions&) { return member_text(row, "Name"); }},
    {"Scope", "SCOPE", [](JsonValue row, const RowOptions&) { return member_text(row, "Scope"); }},
    {"Size", "SIZE",
     [](JsonValue row, const RowOptions&) -> Value {
       JsonValue usage = row.find("UsageData");
       return usage.is_null() ? std::string("N/A")
                              : human_size(static_cast<double>(number_member(usage, "Size")));
     }},
    {"Status", "STATUS", not_there},
};

std::optional<Value> object_label(JsonValue row, std::string_view name, std::string_view argument) {
  if (name != "Label") return std::nullopt;
  return Value(text_member(row.find("Labels"), argument));
}

constexpr RowKind kNetworkRows{"*network.networkContext", kNetworkColumns, object_label};
constexpr RowKind kVolumeRows{"*formatter.volumeContext", kVolumeColumns, object_label};

struct ListKind {
  std::string_view path;
  std::string_view member;  // of the answer; "": it is the list
  std::string_view config_format;
  std::string_view table;
  std::string_view quiet;
  const RowKind& rows;
};

Result<int> run_list(Session& session, const Arguments& arguments, const ListKind& kind) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string_view text = arguments.string("format");
  auto configured = config->formats.find(std::string(kind.config_format));
  bool quiet = arguments.boolean("quiet");
  if (text.empty() && configured != config->formats.end() && !quiet) text = configured->second;
  if (quiet && (text.empty() || text == "table" || text == "raw")) text = kind.quiet;
  TRY_ASSIGN(RowFormat format, RowFormat::make(text, kind.table));
  client::Call call;
  call.path = kind.path;
  call.query.add_given("filters", filters_text(arguments.list("filter")));
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  JsonValue list = kind.member.empty() ? document.root() : document.root().find(kind.member);
  std::vector<JsonValue> rows;
  for (std::size_t i = 0; i < list.size(); ++i) rows.push_back(list.item(i));
  std::ranges::stable_sort(rows, {}, [](JsonValue row) { return text_member(row, "Name"); });
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  TRY_ASSIGN(std::string output, format.render(kind.rows, rows, options));
  session.print(output);
  return 0;
}

Result<int> run_network_list(Session& session, const Arguments& arguments) {
  return run_list(session, arguments,
                  {"/networks", "", "networksFormat", "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
                   "{{.ID}}", kNetworkRows});
}

Result<int> run_volume_list(Session& session, const Arguments& arguments) {
  return run_list(
      session, arguments,
      {"/volumes", "Volumes", "volumesFormat", "{{.Driver}}\t{{.Name}}", "{{.Name}}", kVolumeRows});
}

Result<int> remove_each(Session& session, const Arguments& arguments, std::string_view kind) {
  TRY_ASSIGN(client::Client * client, session.client());
  bool force = arguments.boolean("force");
  EachName each(session);
  for (std::string_view name : arguments.positionals()) {
    client::Call call;
    call.method = "DELETE";
    call.path = named_path(kind, name);
    if (kind == "volumes") call.query.add_switch("force", force);
    auto status = client->call_status(std::move(call));
    if (status || (force && status.error().code() == Code::kNotFound)) {
      each.done(name);
    } else {
      each.failed(status.error());
    }
  }
  return each.finish();
}

Result<int> run_network_rm(Session& session, const Arguments& arguments) {
  return remove_each(session, arguments, "networks");
}
Result<int> run_volume_rm(Session& session, const Arguments& arguments) {
  return remove_each(session, arguments, "volumes");
}

Result<int> run_volume_create(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  oci::JsonWriter json;
  json.begin_object()
      .member("Name", arguments.positional(0))
      .member("Driver", arguments.string("driver", "local"));
  write_map(json, "DriverOpts", arguments.list("opt"));
  write_map(json, "Labels", arguments.list("label"));
  json.end_object();
  TRY_ASSIGN(std::string answer,
             client->call({.method = "POST", .path = "/volumes/create", .body = json.text()}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  session.print_line(text_member(document.root(), "Name"));
  return 0;
}

Result<int> run_network_create(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  oci::JsonWriter json;
  json.begin_object()
      .member("Name", arguments.positional(0))
      .member("Driver", arguments.string("driver", "bridge"));
  json.member_boolean("CheckDuplicate", true);
  if (auto scope = arguments.string("scope"); !scope.empty()) json.member("Scope", scope);
  struct Switch {
    std::string_view flag;
    std::string_view member;
  };
  for (const Switch& one : {Switch{"attachable", "Attachable"}, Switch{"config-only", "ConfigOnly"},
                            Switch{"ingress", "Ingress"}, Switch{"internal", "Internal"},
                            Switch{"ipv4", "EnableIPv4"}, Switch{"ipv6", "EnableIPv6"}}) {
    if (arguments.has(one.flag)) json.member_boolean(one.member, arguments.boolean(one.flag));
  }
  if (auto from = arguments.string("config-from"); !from.empty()) {
    json.key("ConfigFrom").begin_object().member("Network", from).end_object();
  }
  write_map(json, "Options", arguments.list("opt"));
  write_map(json, "Labels", arguments.list("label"));
  TRY(write_pools(arguments, json));
  json.end_object();
  TRY_ASSIGN(std::string answer,
             client->call({.method = "POST", .path = "/networks/create", .body = json.text()}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  if (std::string warning = text_member(document.root(), "Warning"); !warning.empty()) {
    session.complain_line("WARNING: " + warning);
  }
  session.print_line(text_member(document.root(), "Id"));
  return 0;
}

Result<int> run_network_connect(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  oci::JsonWriter json;
  json.begin_object()
      .member("Container", arguments.positional(1))
      .key("EndpointConfig")
      .begin_object();
  std::string_view ip = arguments.string("ip");
  std::string_view ip6 = arguments.string("ip6");
  auto local = arguments.list("link-local-ip");
  if (!ip.empty() || !ip6.empty() || !local.empty()) {
    json.key("IPAMConfig").begin_object();
    if (!ip.empty()) json.member("IPv4Address", ip);
    if (!ip6.empty()) json.member("IPv6Address", ip6);
    write_strings(json, "LinkLocalIPs", local);
    json.end_object();
  }
  write_strings(json, "Links", arguments.list("link"));
  write_strings(json, "Aliases", arguments.list("alias"));
  write_map(json, "DriverOpts", arguments.list("driver-opt"));
  if (arguments.has("gw-priority"))
    json.member_number("GwPriority", arguments.integer("gw-priority"));
  json.end_object().end_object();
  TRY(client->call_status({.method = "POST",
                           .path = named_path("networks", arguments.positional(0), "/connect"),
                           .body = json.text()}));
  return 0;
}

Result<int> run_network_disconnect(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  oci::JsonWriter json;
  json.begin_object()
      .member("Container", arguments.positional(1))
      .member_boolean("Force", arguments.boolean("force"));
  json.end_object();
  TRY(client->call_status({.method = "POST",
                           .path = named_path("networks", arguments.positional(0), "/disconnect"),
                           .body = json.text()}));
  return 0;
}

constexpr std::string_view kObjectFormatHelp =
    "\"table\", \"table TEMPLATE\", \"json\", or a template of Go";

constexpr Flag kListFlags[] = {
    {"filter", kFilter, 'f', "KEY=VALUE", "only those that match"},
    {"format", kString, 0, "FORMAT", kObjectFormatHelp},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
    {"quiet", kBool, 'q', "", "ids or names alone"},
};
constexpr Flag kNetworkCreateFlags[] = {
    {"attachable", kBool, 0, "", "containers may be connected by hand"},
    {"aux-address", kList, 0, "NAME=IP", "address that is not given away"},
    {"config-from", kString, 0, "NETWORK", "network to take the settings of", "networks"},
    {"config-only", kBool, 0, "", "settings for other networks alone"},
    {"driver", kString, 'd', "NAME", "driver (default: bridge)"},
    {"gateway", kList, 0, "IP", "gateway of a subnet"},
    {"ingress", kBool, 0, "", "for swarms alone", "", true},
    {"internal", kBool, 0, "", "no way out of it"},
    {"ip-range", kList, 0, "CIDR", "part of a subnet that addresses are taken from"},
    {"ipam-driver", kString, 0, "NAME", "driver that gives addresses away"},
    {"ipam-opt", kList, 0, "KEY=VALUE", "option of that driver"},
    {"ipv4", kBool, 0, "", "give IPv4 addresses (default: true)"},
    {"ipv6", kBool, 0, "", "give IPv6 addresses"},
    {"label", kList, 0, "KEY[=VALUE]", "label"},
    {"opt", kList, 'o', "KEY=VALUE", "option of the driver"},
    {"scope", kString, 0, "SCOPE", "for swarms alone", "", true},
    {"subnet", kList, 0, "CIDR", "subnet"},
};
constexpr Flag kConnectFlags[] = {
    {"alias", kList, 0, "NAME", "one more name of the container on the network"},
    {"driver-opt", kList, 0, "KEY=VALUE", "option of the driver"},
    {"gw-priority", kInt, 0, "N", "the network with the highest gives the default gateway"},
    {"ip", kString, 0, "IP", "IPv4 address"},
    {"ip6", kString, 0, "IP", "IPv6 address"},
    {"link", kList, 0, "NAME[:ALIAS]", "link to another container", "containers"},
    {"link-local-ip", kList, 0, "IP", "link-local address"},
};
constexpr Flag kDisconnectFlags[] = {
    {"force", kBool, 'f', "", "although the container is in the way"}};
constexpr Flag kRemoveFlags[] = {{"force", kBool, 'f', "", "one that is gone is no failure"}};
constexpr Flag kInspectNetworkFlags[] = {
    {"format", kString, 'f', "FORMAT", "\"json\" or a template of Go"},
    {"verbose", kBool, 'v', "", "tell more"},
};
constexpr Flag kInspectVolumeFlags[] = {
    {"format", kString, 'f', "FORMAT", "\"json\" or a template of Go"}};
constexpr Flag kVolumeCreateFlags[] = {
    {"driver", kString, 'd', "NAME", "driver (default: local)"},
    {"label", kList, 0, "KEY[=VALUE]", "label"},
    {"opt", kList, 'o', "KEY=VALUE", "option of the driver"},
};

constexpr Command kObjectCommands[] = {
    {.names = "network ls|network list",
     .summary = "List networks",
     .usage = "[OPTIONS]",
     .handler = run_network_list,
     .flags = kListFlags},
    {.names = "network create",
     .summary = "Create a network",
     .usage = "[OPTIONS] NETWORK",
     .handler = run_network_create,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kNetworkCreateFlags},
    {.names = "network connect",
     .summary = "Connect a container to a network",
     .usage = "[OPTIONS] NETWORK CONTAINER",
     .handler = run_network_connect,
     .min_arguments = 2,
     .max_arguments = 2,
     .flags = kConnectFlags,
     .completion = "networks"},
    {.names = "network disconnect",
     .summary = "Disconnect a container from a network",
     .usage = "[OPTIONS] NETWORK CONTAINER",
     .handler = run_network_disconnect,
     .min_arguments = 2,
     .max_arguments = 2,
     .flags = kDisconnectFlags,
     .completion = "networks"},
    {.names = "network inspect",
     .summary = "Show everything about one or more networks",
     .usage = "[OPTIONS] NETWORK [NETWORK...]",
     .handler = run_inspect_network,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kInspectNetworkFlags,
     .completion = "networks"},
    {.names = "network rm|network remove",
     .summary = "Remove one or more networks",
     .usage = "[OPTIONS] NETWORK [NETWORK...]",
     .handler = run_network_rm,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kRemoveFlags,
     .completion = "networks"},
    {.names = "volume ls|volume list",
     .summary = "List volumes",
     .usage = "[OPTIONS]",
     .handler = run_volume_list,
     .flags = kListFlags},
    {.names = "volume create",
     .summary = "Create a volume",
     .usage = "[OPTIONS] [VOLUME]",
     .handler = run_volume_create,
     .max_arguments = 1,
     .flags = kVolumeCreateFlags},
    {.names = "volume inspect",
     .summary = "Show everything about one or more volumes",
     .usage = "[OPTIONS] VOLUME [VOLUME...]",
     .handler = run_inspect_volume,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kInspectVolumeFlags,
     .completion = "volumes"},
    {.names = "volume rm|volume remove",
     .summary = "Remove one or more volumes",
     .usage = "[OPTIONS] VOLUME [VOLUME...]",
     .handler = run_volume_rm,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kRemoveFlags,
     .completion = "volumes"},
};

}  // namespace

std::span<const Command> object_commands() { return kObjectCommands; }

}  // namespace dhow::cli
