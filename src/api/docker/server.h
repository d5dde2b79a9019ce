// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/docker/exchange.h"
#include "base/result.h"
#include "sys/fd.h"

namespace dhow::api::docker {

// What is to be done with a request, once its head is there.
struct Plan {
  bool streams_body = false;  // the handler reads the body itself
  bool quick = false;         // the handler doesn't block, and runs in the server's thread
  std::string path;           // for Exchange::path()
  ApiVersion version;
  std::function<void(const ExchangePtr&)> handler;
};

struct ServerOptions {
  std::size_t max_body = std::size_t{16} << 20;  // of requests that are read as a whole; bytes
  std::size_t max_connections = 4096;
  std::size_t max_threads = 512;  // for handlers that block
  // A client that has begun a request must send its head, and a body that is read as a whole,
  // within this time.
  std::chrono::milliseconds request_time{60'000};
  // Sent with every answer.
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Called in the server's thread. Must not throw.
  std::function<Plan(const RequestHead&)> plan = {};
};

// Serves HTTP/1.1 on listening stream sockets: one thread waits for all connections and reads
// requests, handlers that block have threads of their own, so that a request that is stuck holds up
// nobody else.
class Server {
 public:
  static Result<std::unique_ptr<Server>> make(ServerOptions options);
  // Ends all connections; waits for the handlers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void listen(Fd socket);
  // What hands it a connection that somebody else has accepted. Any thread, also after the server's
  // end.
  std::function<void(Fd)> adopter();
  // Calls `handler` in the server's thread when the signal comes; it must be blocked in all
  // threads.
  Status on_signal(int signal, std::function<void()> handler);
  // When there was neither a request nor a raw connection for that time, and `may_end` agrees,
  // run() returns.
  void end_when_idle(std::chrono::milliseconds idle, std::function<bool()> may_end);
  // Calls `handler` in the server's thread when no request has come for that time, once until
  // another one comes. Connections that stay open, as those of events and logs, don't count.
  void when_quiet(std::chrono::milliseconds quiet, std::function<void()> handler);
  // Serves until stop(), in the caller's thread.
  void run();
  // Any thread.
  void stop();

  struct Core;

 private:
  explicit Server(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace dhow::api::docker
