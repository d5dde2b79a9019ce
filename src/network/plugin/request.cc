// SPDX-License-Identifier: Apache-2.0
#include "network/plugin/request.h"

#include <algorithm>

#include "base/strings.h"
#include "network/cni/config.h"
#include "oci/json_copy.h"
#include "oci/json_reader.h"

namespace dhow::cni {
// Of result.cc.
void decode(const oci::JsonReader& in, Dns& out);
void decode(const oci::JsonReader& in, AddResult& out);
}  // namespace dhow::cni

namespace dhow::bridge_plugin {
namespace {

using oci::JsonReader;
using oci::optional_member;

// FNV-1a: names, nothing that somebody could gain by forging.
std::string short_digest(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(hash >> shift));
  return hex_text(bytes);
}

void decode_ip(const JsonReader& in, std::string_view name, std::optional<network::Ip4>& out) {
  std::string text;
  optional_member(in, name, text);
  if (text.empty()) return;
  out = network::parse_ip4(text);
  if (!out) in.member(name).fail("not an IPv4 address");
}

void decode_wanted(const JsonReader& in, std::vector<network::Ip4>& out) {
  std::vector<std::string> texts;
  optional_member(in, "ips", texts);
  for (const std::string& text : texts) {
    auto address = network::parse_ip4(std::string_view(text).substr(0, text.find('/')));
    if (!address) return in.member("ips").fail(cat("not an IPv4 address: ", quoted(text)));
    out.push_back(*address);
  }
}

void decode_subnet(const JsonReader& in, Config& out) {
  std::string text;
  optional_member(in, "subnet", text);
  if (!text.empty()) {
    out.subnet = network::parse_address4(text);
    if (!out.subnet || out.subnet->subnet().base != out.subnet->address ||
        out.subnet->bits > network::kSmallestSubnet4 || out.subnet->bits < 8) {
      return in.member("subnet").fail("not a subnet of IPv4 with room for a container");
    }
  }
  decode_ip(in, "gateway", out.gateway);
  decode_ip(in, "rangeStart", out.first);
  decode_ip(in, "rangeEnd", out.last);
  for (auto [name, address] :
       {std::pair("gateway", out.gateway), std::pair("rangeStart", out.first),
        std::pair("rangeEnd", out.last)}) {
    if (address && (!out.subnet || !out.subnet->subnet().contains(*address))) {
      return in.member(name).fail("not in the subnet");
    }
  }
  if (out.subnet && !out.gateway) out.gateway = network::Ip4{out.subnet->address.value + 1};
  if (out.first && out.last && *out.last < *out.first)
    in.member("rangeEnd").fail("before the first");
}

}  // namespace

void decode(const JsonReader& in, Attachment& out) {
  oci::required_member(in, "containerID", out.container);
  oci::required_member(in, "ifname", out.interface);
}

}  // namespace dhow::bridge_plugin

namespace dhow::cni {

void decode(const oci::JsonReader& in, PortMapping& out) {
  oci::optional_member(in, "hostPort", out.host_port);
  oci::required_member(in, "containerPort", out.container_port);
  oci::optional_member(in, "protocol", out.protocol);
  oci::optional_member(in, "hostIP", out.host_ip);
  out.protocol = lower_text(out.protocol);
  if (out.protocol != "tcp" && out.protocol != "udp" && out.protocol != "sctp") {
    in.member("protocol").fail(cat("unknown protocol ", quoted(out.protocol)));
  }
  if (!out.host_ip.empty() && !network::parse_ip(out.host_ip)) {
    in.member("hostIP").fail("not an address");
  }
}

}  // namespace dhow::cni

namespace dhow::bridge_plugin {

void decode(const JsonReader& in, Config& out) {
  if (!in.expect(oci::JsonKind::kObject)) return;
  std::string version;
  optional_member(in, "cniVersion", version);
  if (!version.empty()) {
    auto parsed = cni::parse_version(version);
    if (!parsed) return in.member("cniVersion").fail(cat("not a version: ", quoted(version)));
    out.version = *parsed;
  }
  oci::required_member(in, "name", out.name);
  if (!cni::is_plain_name(out.name)) return in.member("name").fail("not a network's name");
  optional_member(in, "bridge", out.bridge);
  if (!out.bridge.empty() && !cni::is_interface_name(out.bridge)) {
    return in.member("bridge").fail("not an interface's name");
  }
  optional_member(in, "dataDir", out.folder);
  if (!out.folder.starts_with('/')) return in.member("dataDir").fail("not an absolute path");
  optional_member(in, "mtu", out.mtu);
  optional_member(in, "isGateway", out.is_gateway);
  optional_member(in, "ipMasq", out.masquerade);
  optional_member(in.member("ipam"), "type", out.ipam);
  optional_member(in, "dns", out.dns);
  decode_subnet(in, out);
  JsonReader runtime = in.member("runtimeConfig");
  optional_member(runtime, "portMappings", out.ports);
  optional_member(runtime, "mac", out.mac);
  if (!out.mac.empty() && !network::parse_mac(out.mac))
    runtime.member("mac").fail("not an address");
  decode_wanted(runtime, out.wanted);
  optional_member(in, "cni.dev/valid-attachments", out.valid);
  if (in.member("prevResult").present()) {
    out.previous.emplace().version = out.version;
    decode(in.member("prevResult"), *out.previous);
  }
}

Result<Config> parse_config(std::string_view json) {
  TRY_ASSIGN(Config config, oci::parse_as<Config>(json));
  config.text = json;
  return config;
}

std::string bridge_of(const Config& config) {
  return config.bridge.empty() ? "dhc" + short_digest(config.name).substr(0, 12) : config.bridge;
}

std::string outside_of(std::string_view network, const Attachment& attachment) {
  return "dhv" + short_digest(cat(network, "/", attachment.container, "/", attachment.interface))
                     .substr(0, 12);
}

}  // namespace dhow::bridge_plugin
