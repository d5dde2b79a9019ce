// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/http.h"
#include "registry/testing/loopback_server.h"

namespace dhow::registry::testing {

// What came in.
struct ServerRequest {
  std::string method;
  std::string target;  // path and query
  Headers headers = {};
  std::string body = {};

  std::string path() const { return target.substr(0, target.find('?')); }
};

// What goes out, and how badly.
struct ServerReply {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  std::optional<std::size_t> content_length = {};  // another than the body has
  // The connection is cut after that many bytes of the body.
  std::size_t cut_after = std::numeric_limits<std::size_t>::max();
  bool no_answer = false;  // the connection is cut before the status line
  bool hang = false;       // nothing more is sent after the body, nor is the connection closed
};

// An HTTP/1.1 server on a loopback port with a thread for each connection. Everything ends with the
// object.
class HttpServer {
 public:
  using Handler = std::function<ServerReply(const ServerRequest&)>;
  // The handler is called from many threads, one call at a time.
  explicit HttpServer(Handler handler);

  std::uint16_t port() const { return server_.port(); }
  std::string authority() const { return server_.authority(); }
  Url url(std::string_view path) const;
  // All that came in so far.
  std::vector<ServerRequest> requests() const;
  std::size_t connections() const { return server_.connections(); }

 private:
  void serve(int fd);
  bool answer(int fd, const ServerRequest& request);

  Handler handler_;
  mutable std::mutex mutex_;
  std::mutex handler_mutex_;
  std::vector<ServerRequest> requests_;
  LoopbackServer server_;  // last: its threads use all of the above
};

}  // namespace dhow::registry::testing
