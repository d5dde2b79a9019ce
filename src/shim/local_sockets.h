// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::shim {

// Where in a container a port at the host's [::1] leads to.
struct LocalTarget {
  struct sockaddr_storage bytes{};
  socklen_t size = 0;

  const struct sockaddr* get() const { return reinterpret_cast<const struct sockaddr*>(&bytes); }
  bool operator==(const LocalTarget& other) const;
};

// By the host's port.
using LocalTargets = std::map<std::uint16_t, LocalTarget>;

// An address of either family with a port; kInvalidArgument.
Result<LocalTarget> parse_local_target(std::string_view address, std::string_view port);
// A socket at [::1] that doesn't block, of SOCK_STREAM, which listens, or of SOCK_DGRAM.
Result<Fd> bind_local(int type, std::uint16_t port);

}  // namespace dhow::shim
