// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"
#include "cli/units.h"
#include "oci/reference.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

constexpr std::string_view kTable =
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
constexpr std::string_view kRaw =
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: "
    "{{.CreatedAt}}\nstate: {{.State}}\n"
    "status: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{- pad .Ports 1 0}}\n";

Value id_of(JsonValue row, const RowOptions& options) {
  std::string id = text_member(row, "Id");
  return options.truncate ? short_id(id) : id;
}

Value names_of(JsonValue row, const RowOptions& options) {
  std::vector<std::string> names;
  JsonValue all = row.find("Names");
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string name(all.item(i).as_string().value_or(""));
    if (name.starts_with('/')) name.erase(0, 1);
    // A second slash: the name is a link of another container.
    if (options.truncate && name.find('/') != std::string::npos) continue;
    names.push_back(std::move(name));
  }
  return join(names, ",");
}

Value image_of(JsonValue row, const RowOptions& options) {
  std::string image = text_member(row, "Image");
  if (image.empty()) return "<no image>";
  if (!options.truncate) return image;
  if (short_id(text_member(row, "ImageID")) == short_id(image)) return short_id(image);
  auto reference = oci::parse_reference(image);
  if (reference && !reference->tag.empty() && !reference->digest.empty()) {
    reference->digest = {};
    return reference->familiar();
  }
  return image;
}

Value command_of(JsonValue row, const RowOptions& options) {
  std::string command = text_member(row, "Command");
  return go_quoted(options.truncate ? ellipsis(command, 20) : command);
}

Value size_of(JsonValue row, const RowOptions&) {
  std::string text = human_size(static_cast<double>(number_member(row, "SizeRw")), 3);
  std::int64_t whole = number_member(row, "SizeRootFs");
  if (whole > 0) text += cat(" (virtual ", human_size(static_cast<double>(whole), 3), ")");
  return text;
}

Value mounts_of(JsonValue row, const RowOptions& options) {
  std::vector<std::string> names;
  JsonValue mounts = row.find("Mounts");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    std::string name = text_member(mounts.item(i), "Name");
    if (name.empty()) name = text_member(mounts.item(i), "Source");
    names.push_back(options.truncate ? ellipsis(name, 15) : name);
  }
  return join(names, ",");
}

Value volumes_of(JsonValue row, const RowOptions&) {
  std::int64_t count = 0;
  JsonValue mounts = row.find("Mounts");
  for (std::size_t i = 0; i < mounts.size(); ++i)
    count += text_member(mounts.item(i), "Driver") == "local" ? 1 : 0;
  return cat(count);
}

Value networks_of(JsonValue row, const RowOptions&) {
  std::vector<std::string> names;
  JsonValue networks = row.find("NetworkSettings").find("Networks");
  for (std::size_t i = 0; i < networks.size(); ++i) names.emplace_back(networks.member(i).name);
  std::ranges::sort(names);
  return join(names, ",");
}

Value platform_of(JsonValue row, const RowOptions&) {
  return value_from_json(row.find("ImageManifestDescriptor").find("platform"));
}

Value age_of(JsonValue row, const RowOptions&) {
  return human_duration(unix_now() - number_member(row, "Created")) + " ago";
}

constexpr Column kColumns[] = {
    {"Command", "COMMAND", command_of},
    {"CreatedAt", "CREATED AT",
     [](JsonValue row, const RowOptions&) -> Value {
       return go_time_text(number_member(row, "Created"));
     }},
    {"ID", "CONTAINER ID", id_of},
    {"Image", "IMAGE", image_of},
    {"Labels", "LABELS",
     [](JsonValue row, const RowOptions&) -> Value { return labels_text(row.find("Labels")); }},
    {"LocalVolumes", "LOCAL VOLUMES", volumes_of},
    {"Mounts", "MOUNTS", mounts_of},
    {"Names", "NAMES", names_of},
    {"Networks", "NETWORKS", networks_of},
    {"Platform", "PLATFORM", platform_of},
    {"Ports", "PORTS",
     [](JsonValue row, const RowOptions&) -> Value { return ports_text(row.find("Ports")); }},
    {"RunningFor", "CREATED", age_of},
    {"Size", "SIZE", size_of},
    {"State", "STATE",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "State"); }},
    {"Status", "STATUS",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "Status"); }},
};

std::optional<Value> label_of(JsonValue row, std::string_view name, std::string_view argument) {
  if (name != "Label") return std::nullopt;
  return Value(text_member(row.find("Labels"), argument));
}

// One port of a container, published or not.
struct Port {
  std::int64_t inside = 0;
  std::string ip;
  std::int64_t outside = 0;
  std::string protocol;
  auto operator<=>(const Port&) const = default;
};

// Ports in a row of one address and protocol.
struct PortGroup {
  std::string ip;
  std::string protocol;
  std::int64_t first;
  std::int64_t last;
};

std::string address_text(const std::string& ip) {
  return ip.find(':') != std::string::npos ? cat("[", ip, "]") : ip;
}

std::string group_text(const PortGroup& group) {
  std::string range = cat(group.first);
  if (group.last != group.first) range += cat("-", group.last);
  if (!group.ip.empty()) range = cat(address_text(group.ip), ":", range, "->", range);
  return cat(range, "/", group.protocol);
}

}  // namespace

std::string ports_text(JsonValue list) {
  std::vector<Port> ports;
  for (std::size_t i = 0; i < list.size(); ++i) {
    JsonValue one = list.item(i);
    ports.push_back({number_member(one, "PrivatePort"), text_member(one, "IP"),
                     number_member(one, "PublicPort"), text_member(one, "Type")});
  }
  std::ranges::sort(ports);
  std::vector<std::string> broken_off;
  std::vector<std::string> mapped;
  std::vector<PortGroup> groups;
  for (const Port& port : ports) {
    if (!port.ip.empty() && port.outside != port.inside) {
      mapped.push_back(
          cat(address_text(port.ip), ":", port.outside, "->", port.inside, "/", port.protocol));
      continue;
    }
    auto group = std::ranges::find_if(groups, [&](const PortGroup& one) {
      return one.ip == port.ip && one.protocol == port.protocol;
    });
    if (group == groups.end()) {
      groups.push_back({port.ip, port.protocol, port.inside, port.inside});
    } else if (port.inside == group->last + 1) {
      group->last = port.inside;
    } else {
      broken_off.push_back(group_text(*group));
      group->first = group->last = port.inside;
    }
  }
  std::vector<std::string> all = std::move(broken_off);
  for (const PortGroup& group : groups) all.push_back(group_text(group));
  all.insert(all.end(), mapped.begin(), mapped.end());
  return join(all, ", ");
}

const RowKind& container_rows() {
  static constexpr RowKind kKind{"*formatter.ContainerContext", kColumns, label_of};
  return kKind;
}

Result<int> run_ps(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string_view text = arguments.string("format");
  auto configured = config->formats.find("psFormat");
  if (text.empty() && configured != config->formats.end() && !arguments.boolean("quiet"))
    text = configured->second;
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  options.with_size = arguments.boolean("size");
  std::string table = options.with_size ? cat(kTable, "\t{{.Size}}") : std::string(kTable);
  if (arguments.boolean("quiet")) {
    bool plain = text.empty() || text == "table" || text == "raw";
    text = plain ? std::string_view("{{.ID}}") : text;
  }
  TRY_ASSIGN(
      RowFormat format,
      RowFormat::make(text, table, options.with_size ? cat(kRaw, "size: {{.Size}}\n") : kRaw));
  bool size = options.with_size || format.mentions("Size") || format.wants_all();
  std::int64_t last = arguments.boolean("latest") ? 1 : arguments.integer("last", -1);
  client::Call call;
  call.path = "/containers/json";
  call.query.add_switch("all", arguments.boolean("all")).add_switch("size", size);
  if (last > 0) call.query.add("limit", cat(last));
  call.query.add_given("filters", filters_text(arguments.list("filter")));
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  std::string rows;
  TRY(exchange.read_items([&](std::string_view item) -> Status {
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(item));
    return format.append(container_rows(), document.root(), options, rows);
  }));
  TRY_ASSIGN(std::string output, format.finish(container_rows(), std::move(rows)));
  session.print(output);
  return 0;
}

}  // namespace dhow::cli
