// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "api/docker/http_types.h"
#include "base/result.h"
#include "sys/fd.h"

namespace dhow::api::docker {

// kInvalidArgument unless the request asks for a WebSocket (RFC 6455, section 4.2.1).
Status check_websocket(const RequestHead& head);

struct WebSocketOptions {
  RequestHead request;
  bool input = false;       // what the client sends goes to the stream
  std::string detach_keys;  // bytes; "": none are looked for
  std::string before;       // told first
};

// The server's side of a WebSocket: answers the handshake on `client`, a stream socket, and carries
// bytes between its messages and `stream`, as binary ones, until either has ended. Blocks; true
// when the client has detached by the keys.
bool serve_websocket(Fd client, Fd stream, WebSocketOptions options);

}  // namespace dhow::api::docker
