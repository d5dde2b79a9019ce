// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::client {

// How an engine is to prove who it is, and we are: paths of files in PEM; "": none.
struct TlsSettings {
  std::string authority;
  std::string certificate;
  std::string key;
  bool verify = true;  // whether the engine's certificate is looked at
};

// Where an engine listens.
struct Endpoint {
  enum class Kind : std::uint8_t { kUnix, kTcp, kSsh };
  Kind kind = Kind::kUnix;
  std::string address;  // path of the socket, or name or number of the host
  std::string port;     // of kTcp; of kSsh when it is given
  std::string user;     // of kSsh; "": ssh's own choice
  std::string remote;   // of kSsh: path of the socket over there; "": the default one
  std::string text;     // "unix:///run/dhow/docker.sock", for messages
  std::optional<TlsSettings> tls = {};  // of kTcp
};

// `unix:///path`, `tcp://host:port`, `ssh://[user@]host[:port][/path]` and what docker takes for
// one of them: `host:port`, `:port`, `http://host`. The port of tcp is 2375 when none is given,
// 2376 with `is_tls`. fd:// and the like are kUnimplemented; anything else is kInvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text, bool is_tls = false);

// Socket of the engine that belongs to this user: /run/dhow/docker.sock for root,
// $XDG_RUNTIME_DIR/dhow/docker.sock for others, or /run/user/UID without that variable.
Endpoint default_endpoint();

}  // namespace dhow::client
