// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"
#include "network/address.h"
#include "sys/fd.h"

namespace dhow::network::rootless {

struct Peer {
  Ip address;
  std::uint16_t port = 0;
  auto operator<=>(const Peer&) const = default;
};

// Has the calling thread's network namespace take in what containers answer to addresses that are
// not its own, if a socket here has spoken in that address' name (IP_TRANSPARENT). Fails where the
// kernel has no such rule; then nobody is spoken for.
Status take_in_answers();

// A socket in the calling thread's network namespace that is connected, or (TCP) being connected,
// to a container, non-blocking. With `as_client` it has the client's address where answers to that
// come back; a client on this host's loopback, or in the container's own subnet, is spoken for by
// the bridge. `type`: SOCK_STREAM or SOCK_DGRAM.
Result<Fd> connect_inside(int type, const Peer& client, const Peer& target, bool as_client);

}  // namespace dhow::network::rootless
