// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "base/result.h"
#include "network/rootless/inside.h"
#include "network/rootless/poller.h"
#include "network/rootless/udp_relay.h"

namespace dhow::network::rootless {

// A published port of the host.
struct PortKey {
  std::string protocol;  // "tcp" or "udp"
  Ip host;
  std::uint16_t port = 0;
  auto operator<=>(const PortKey&) const = default;
};

// Carries what comes to ports of the host to containers, between the network namespace where it is
// started and one that it makes, in a thread of its own that never ends. Its methods block until
// that thread has done it, and are for one other thread.
class Forwarder {
 public:
  // The namespace is there, set up and empty, when it returns.
  static Result<std::unique_ptr<Forwarder>> start();

  // The new namespace.
  FdRef space() const { return space_; }

  // `socket` is bound, listens (TCP), and is non-blocking. Nobody is served until it is known where
  // to.
  Status add(const PortKey& key, Fd socket);
  // To a container. kNotFound: there is no such port.
  Status lead(const PortKey& key, const Peer& target);
  // Its socket is closed; connections of TCP go on.
  void remove(const PortKey& key);

 private:
  class Listener;
  struct Port {
    Listener* listener = nullptr;
    UdpRelay* relay = nullptr;
  };
  explicit Forwarder(std::unique_ptr<Poller> poller) : poller_(std::move(poller)) {}

  std::unique_ptr<Poller> poller_;
  Fd space_;
  bool as_client_ = false;
  // Of the loop's thread.
  std::map<PortKey, Port> ports_;
};

}  // namespace dhow::network::rootless
