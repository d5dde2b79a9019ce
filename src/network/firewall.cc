// SPDX-License-Identifier: Apache-2.0
#include "network/firewall.h"

#include <cerrno>
#include <limits>
#include <map>
#include <netinet/in.h>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "network/record.h"

namespace dhow::network {
namespace {

using nft::Batch;
using nft::Element;
using nft::Rule;
using enum nft::Rule::Name;

// Types of nft(8): what it shows the elements as. Those of a key of several parts stand beside one
// another in six bits each.
constexpr std::uint32_t kAddressType = 7;
constexpr std::uint32_t kAddressType6 = 8;
constexpr std::uint32_t kProtocolType = 12;
constexpr std::uint32_t kPortType = 13;
constexpr std::uint32_t kNameType = 41;
constexpr std::uint32_t kNameSize = 16;

constexpr std::string_view kBridges = "bridges";
constexpr std::string_view kSame = "same_bridge";
constexpr std::string_view kMasqueraded = "masqueraded";
constexpr std::string_view kInternal = "internal";
constexpr std::string_view kSelf = "to_itself";
constexpr std::string_view kPorts = "ports_of_address";
constexpr std::string_view kAnyPorts = "ports";
constexpr std::string_view kSources = "source_of";
constexpr std::string_view kTargets = "targets";
constexpr std::string_view kRouted = "routed";
constexpr std::string_view kUnprotected = "unprotected";
constexpr std::string_view kIsolated = "isolated";
constexpr std::string_view kTrusted = "trusted";
// The same of IPv6.
constexpr std::string_view kSources6 = "source6_of";
constexpr std::string_view kMasqueraded6 = "masqueraded6";
constexpr std::string_view kSelf6 = "to_itself6";
constexpr std::string_view kPorts6 = "ports6_of_address";
constexpr std::string_view kAnyPorts6 = "ports6";
constexpr std::string_view kTargets6 = "targets6";
constexpr std::string_view kRouted6 = "routed6";
constexpr std::string_view kUnprotected6 = "unprotected6";

void append_padded(std::string& key, std::string_view bytes) {
  key += bytes;
  key.resize((key.size() + 3) & ~std::size_t{3});
}

Element element_of(const FirewallPort& port) {
  Element element;
  if (!port.host.is_any()) append_padded(element.key, port.host.bytes());
  append_padded(element.key, std::string(1, static_cast<char>(port.protocol)));
  append_padded(element.key, port_bytes(port.host_port));
  append_padded(element.data, port.target.bytes());
  append_padded(element.data, port_bytes(port.target_port));
  return element;
}

std::string target_key(const FirewallPort& port) {
  std::string key;
  append_padded(key, port.target.bytes());
  append_padded(key, std::string(1, static_cast<char>(port.protocol)));
  append_padded(key, port_bytes(port.target_port));
  return key;
}

// By the name of the set.
using Elements = std::map<std::string_view, std::vector<Element>>;

void collect(const std::vector<FirewallBridge>& bridges, Elements& out) {
  for (const FirewallBridge& bridge : bridges) {
    std::string key = nft::name_key(bridge.name);
    out[kBridges].push_back({key, {}});
    out[kSame].push_back({key + key, {}});
    if (bridge.mode == GatewayMode::kIsolated) out[kIsolated].push_back({key, {}});
    if (bridge.internal) {
      out[kInternal].push_back({key, {}});
      continue;
    }
    if (bridge.masquerade && bridge.source) {
      out[kSources].push_back({key, bridge.source->bytes()});
    } else if (bridge.masquerade) {
      out[kMasqueraded].push_back({key, {}});
    }
    if (bridge.masquerade6 && bridge.source6) {
      out[kSources6].push_back({key, bridge.source6->bytes()});
    } else if (bridge.masquerade6) {
      out[kMasqueraded6].push_back({key, {}});
    }
    if (bridge.mode == GatewayMode::kRouted) out[kRouted].push_back({key, {}});
    if (bridge.mode6 == GatewayMode::kRouted) out[kRouted6].push_back({key, {}});
    if (bridge.mode == GatewayMode::kUnprotected) out[kUnprotected].push_back({key, {}});
    if (bridge.mode6 == GatewayMode::kUnprotected) out[kUnprotected6].push_back({key, {}});
    std::set<std::string> trusted(bridge.trusted.begin(), bridge.trusted.end());
    for (const std::string& name : trusted) {
      out[kTrusted].push_back({nft::name_key(name) + key, {}});
    }
  }
}

void collect(const std::vector<FirewallPort>& ports, Elements& out) {
  std::set<Ip> targets;
  std::set<std::string> open;
  for (const FirewallPort& port : ports) {
    bool is_v6 = port.target.is_v6;
    std::string target = target_key(port);
    if (open.insert(target).second) out[is_v6 ? kTargets6 : kTargets].push_back({target, {}});
    if (port.is_direct) continue;
    if (targets.insert(port.target).second) {
      std::string key = port.target.bytes();
      out[is_v6 ? kSelf6 : kSelf].push_back({key + key, {}});
    }
    if (port.host.is_any()) {
      out[is_v6 ? kAnyPorts6 : kAnyPorts].push_back(element_of(port));
    } else {
      out[is_v6 ? kPorts6 : kPorts].push_back(element_of(port));
    }
  }
}

template <typename Things>
Elements elements_of(const Things& things) {
  Elements out;
  collect(things, out);
  return out;
}

void add_all(Batch& batch, const Elements& elements) {
  for (const auto& [set, some] : elements) batch.add_elements(set, some);
}

void remove_all_of(Batch& batch, const Elements& elements) {
  for (const auto& [set, some] : elements) batch.remove_elements(set, some);
}

void add_sets(Batch& batch) {
  for (std::string_view name : {kBridges, kMasqueraded, kMasqueraded6, kInternal, kRouted, kRouted6,
                                kUnprotected, kUnprotected6, kIsolated}) {
    batch.add_set({.name = std::string(name),
                   .key_type = kNameType,
                   .key_size = kNameSize,
                   .host_order = true});
  }
  for (std::string_view name : {kSame, kTrusted}) {
    batch.add_set({.name = std::string(name),
                   .key_type = kNameType << 6 | kNameType,
                   .key_size = 2 * kNameSize});
  }
  for (bool is_v6 : {false, true}) {
    const std::uint32_t type = is_v6 ? kAddressType6 : kAddressType;
    const std::uint32_t size = is_v6 ? 16 : 4;
    const std::uint32_t target = type << 6 | kPortType;
    batch.add_set({.name = std::string(is_v6 ? kSources6 : kSources),
                   .key_type = kNameType,
                   .key_size = kNameSize,
                   .data_type = type,
                   .data_size = size,
                   .host_order = true});
    batch.add_set({.name = std::string(is_v6 ? kSelf6 : kSelf),
                   .key_type = type << 6 | type,
                   .key_size = 2 * size});
    batch.add_set({.name = std::string(is_v6 ? kPorts6 : kPorts),
                   .key_type = type << 12 | kProtocolType << 6 | kPortType,
                   .key_size = size + 8,
                   .data_type = target,
                   .data_size = size + 4});
    batch.add_set({.name = std::string(is_v6 ? kTargets6 : kTargets),
                   .key_type = type << 12 | kProtocolType << 6 | kPortType,
                   .key_size = size + 8});
    batch.add_set({.name = std::string(is_v6 ? kAnyPorts6 : kAnyPorts),
                   .key_type = kProtocolType << 6 | kPortType,
                   .key_size = 8,
                   .data_type = target,
                   .data_size = size + 4});
  }
}

void add_redirections(Batch& batch, bool is_judged) {
  batch.add_rule(Rule("to_port").ip4().dnat_by_address(kPorts));
  batch.add_rule(Rule("to_port").ip4().to_this_host().dnat_by_port(kAnyPorts));
  // There is no route_localnet in IPv6: what came back to ::1 by a bridge would be dropped.
  batch.add_rule(Rule("to_port").ip6().not_to_loopback6().dnat_by_address(kPorts6));
  batch.add_rule(Rule("to_port").ip6().not_to_loopback6().to_this_host().dnat_by_port(kAnyPorts6));
  // The host itself may call them, and so may containers.
  batch.add_rule(Rule("output").jump("to_port"));
  if (!is_judged) {
    batch.add_rule(Rule("prerouting").jump("to_port"));
    return;
  }
  batch.add_rule(Rule("raw_prerouting").is_marked(kGateMark).count_as_unicast());
  batch.add_rule(Rule("prerouting").name_in(kIncoming, kBridges).jump("to_port"));
  batch.add_rule(Rule("prerouting").is_marked(kGateMark).take_from_mark(kGateMark).jump("to_port"));
}

// What has come so far has been let pass by the host. What has been here before and was not
// redirected then goes on to the host, as the port is no longer published.
void add_judgement(Batch& batch) {
  auto rule = [](bool is_v6) {
    Rule made("input");
    made.starts().is_unmarked(kGateMark);
    return std::move(is_v6 ? made.ip6().not_to_loopback6() : made.ip4());
  };
  for (bool is_v6 : {false, true}) {
    batch.add_rule(rule(is_v6).address_in_map(is_v6 ? kPorts6 : kPorts).add_to_mark(kGateMark));
    batch.add_rule(rule(is_v6)
                       .to_this_host()
                       .port_in_map(is_v6 ? kAnyPorts6 : kAnyPorts)
                       .add_to_mark(kGateMark));
  }
}

// A copy can only be made in a table of one family.
void add_gate(Batch& batch, std::string_view neighbour, int index, std::int32_t priority) {
  batch.renew_table();
  batch.add_chain({"input", "filter", nft::Hook::kInput, priority});
  batch.add_rule(Rule("input").is_marked(kGateMark).duplicate(neighbour, index).drop());
}

// What reaches containers at their own addresses. Pings are part of what is published, where there
// is no other address to send them to.
void add_direct_ways(Batch& batch) {
  auto rule = [](bool is_v6) {
    Rule made("to_container");
    return std::move(is_v6 ? made.ip6() : made.ip4());
  };
  for (bool is_v6 : {false, true}) {
    const std::string_view targets = is_v6 ? kTargets6 : kTargets;
    const std::string_view routed = is_v6 ? kRouted6 : kRouted;
    const std::uint8_t ping{is_v6 ? std::uint8_t{IPPROTO_ICMPV6} : std::uint8_t{IPPROTO_ICMP}};
    batch.add_rule(rule(is_v6).name_in(kOutgoing, routed).target_in(targets).accept());
    batch.add_rule(rule(is_v6).name_in(kOutgoing, routed).of_protocol(ping).accept());
    batch.add_rule(rule(is_v6).names_in(kTrusted).target_in(targets).accept());
    batch.add_rule(rule(is_v6)
                       .name_in(kOutgoing, is_v6 ? kUnprotected6 : kUnprotected)
                       .name_in(kIncoming, kBridges, true)
                       .accept());
  }
}

void add_forwarding(Batch& batch, const FirewallState& state) {
  batch.add_rule(Rule("forward").established().accept());
  batch.add_rule(Rule("forward").name_in(kOutgoing, kBridges).jump("to_container"));
  batch.add_rule(Rule("forward").name_in(kIncoming, kInternal).drop());
  if (state.guards_forwarding) {
    batch.add_rule(Rule("forward").ip4().name_in(kIncoming, kBridges, true).drop());
  }
  if (state.guards_forwarding6) {
    batch.add_rule(Rule("forward").ip6().name_in(kIncoming, kBridges, true).drop());
  }
  batch.add_rule(Rule("to_container").names_in(kSame).accept());
  batch.add_rule(Rule("to_container").name_in(kIncoming, kInternal).drop());
  batch.add_rule(Rule("to_container").name_in(kOutgoing, kInternal).drop());
  batch.add_rule(Rule("to_container").redirected().accept());
  add_direct_ways(batch);
  if (!state.is_open) batch.add_rule(Rule("to_container").drop());
}

void add_masquerading(Batch& batch) {
  // By a published port to a neighbour or to itself: without it the answer would not come back
  // this way. With br_netfilter the packet is not routed but bridged, and has come from nowhere;
  // then answers pass here, and only what a container sends to itself would be refused by it.
  batch.add_rule(Rule("postrouting").names_in(kSame).redirected().masquerade());
  batch.add_rule(Rule("postrouting").ip4().addresses_in(kSelf).redirected().masquerade());
  batch.add_rule(Rule("postrouting").ip6().addresses_in(kSelf6).redirected().masquerade());
  batch.add_rule(Rule("postrouting")
                     .ip4()
                     .name_in(kIncoming, kMasqueraded)
                     .name_in(kOutgoing, kBridges, true)
                     .masquerade());
  batch.add_rule(Rule("postrouting")
                     .ip6()
                     .name_in(kIncoming, kMasqueraded6)
                     .name_in(kOutgoing, kBridges, true)
                     .masquerade());
  batch.add_rule(
      Rule("postrouting").ip4().name_in(kOutgoing, kBridges, true).snat_by_incoming(kSources));
  batch.add_rule(
      Rule("postrouting").ip6().name_in(kOutgoing, kBridges, true).snat_by_incoming(kSources6));
  batch.add_rule(
      Rule("postrouting").name_in(kOutgoing, kBridges).ip4().from_loopback().masquerade());
}

}  // namespace

std::string port_bytes(std::uint16_t port) {
  return {static_cast<char>(port >> 8), static_cast<char>(port & 255)};
}

std::vector<FirewallPort> firewall_ports(const Endpoint& endpoint) {
  std::vector<FirewallPort> ports;
  // Those are the plugins' business.
  if (endpoint.cni) return ports;
  for (const PublishedPort& port : endpoint.ports) {
    if (port.is_local()) continue;
    Ip target = port.host.is_v6 ? Ip(endpoint.address6) : Ip(endpoint.address);
    ports.push_back({port.host, protocol_number(port.protocol), port.host_port, target,
                     port.container_port, port.is_direct});
  }
  return ports;
}

Status Firewall::change(Batch batch) {
  std::lock_guard lock(mutex_);
  return change_locked(std::move(batch));
}

Status Firewall::change_locked(Batch batch) {
  if (batch.is_empty()) return {};
  if (batch.commit()) return {};
  // The table is not there yet, or somebody has flushed it.
  return rebuild_locked();
}

Status Firewall::add_bridge(const FirewallBridge& bridge) {
  std::lock_guard lock(mutex_);
  // A table without bridges has no gate.
  if (!has_gate_ && truth_().is_judged) return rebuild_locked();
  Batch batch(table_);
  add_all(batch, elements_of(std::vector{bridge}));
  return change_locked(std::move(batch));
}

Status Firewall::remove_bridge(const FirewallBridge& bridge) {
  Batch batch(table_);
  remove_all_of(batch, elements_of(std::vector{bridge}));
  return change(std::move(batch));
}

Status Firewall::add_ports(const std::vector<FirewallPort>& ports) {
  Batch batch(table_);
  add_all(batch, elements_of(ports));
  return change(std::move(batch));
}

Status Firewall::remove_ports(const std::vector<FirewallPort>& ports) {
  Batch batch(table_);
  remove_all_of(batch, elements_of(ports));
  return change(std::move(batch));
}

Status Firewall::move_ports(const std::vector<FirewallPort>& from,
                            const std::vector<FirewallPort>& to) {
  Batch batch(table_);
  remove_all_of(batch, elements_of(from));
  add_all(batch, elements_of(to));
  return change(std::move(batch));
}

Status Firewall::rebuild() {
  std::lock_guard lock(mutex_);
  return rebuild_locked();
}

Status Firewall::rebuild_locked() {
  const FirewallState state = truth_();
  std::string warning;
  if (state.is_judged) {
    auto gate = make_gate(gate_);
    Status made = gate ? make_tables(state, &*gate) : Status(fail(gate.error()));
    if (!made) {
      warning =
          cat("published ports are open whatever the host's firewall says of the hook input: ",
              made.error().message());
    }
  }
  if (!warning.empty() && warning != warning_) log::warning(warning);
  warning_ = std::move(warning);
  has_gate_ = state.is_judged && warning_.empty();
  if (has_gate_) return {};
  TRY_CONTEXT(make_tables(state, nullptr), cat("make the firewall table ", quoted(table_)));
  if (gate_.empty()) return {};
  return remove_gate(gate_);
}

Status Firewall::make_tables(const FirewallState& state, const Gate* gate) const {
  constexpr std::int32_t kRaw = -300;  // the priorities of nft(8)
  constexpr std::int32_t kTarget = -100;
  constexpr std::int32_t kSource = 100;
  // Behind all of others, but before the kernel keeps the connection.
  constexpr std::int32_t kLast = std::numeric_limits<std::int32_t>::max() - 1;
  Batch batch(table_);
  batch.renew_table();
  add_sets(batch);
  batch.add_chain({"raw_prerouting", "filter", nft::Hook::kPrerouting, kRaw});
  batch.add_chain({"prerouting", "nat", nft::Hook::kPrerouting, kTarget});
  batch.add_chain({"output", "nat", nft::Hook::kOutput, kTarget});
  batch.add_chain({"postrouting", "nat", nft::Hook::kPostrouting, kSource});
  batch.add_chain({"forward", "filter", nft::Hook::kForward, 0});
  batch.add_chain({"to_container", nullptr, {}, 0});
  batch.add_chain({"to_port", nullptr, {}, 0});
  // Bridges route 127.0.0.0/8 (route_localnet), for answers to the host alone.
  batch.add_rule(Rule("raw_prerouting").name_in(kIncoming, kBridges).ip4().to_loopback().drop());
  // Without an address at the bridge the host would still answer there for its others.
  batch.add_rule(Rule("raw_prerouting").name_in(kIncoming, kIsolated).ip4().to_this_host().drop());
  add_redirections(batch, gate != nullptr);
  add_forwarding(batch, state);
  add_masquerading(batch);
  Elements elements;
  collect(state.bridges, elements);
  collect(state.ports, elements);
  add_all(batch, elements);
  if (gate != nullptr) {
    batch.add_chain({"input", "filter", nft::Hook::kInput, kLast - 1});
    add_judgement(batch);
    Batch four(table_, kFamilyIpv4);
    add_gate(four, gate_neighbour(false), gate->index, kLast);
    batch.append(std::move(four));
    Batch six(table_, kFamilyIpv6);
    if (gate->has_six) add_gate(six, gate_neighbour(true), gate->index, kLast);
    batch.append(std::move(six));
  } else if (!gate_.empty()) {
    remove_side_tables(batch);
  }
  return batch.commit();
}

void Firewall::remove_side_tables(Batch& batch) const {
  for (std::uint8_t family : {kFamilyIpv4, kFamilyIpv6}) {
    auto there = nft::has_table(table_, family);
    // A kernel without that family has none of its tables.
    if (!there || !*there) continue;
    Batch side(table_, family);
    side.remove_table();
    batch.append(std::move(side));
  }
}

std::string Firewall::warning() const {
  std::lock_guard lock(mutex_);
  return warning_;
}

Status Firewall::remove() {
  std::lock_guard lock(mutex_);
  // An engine that starts with nothing to do has none, and is waited for.
  Batch batch(table_);
  if (auto there = nft::has_table(table_); !there || *there) batch.remove_table();
  if (!gate_.empty()) remove_side_tables(batch);
  if (!batch.is_empty()) {
    Status done = batch.commit();
    if (!done && done.error().sys_errno() != ENOENT) return done;
  }
  has_gate_ = false;
  return gate_.empty() ? Status() : remove_gate(gate_);
}

}  // namespace dhow::network
