// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/endpoint.h"
#include "sys/fd.h"

namespace dhow::client {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string_view method = "GET";
  std::string target;  // path and query, encoded
  std::vector<HttpHeader> headers;
  std::string body;
  std::string content_type;  // of the body; empty: there is none
  // Asks for the connection itself (`Connection: Upgrade`, `Upgrade: tcp`).
  bool upgrade = false;
  // The body follows in pieces, by write_body() and end_body(); `body` is not sent.
  bool streamed_body = false;
};

struct HttpHead {
  int status = 0;
  std::vector<HttpHeader> headers;
  // Value of the header of that name in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

// A blocking HTTP/1.1 connection (RFC 9112) that carries one exchange after the other. Beast's
// parser reads the answers, so chunks and lengths are its matter. Not thread safe, movable.
class HttpConnection {
 public:
  // kUnavailable with the reason when nothing listens there.
  static Result<HttpConnection> connect(const Endpoint& endpoint);
  // Over a connected socket.
  explicit HttpConnection(Fd socket);
  HttpConnection(HttpConnection&&) noexcept;
  HttpConnection& operator=(HttpConnection&&) noexcept;
  ~HttpConnection();

  // Writes the request: in one write(2) when it has no streamed body.
  Status send(const HttpRequest& request);
  Status write_body(std::string_view piece);
  Status end_body();

  // The head of the answer to the oldest request that has had none. `head_only`: the request was
  // HEAD, so no body follows.
  Result<HttpHead> read_head(bool head_only = false);
  // Some of the body, at least one byte; 0 at its end. What was read before is dropped.
  Result<std::size_t> read_body(std::span<char> buffer);
  // All that is left of it; more than `limit` bytes is kOutOfRange.
  Result<std::string> read_whole_body(std::size_t limit = std::size_t{256} << 20);

  // True after a whole answer, when the other side keeps the connection and has sent nothing more.
  bool reusable() const;
  // For polling. Data may also wait in buffered().
  const Fd& socket() const { return socket_; }
  // What was read beyond the head of the answer: the beginning of the stream after an upgrade.
  std::string take_buffered() { return std::exchange(input_, {}); }
  Fd release() { return std::move(socket_); }

 private:
  class Parser;
  Status fill();

  Fd socket_;
  std::string input_;  // read from the socket, not parsed yet
  std::unique_ptr<Parser> parser_;
};

// A connection to the host and port of the endpoint, as they are. Blocks.
Result<Fd> connect_tcp(const Endpoint& endpoint);

// Text for a query or a path segment: all but RFC 3986's unreserved characters as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace dhow::client
