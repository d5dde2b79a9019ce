// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::client {

// Where an engine listens.
struct Endpoint {
  enum class Kind : std::uint8_t { kUnix, kTcp };
  Kind kind = Kind::kUnix;
  std::string address;  // path of the socket, or name or number of the host
  std::string port;     // of kTcp
  std::string text;     // "unix:///run/dhow/docker.sock", for messages
};

// `unix:///path`, `tcp://host:port` and what docker takes for one of them: `host:port`, `:port`,
// `http://host`. The port is 2375 when none is given. ssh:// and fd:// are kUnimplemented; anything
// else is kInvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text);

// Socket of the engine that belongs to this user: /run/dhow/docker.sock for root,
// $XDG_RUNTIME_DIR/dhow/docker.sock for others, or /run/user/UID without that variable.
Endpoint default_endpoint();

}  // namespace dhow::client
