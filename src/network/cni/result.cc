// SPDX-License-Identifier: Apache-2.0
#include "network/cni/result.h"

#include <algorithm>
#include <arpa/inet.h>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_reader.h"

namespace dhow::cni {
namespace {

using oci::JsonReader;
using oci::JsonWriter;
using oci::optional_member;

constexpr Version kInterfacesSince{0, 3, 0};
constexpr Version kNoFamilySince{1, 0, 0};

bool is_of_family(int family, const std::string& text) {
  unsigned char bytes[16];
  return ::inet_pton(family, text.c_str(), bytes) == 1;
}

bool is_six(std::string_view address) { return address.find(':') != std::string_view::npos; }

// An address that may be missing; plugins write an empty text for that as well.
void decode_address(const JsonReader& in, std::string_view name, std::string& out) {
  optional_member(in, name, out);
  if (!out.empty() && !is_address(out)) in.member(name).fail("not an address");
}

void decode_network(const JsonReader& in, std::string_view name, std::string& out) {
  oci::required_member(in, name, out);
  if (!out.empty() && !is_address_with_length(out)) {
    in.member(name).fail("not an address with the length of its network's part");
  }
}

// Those of versions before 0.3.0: an address of each family, with the routes beside it.
void decode_old_address(const JsonReader& in, AddResult& out) {
  if (!in.present()) return;
  IpConfig ip;
  decode_network(in, "ip", ip.address);
  decode_address(in, "gateway", ip.gateway);
  out.ips.push_back(std::move(ip));
  std::vector<Route> routes;
  optional_member(in, "routes", routes);
  std::ranges::move(routes, std::back_inserter(out.routes));
}

void member_unless_empty(JsonWriter& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out.member(name, value);
}

template <typename Number>
void member_if_set(JsonWriter& out, std::string_view name, const std::optional<Number>& value) {
  if (value) out.member_number(name, *value);
}

void write_texts(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  out.key(name).begin_array();
  for (const std::string& text : texts) out.string(text);
  out.end_array();
}

void write_dns(JsonWriter& out, const Dns& dns) {
  out.key("dns").begin_object();
  write_texts(out, "nameservers", dns.nameservers);
  member_unless_empty(out, "domain", dns.domain);
  write_texts(out, "search", dns.search);
  write_texts(out, "options", dns.options);
  out.end_object();
}

void write_route(JsonWriter& out, const Route& route, const Version& version) {
  out.begin_object().member("dst", route.dst);
  member_unless_empty(out, "gw", route.gw);
  if (version >= kGcSince) {
    member_if_set(out, "mtu", route.mtu);
    member_if_set(out, "advmss", route.advmss);
    member_if_set(out, "priority", route.priority);
    member_if_set(out, "table", route.table);
    member_if_set(out, "scope", route.scope);
  }
  out.end_object();
}

// The first address of each family, and the routes of that family.
void write_old_addresses(JsonWriter& out, const AddResult& result, const Version& version) {
  for (bool six : {false, true}) {
    auto ip = std::ranges::find_if(
        result.ips, [six](const IpConfig& one) { return is_six(one.address) == six; });
    if (ip == result.ips.end()) continue;
    out.key(six ? "ip6" : "ip4").begin_object().member("ip", ip->address);
    member_unless_empty(out, "gateway", ip->gateway);
    out.key("routes").begin_array();
    for (const Route& route : result.routes) {
      if (is_six(route.dst) == six) write_route(out, route, version);
    }
    out.end_array().end_object();
  }
}

void write_interface(JsonWriter& out, const Interface& interface, const Version& version) {
  out.begin_object().member("name", interface.name);
  member_unless_empty(out, "mac", interface.mac);
  if (version >= kGcSince) member_if_set(out, "mtu", interface.mtu);
  member_unless_empty(out, "sandbox", interface.sandbox);
  if (version >= kGcSince) {
    member_unless_empty(out, "socketPath", interface.socket_path);
    member_unless_empty(out, "pciID", interface.pci_id);
  }
  out.end_object();
}

}  // namespace

void decode(const JsonReader& in, Route& out) {
  decode_network(in, "dst", out.dst);
  decode_address(in, "gw", out.gw);
  optional_member(in, "mtu", out.mtu);
  optional_member(in, "advmss", out.advmss);
  optional_member(in, "priority", out.priority);
  optional_member(in, "table", out.table);
  optional_member(in, "scope", out.scope);
}

void decode(const JsonReader& in, Interface& out) {
  optional_member(in, "name", out.name);
  optional_member(in, "mac", out.mac);
  optional_member(in, "mtu", out.mtu);
  optional_member(in, "sandbox", out.sandbox);
  optional_member(in, "socketPath", out.socket_path);
  optional_member(in, "pciID", out.pci_id);
}

void decode(const JsonReader& in, IpConfig& out) {
  decode_network(in, "address", out.address);
  decode_address(in, "gateway", out.gateway);
  std::optional<std::int64_t> index;
  optional_member(in, "interface", index);
  // Some write -1 for none.
  if (index && *index >= 0) out.interface = static_cast<std::size_t>(*index);
}

void decode(const JsonReader& in, Dns& out) {
  optional_member(in, "nameservers", out.nameservers);
  optional_member(in, "domain", out.domain);
  optional_member(in, "search", out.search);
  optional_member(in, "options", out.options);
}

void decode(const JsonReader& in, AddResult& out) {
  if (!in.expect(oci::JsonKind::kObject)) return;
  std::string version;
  optional_member(in, "cniVersion", version);
  if (!version.empty()) {
    auto parsed = parse_version(version);
    if (!parsed || !is_known(*parsed)) {
      return in.member("cniVersion").fail(cat("unknown version ", quoted(version)));
    }
    out.version = *parsed;
  }
  optional_member(in, "dns", out.dns);
  if (out.version < kInterfacesSince) {
    decode_old_address(in.member("ip4"), out);
    decode_old_address(in.member("ip6"), out);
    return;
  }
  optional_member(in, "interfaces", out.interfaces);
  optional_member(in, "ips", out.ips);
  optional_member(in, "routes", out.routes);
  for (const IpConfig& ip : out.ips) {
    if (ip.interface && *ip.interface >= out.interfaces.size()) {
      return in.member("ips").fail(
          cat("interface ", *ip.interface, " of ", out.interfaces.size(), " interfaces"));
    }
  }
}

Result<AddResult> parse_result(std::string_view json, const Version& otherwise) {
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(json));
  std::optional<Error> fault;
  AddResult result;
  result.version = otherwise;
  decode(JsonReader(document.root(), &fault), result);
  if (fault) return fail(std::move(*fault));
  return result;
}

std::string result_text(const AddResult& result, const Version& version) {
  JsonWriter out;
  out.begin_object().member("cniVersion", version.text());
  if (version < kInterfacesSince) {
    write_old_addresses(out, result, version);
    write_dns(out, result.dns);
    out.end_object();
    return out.text();
  }
  out.key("interfaces").begin_array();
  for (const Interface& interface : result.interfaces) write_interface(out, interface, version);
  out.end_array().key("ips").begin_array();
  for (const IpConfig& ip : result.ips) {
    out.begin_object();
    if (version < kNoFamilySince) out.member("version", is_six(ip.address) ? "6" : "4");
    out.member("address", ip.address);
    member_unless_empty(out, "gateway", ip.gateway);
    if (ip.interface) out.member_number("interface", static_cast<std::int64_t>(*ip.interface));
    out.end_object();
  }
  out.end_array().key("routes").begin_array();
  for (const Route& route : result.routes) write_route(out, route, version);
  out.end_array();
  write_dns(out, result.dns);
  out.end_object();
  return out.text();
}

bool is_address(std::string_view text) {
  std::string copy(text);
  return is_of_family(AF_INET, copy) || is_of_family(AF_INET6, copy);
}

bool is_address_with_length(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || !is_address(text.substr(0, slash))) return false;
  auto bits = parse_number<int>(text.substr(slash + 1));
  return bits && *bits >= 0 && *bits <= (is_six(text) ? 128 : 32);
}

}  // namespace dhow::cni
