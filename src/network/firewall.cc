// SPDX-License-Identifier: Apache-2.0
#include "network/firewall.h"

#include <cerrno>
#include <set>

#include "base/strings.h"

namespace dhow::network {
namespace {

using nft::Batch;
using nft::Element;
using nft::Rule;
using enum nft::Rule::Name;

// Types of nft(8): what it shows the elements as. Those of a key of several parts stand beside one
// another in six bits each.
constexpr std::uint32_t kAddressType = 7;
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

void append_padded(std::string& key, std::string_view bytes) {
  key += bytes;
  key.resize((key.size() + 3) & ~std::size_t{3});
}

std::string port_bytes(std::uint16_t port) {
  return {static_cast<char>(port >> 8), static_cast<char>(port & 255)};
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

// Calls `each` with each set that has something, and its elements.
template <typename Each>
void with_elements(const std::vector<FirewallBridge>& bridges,
                   const std::vector<FirewallPort>& ports, Each each) {
  std::vector<Element> names;
  std::vector<Element> pairs;
  std::vector<Element> masqueraded;
  std::vector<Element> internal;
  for (const FirewallBridge& bridge : bridges) {
    std::string key = nft::name_key(bridge.name);
    names.push_back({key, {}});
    pairs.push_back({key + key, {}});
    if (bridge.masquerade && !bridge.internal) masqueraded.push_back({key, {}});
    if (bridge.internal) internal.push_back({key, {}});
  }
  std::vector<Element> of_address;
  std::vector<Element> any;
  std::vector<Element> own;
  std::set<Ip4> targets;
  for (const FirewallPort& port : ports) {
    if (targets.insert(port.target).second) {
      own.push_back({port.target.bytes() + port.target.bytes(), {}});
    }
    (port.host.is_any() ? any : of_address).push_back(element_of(port));
  }
  for (const auto& [set, elements] :
       {std::pair(kBridges, &names), std::pair(kSame, &pairs),
        std::pair(kMasqueraded, &masqueraded), std::pair(kInternal, &internal),
        std::pair(kSelf, &own), std::pair(kPorts, &of_address), std::pair(kAnyPorts, &any)}) {
    if (!elements->empty()) each(set, *elements);
  }
}

void add_sets(Batch& batch) {
  for (std::string_view name : {kBridges, kMasqueraded, kInternal}) {
    batch.add_set({.name = std::string(name),
                   .key_type = kNameType,
                   .key_size = kNameSize,
                   .host_order = true});
  }
  batch.add_set({.name = std::string(kSame),
                 .key_type = kNameType << 6 | kNameType,
                 .key_size = 2 * kNameSize});
  batch.add_set(
      {.name = std::string(kSelf), .key_type = kAddressType << 6 | kAddressType, .key_size = 8});
  constexpr std::uint32_t kTarget = kAddressType << 6 | kPortType;
  batch.add_set({.name = std::string(kPorts),
                 .key_type = kAddressType << 12 | kProtocolType << 6 | kPortType,
                 .key_size = 12,
                 .data_type = kTarget,
                 .data_size = 8});
  batch.add_set({.name = std::string(kAnyPorts),
                 .key_type = kProtocolType << 6 | kPortType,
                 .key_size = 8,
                 .data_type = kTarget,
                 .data_size = 8});
}

void add_redirections(Batch& batch) {
  for (const char* chain : {"prerouting", "output"}) {
    batch.add_rule(Rule(chain).ip4().dnat_by_address(kPorts));
    batch.add_rule(Rule(chain).ip4().to_this_host().dnat_by_port(kAnyPorts));
  }
}

void add_forwarding(Batch& batch, bool guards) {
  batch.add_rule(Rule("forward").established().accept());
  batch.add_rule(Rule("forward").name_in(kOutgoing, kBridges).jump("to_container"));
  batch.add_rule(Rule("forward").name_in(kIncoming, kInternal).drop());
  if (guards) batch.add_rule(Rule("forward").name_in(kIncoming, kBridges, true).drop());
  batch.add_rule(Rule("to_container").names_in(kSame).accept());
  batch.add_rule(Rule("to_container").name_in(kIncoming, kInternal).drop());
  batch.add_rule(Rule("to_container").name_in(kOutgoing, kInternal).drop());
  batch.add_rule(Rule("to_container").redirected().accept());
  batch.add_rule(Rule("to_container").drop());
}

void add_masquerading(Batch& batch) {
  // By a published port to a neighbour or to itself: without it the answer would not come back
  // this way. With br_netfilter the packet is not routed but bridged, and has come from nowhere;
  // then answers pass here, and only what a container sends to itself would be refused by it.
  batch.add_rule(Rule("postrouting").names_in(kSame).redirected().masquerade());
  batch.add_rule(Rule("postrouting").ip4().addresses_in(kSelf).redirected().masquerade());
  batch.add_rule(Rule("postrouting")
                     .ip4()
                     .name_in(kIncoming, kMasqueraded)
                     .name_in(kOutgoing, kBridges, true)
                     .masquerade());
  batch.add_rule(
      Rule("postrouting").name_in(kOutgoing, kBridges).ip4().from_loopback().masquerade());
}

}  // namespace

Status Firewall::change(Batch batch) {
  std::lock_guard lock(mutex_);
  if (batch.is_empty()) return {};
  if (batch.commit()) return {};
  // The table is not there yet, or somebody has flushed it.
  return rebuild_locked();
}

Status Firewall::add_bridge(const FirewallBridge& bridge) {
  Batch batch(table_);
  with_elements({bridge}, {}, [&](std::string_view set, const auto& elements) {
    batch.add_elements(set, elements);
  });
  return change(std::move(batch));
}

Status Firewall::remove_bridge(const FirewallBridge& bridge) {
  Batch batch(table_);
  with_elements({bridge}, {}, [&](std::string_view set, const auto& elements) {
    batch.remove_elements(set, elements);
  });
  return change(std::move(batch));
}

Status Firewall::add_ports(const std::vector<FirewallPort>& ports) {
  Batch batch(table_);
  with_elements({}, ports, [&](std::string_view set, const auto& elements) {
    batch.add_elements(set, elements);
  });
  return change(std::move(batch));
}

Status Firewall::remove_ports(const std::vector<FirewallPort>& ports) {
  Batch batch(table_);
  with_elements({}, ports, [&](std::string_view set, const auto& elements) {
    batch.remove_elements(set, elements);
  });
  return change(std::move(batch));
}

Status Firewall::rebuild() {
  std::lock_guard lock(mutex_);
  return rebuild_locked();
}

Status Firewall::rebuild_locked() {
  const FirewallState state = truth_();
  constexpr std::int32_t kRaw = -300;  // the priorities of nft(8)
  constexpr std::int32_t kTarget = -100;
  constexpr std::int32_t kSource = 100;
  Batch batch(table_);
  // So that there is one to remove.
  batch.add_table();
  batch.remove_table();
  batch.add_table();
  add_sets(batch);
  batch.add_chain({"raw_prerouting", "filter", nft::Hook::kPrerouting, kRaw});
  batch.add_chain({"prerouting", "nat", nft::Hook::kPrerouting, kTarget});
  batch.add_chain({"output", "nat", nft::Hook::kOutput, kTarget});
  batch.add_chain({"postrouting", "nat", nft::Hook::kPostrouting, kSource});
  batch.add_chain({"forward", "filter", nft::Hook::kForward, 0});
  batch.add_chain({"to_container", nullptr, {}, 0});
  // Bridges route 127.0.0.0/8 (route_localnet), for answers to the host alone.
  batch.add_rule(Rule("raw_prerouting").name_in(kIncoming, kBridges).ip4().to_loopback().drop());
  add_redirections(batch);
  add_forwarding(batch, state.guards_forwarding);
  add_masquerading(batch);
  with_elements(state.bridges, state.ports, [&](std::string_view set, const auto& elements) {
    batch.add_elements(set, elements);
  });
  TRY_CONTEXT(batch.commit(), cat("make the firewall table ", quoted(table_)));
  return {};
}

Status Firewall::remove() {
  std::lock_guard lock(mutex_);
  Batch batch(table_);
  batch.remove_table();
  Status done = batch.commit();
  if (!done && done.error().sys_errno() == ENOENT) return {};
  return done;
}

}  // namespace dhow::network
