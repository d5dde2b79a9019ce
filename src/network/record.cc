// SPDX-License-Identifier: Apache-2.0
#include "network/record.h"

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_reader.h"

namespace dhow::network {
namespace {

using oci::JsonReader;
using oci::JsonWriter;

void write_map(JsonWriter& out, std::string_view name, const TextMap& map) {
  if (map.empty()) return;
  out.key(name).begin_object();
  for (const auto& [key, value] : map) out.member(key, value);
  out.end_object();
}

// Only what is set; `suffix` is that of the family.
template <typename Net>
void write_addressing(JsonWriter& out, const std::optional<Addressing<Net>>& addressing,
                      std::string_view suffix) {
  if (!addressing) return;
  out.member(cat("subnet", suffix), addressing->subnet.text());
  out.member(cat("gateway", suffix), addressing->gateway.text());
  if (addressing->range) out.member(cat("range", suffix), addressing->range->text());
  TextMap auxiliary;
  for (const auto& [name, address] : addressing->auxiliary) auxiliary[name] = address.text();
  write_map(out, cat("auxiliary", suffix), auxiliary);
  if (addressing->chosen) out.member_boolean(cat("chosen", suffix), true);
}

void write_settings(JsonWriter& out, const NetworkSettings& settings) {
  out.key("settings").begin_object();
  out.member_boolean("ipv4", settings.v4).member_boolean("ipv6", settings.v6);
  out.key("subnets").begin_array();
  for (const NewSubnet& subnet : settings.subnets) {
    out.begin_object().member("subnet", subnet.subnet);
    if (!subnet.range.empty()) out.member("range", subnet.range);
    if (!subnet.gateway.empty()) out.member("gateway", subnet.gateway);
    write_map(out, "auxiliary", subnet.auxiliary);
    out.end_object();
  }
  out.end_array().end_object();
}

std::string network_json(const NetworkRecord& record) {
  JsonWriter out;
  out.begin_object().member("driver", record.driver);
  if (record.is_bridge()) out.member("bridge", record.bridge);
  if (!record.parent.empty()) out.member("parent", record.parent);
  if (record.owns_parent) out.member_boolean("ownsParent", true);
  write_addressing(out, record.v4, "");
  write_addressing(out, record.v6, "6");
  if (record.internal) out.member_boolean("internal", true);
  if (record.attachable) out.member_boolean("attachable", true);
  write_map(out, "options", record.options);
  write_map(out, "ipamOptions", record.ipam_options);
  write_map(out, "labels", record.labels);
  if (!record.cni.empty()) out.member("cni", record.cni);
  if (!record.config_from.empty()) out.member("configFrom", record.config_from);
  if (record.settings) write_settings(out, *record.settings);
  out.end_object();
  return out.text();
}

void read_text(std::string_view text, std::optional<Ip4>& out) { out = parse_ip4(text); }
void read_text(std::string_view text, std::optional<Ip6>& out) { out = parse_ip6(text); }
void read_text(std::string_view text, std::optional<Ip>& out) { out = parse_ip(text); }
void read_text(std::string_view text, std::optional<Subnet4>& out) { out = parse_subnet4(text); }
void read_text(std::string_view text, std::optional<Subnet6>& out) { out = parse_subnet6(text); }

// An address or a subnet.
template <typename Value>
void decode_text(const JsonReader& in, std::string_view name, Value& out) {
  std::string text;
  oci::required_member(in, name, text);
  std::optional<Value> value;
  read_text(text, value);
  if (!value) return in.member(name).fail("not an address");
  out = *value;
}

template <typename Net>
void decode_addressing(const JsonReader& in, std::optional<Addressing<Net>>& out,
                       std::string_view suffix) {
  if (!in.member(cat("subnet", suffix)).present()) return;
  auto& addressing = out.emplace();
  decode_text(in, cat("subnet", suffix), addressing.subnet);
  decode_text(in, cat("gateway", suffix), addressing.gateway);
  std::string range = cat("range", suffix);
  if (in.member(range).present()) decode_text(in, range, addressing.range.emplace());
  TextMap auxiliary;
  oci::optional_member(in, cat("auxiliary", suffix), auxiliary);
  for (const auto& [name, text] : auxiliary) {
    std::optional<typename Addressing<Net>::Address> address;
    read_text(text, address);
    if (address) addressing.auxiliary[name] = *address;
  }
  oci::optional_member(in, cat("chosen", suffix), addressing.chosen);
}

}  // namespace

void decode(const JsonReader& in, NetworkRecord& out) {
  oci::required_member(in, "driver", out.driver);
  if (out.is_bridge()) oci::required_member(in, "bridge", out.bridge);
  oci::optional_member(in, "parent", out.parent);
  oci::optional_member(in, "ownsParent", out.owns_parent);
  decode_addressing(in, out.v4, "");
  decode_addressing(in, out.v6, "6");
  oci::optional_member(in, "internal", out.internal);
  oci::optional_member(in, "attachable", out.attachable);
  oci::optional_member(in, "options", out.options);
  oci::optional_member(in, "ipamOptions", out.ipam_options);
  oci::optional_member(in, "labels", out.labels);
  oci::optional_member(in, "cni", out.cni);
  oci::optional_member(in, "configFrom", out.config_from);
  JsonReader settings = in.member("settings");
  if (!settings.present()) return;
  out.settings.emplace();
  oci::required_member(settings, "ipv4", out.settings->v4);
  oci::required_member(settings, "ipv6", out.settings->v6);
  JsonReader subnets = settings.member("subnets");
  if (!subnets.expect(oci::JsonKind::kArray)) return;
  for (std::size_t i = 0; i < subnets.value().size(); ++i) {
    JsonReader one = subnets.item(i);
    NewSubnet& subnet = out.settings->subnets.emplace_back();
    oci::required_member(one, "subnet", subnet.subnet);
    oci::optional_member(one, "range", subnet.range);
    oci::optional_member(one, "gateway", subnet.gateway);
    oci::optional_member(one, "auxiliary", subnet.auxiliary);
  }
}

void decode(const JsonReader& in, PublishedPort& out) {
  oci::required_member(in, "protocol", out.protocol);
  oci::required_member(in, "inside", out.container_port);
  decode_text(in, "address", out.host);
  oci::required_member(in, "port", out.host_port);
  oci::optional_member(in, "direct", out.is_direct);
}

void decode(const JsonReader& in, CniEndpoint& out) {
  oci::required_member(in, "space", out.space);
  oci::optional_member(in, "address", out.address);
  oci::optional_member(in, "gateway", out.gateway);
  oci::optional_member(in, "address6", out.address6);
  oci::optional_member(in, "gateway6", out.gateway6);
}

void decode(const JsonReader& in, Endpoint& out) {
  oci::required_member(in, "id", out.id);
  oci::required_member(in, "name", out.name);
  oci::required_member(in, "mac", out.mac);
  oci::required_member(in, "outside", out.outside);
  oci::required_member(in, "inside", out.inside);
  oci::optional_member(in, "priority", out.priority);
  oci::optional_member(in, "gateway", out.is_gateway);
  oci::optional_member(in, "gateway6", out.is_gateway6);
  oci::optional_member(in, "half", out.is_half);
  oci::optional_member(in, "ports", out.ports);
  oci::optional_member(in, "cni", out.cni);
  if (out.cni) out.take_addresses_of_plugins();
}

namespace {

std::string endpoint_json(const Endpoint& endpoint) {
  JsonWriter out;
  out.begin_object().member("id", endpoint.id).member("name", endpoint.name);
  out.member("mac", endpoint.mac).member("outside", endpoint.outside);
  out.member("inside", endpoint.inside);
  if (endpoint.priority != 0) out.member_number("priority", endpoint.priority);
  if (endpoint.is_gateway) out.member_boolean("gateway", true);
  if (endpoint.is_gateway6) out.member_boolean("gateway6", true);
  if (endpoint.is_half) out.member_boolean("half", true);
  if (!endpoint.ports.empty()) {
    out.key("ports").begin_array();
    for (const PublishedPort& port : endpoint.ports) {
      out.begin_object().member("protocol", port.protocol);
      out.member_number("inside", port.container_port).member("address", port.host.text());
      out.member_number("port", port.host_port);
      if (port.is_direct) out.member_boolean("direct", true);
      out.end_object();
    }
    out.end_array();
  }
  if (endpoint.cni) {
    out.key("cni").begin_object().member("space", endpoint.cni->space);
    out.member("address", endpoint.cni->address).member("gateway", endpoint.cni->gateway);
    out.member("address6", endpoint.cni->address6).member("gateway6", endpoint.cni->gateway6);
    out.end_object();
  }
  out.end_object();
  return out.text();
}

}  // namespace

void Endpoint::take_addresses_of_plugins() {
  if (auto four = parse_address4(cni->address)) address = four->address;
  if (auto six = parse_address6(cni->address6)) address6 = six->address;
}

std::vector<Ip> Endpoint::addresses() const {
  std::vector<Ip> result;
  if (!address.is_any()) result.emplace_back(address);
  if (!address6.is_any()) result.emplace_back(address6);
  return result;
}

std::string NetworkRecord::text_option(std::string_view wanted) const {
  auto found = options.find(std::string(wanted));
  return found == options.end() ? std::string() : found->second;
}

std::optional<GatewayMode> parse_gateway_mode(std::string_view text) {
  if (text.empty() || text == "nat") return GatewayMode::kNat;
  if (text == "nat-unprotected") return GatewayMode::kUnprotected;
  if (text == "routed") return GatewayMode::kRouted;
  if (text == "isolated") return GatewayMode::kIsolated;
  return std::nullopt;
}

GatewayMode NetworkRecord::gateway_mode(bool is_v6) const {
  if (!is_bridge()) return GatewayMode::kNat;
  return parse_gateway_mode(text_option(is_v6 ? kGatewayMode6 : kGatewayMode))
      .value_or(GatewayMode::kNat);
}

std::vector<std::string> NetworkRecord::trusted_interfaces() const {
  std::vector<std::string> names;
  const std::string text = text_option(kTrusted);
  for (std::string_view one : split(text, ':')) {
    if (!one.empty()) names.emplace_back(one);
  }
  return names;
}

std::uint32_t NetworkRecord::mtu() const {
  return parse_number<std::uint32_t>(text_option(kMtu)).value_or(0);
}

bool NetworkRecord::option(std::string_view wanted, bool otherwise) const {
  return parse_bool(text_option(wanted)).value_or(otherwise);
}

Status Rows::insert(const NetworkRecord& record) const {
  TRY(transaction_.run(
      "INSERT INTO network (id, namespace, name, created, config)"
      " VALUES (?, ?, ?, ?, ?)",
      {record.id, std::string(name_space_), record.name, record.created, network_json(record)}));
  return {};
}

Status Rows::update(const NetworkRecord& record) const {
  TRY(transaction_.run("UPDATE network SET config = ? WHERE id = ?",
                       {network_json(record), record.id}));
  return {};
}

Status Rows::remove(std::string_view id) const {
  TRY(transaction_.run("DELETE FROM network WHERE id = ?", {std::string(id)}));
  return {};
}

Result<std::vector<NetworkRecord>> Rows::networks() const {
  std::vector<NetworkRecord> records;
  TRY(transaction_.query(
      "SELECT id, name, created, config FROM network WHERE namespace = ?"
      " ORDER BY created, id",
      {std::string(name_space_)}, [&](const metadata::Row& row) -> Status {
        auto record = oci::parse_as<NetworkRecord>(row.text(3));
        if (!record) {
          return fail(
              std::move(record).error().add_context(cat("the row of network ", row.text(0))));
        }
        record->id = row.text(0);
        record->name = row.text(1);
        record->created = row.integer(2);
        records.push_back(std::move(*record));
        return {};
      }));
  return records;
}

Status Rows::insert(const Endpoint& endpoint) const {
  metadata::Parameter address;
  metadata::Parameter address6;
  if (!endpoint.address.is_any()) address = static_cast<std::int64_t>(endpoint.address.value);
  if (!endpoint.address6.is_any()) address6 = endpoint.address6.text();
  TRY(transaction_.run(
      "INSERT INTO endpoint (network, container, address, address6, config)"
      " VALUES (?, ?, ?, ?, ?)",
      {endpoint.network, endpoint.container, address, address6, endpoint_json(endpoint)}));
  return {};
}

Status Rows::update(const Endpoint& endpoint) const {
  TRY(transaction_.run("UPDATE endpoint SET config = ? WHERE network = ? AND container = ?",
                       {endpoint_json(endpoint), endpoint.network, endpoint.container}));
  return {};
}

Status Rows::remove_endpoint(std::string_view network, std::string_view container) const {
  TRY(transaction_.run("DELETE FROM endpoint WHERE network = ? AND container = ?",
                       {std::string(network), std::string(container)}));
  return {};
}

Result<std::vector<Endpoint>> Rows::endpoints() const {
  std::vector<Endpoint> result;
  auto read = [&](const metadata::Row& row) -> Status {
    auto endpoint = oci::parse_as<Endpoint>(row.text(4));
    if (!endpoint) {
      return fail(std::move(endpoint).error().add_context(
          cat("the row of an endpoint of container ", row.text(1))));
    }
    endpoint->network = row.text(0);
    endpoint->container = row.text(1);
    if (!row.is_null(2)) endpoint->address.value = static_cast<std::uint32_t>(row.integer(2));
    if (!row.is_null(3)) endpoint->address6 = parse_ip6(row.text(3)).value_or(Ip6());
    result.push_back(std::move(*endpoint));
    return {};
  };
  TRY(transaction_.query(
      "SELECT e.network, e.container, e.address, e.address6, e.config FROM endpoint e"
      " JOIN network n ON n.id = e.network WHERE n.namespace = ?",
      {std::string(name_space_)}, read));
  return result;
}

}  // namespace dhow::network
