// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/gate.h"
#include "network/nft.h"

namespace dhow::network {

// What of a network's containers is reached from outside, and as whom they leave, in one family of
// addresses.
enum class GatewayMode {
  kNat,          // their published ports, at the host's addresses
  kUnprotected,  // as well, and all at their own addresses
  kRouted,       // their published ports, at their own addresses, which they leave with
  kIsolated,     // nothing: not even the host has an address there
};

struct FirewallBridge {
  std::string name;
  // What leaves gets the host's address.
  bool masquerade = true;
  bool masquerade6 = false;
  bool internal = false;  // nothing leaves, and nothing comes in
  // In the place of the host's own choice: the address that what leaves gets then.
  std::optional<Ip4> source = {};
  std::optional<Ip6> source6 = {};
  GatewayMode mode = GatewayMode::kNat;
  GatewayMode mode6 = GatewayMode::kNat;
  // Interfaces of the host from where published ports are reached at the containers' addresses too.
  std::vector<std::string> trusted = {};
};

// Both addresses are of one family.
struct FirewallPort {
  Ip host;                    // 0.0.0.0 or ::: every address of the host
  std::uint8_t protocol = 6;  // IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
  std::uint16_t host_port = 0;
  Ip target;
  std::uint16_t target_port = 0;
  bool is_direct = false;  // reached at the target alone; nothing is redirected
  bool operator==(const FirewallPort&) const = default;
};

// In the order of the network.
std::string port_bytes(std::uint16_t port);

// What the published ports of an endpoint are to the firewall.
struct Endpoint;
std::vector<FirewallPort> firewall_ports(const Endpoint& endpoint);

// All that the table is to hold.
struct FirewallState {
  std::vector<FirewallBridge> bridges;
  std::vector<FirewallPort> ports;
  // Forwarding was off before us, for IPv4 or IPv6: what is neither from nor to a container stays
  // unforwarded.
  bool guards_forwarding = false;
  bool guards_forwarding6 = false;
  // Everybody may call containers, not only by their published ports.
  bool is_open = false;
  // What the host's chains of the hook input say holds for published ports, too.
  bool is_judged = false;
};

// The table of nf_tables that is ours alone, with the two beside it for the gate (docs/networks.md
// has their rules). Rules are made once;
// a network or a port is an element of a set, so what a container costs does not grow with how many
// there are. Whatever is found in another state than expected is made anew from the whole truth, in
// one transaction: no packet sees a half. Thread safe; calls block on the kernel.
class Firewall {
 public:
  // `truth` gives what the table is to hold; it is called by the methods below, under the lock.
  // `gate` is the name of the interface for what is judged; "": nothing ever is.
  Firewall(std::string table, std::string gate, std::function<FirewallState()> truth)
      : table_(std::move(table)), gate_(std::move(gate)), truth_(std::move(truth)) {}

  // What is added or removed is in the truth, or no more in it, when this is called.
  Status add_bridge(const FirewallBridge& bridge);
  Status remove_bridge(const FirewallBridge& bridge);
  Status add_ports(const std::vector<FirewallPort>& ports);
  Status remove_ports(const std::vector<FirewallPort>& ports);
  // Both in one transaction.
  Status move_ports(const std::vector<FirewallPort>& from, const std::vector<FirewallPort>& to);
  // Makes the table anew.
  Status rebuild();
  // Takes the table away; none is success.
  Status remove();
  // That published ports are not judged though they were to be, and why; "": they are.
  std::string warning() const;

 private:
  Status change(nft::Batch batch);
  Status change_locked(nft::Batch batch);
  Status rebuild_locked();
  // With what it takes to be judged by the gate, or without.
  Status make_tables(const FirewallState& state, const Gate* gate) const;
  // Has the batch remove the tables beside our own that are there.
  void remove_side_tables(nft::Batch& batch) const;

  mutable std::mutex mutex_;
  std::string warning_;
  bool has_gate_ = false;
  const std::string table_;
  const std::string gate_;
  const std::function<FirewallState()> truth_;
};

}  // namespace dhow::network
