// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside of the server: what its sources share.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/docker/server.h"
#include "api/docker/workers.h"

namespace dhow::api::docker {

namespace asio = boost::asio;
class Connection;

struct Server::Core : std::enable_shared_from_this<Server::Core> {
  explicit Core(ServerOptions given)
      : options(std::move(given)), workers({.threads = options.max_threads}) {}

  struct Listener {
    asio::posix::stream_descriptor socket;
    bool waiting = false;
  };
  struct SignalWatch {
    asio::posix::stream_descriptor descriptor;
    std::function<void()> handler;
  };

  void accept_on(Listener& listener);
  void accept_all(Listener& listener);
  void await_signal(SignalWatch& watch);
  void add(Fd socket);
  void remove(const std::shared_ptr<Connection>& connection);
  // A request or raw connection begins or ends; in the server's thread.
  void begin_work();
  void end_work();
  void await_idle();
  void check_idle();
  void await_quiet();
  void shut_down();
  // The headers that every answer has, and the date.
  std::string_view common_headers();

  const ServerOptions options;
  asio::io_context io{1};
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<std::unique_ptr<SignalWatch>> signals;
  std::set<std::shared_ptr<Connection>> connections;
  bool ending = false;
  std::size_t work = 0;
  std::chrono::milliseconds idle_time{0};  // 0: serve until stop()
  std::function<bool()> may_end;
  std::optional<asio::steady_timer> idle_timer;
  std::chrono::milliseconds quiet_time{0};  // 0: nobody is told
  std::function<void()> on_quiet;
  std::optional<asio::steady_timer> quiet_timer;
  std::chrono::steady_clock::time_point last_begin;
  bool waits_for_quiet = false;
  std::string fixed_headers;
  Workers workers;  // last: jobs use all of the above
};

// What one send(2) took, without blocking: 0 when the socket is full; kCancelled when the other
// side has gone.
Result<std::size_t> send_some(int socket, std::string_view data);
// Sends all of it; blocks for a client that doesn't read.
Status send_blocking(int socket, std::string_view data);
// Whether the other side has closed both directions, or the connection is broken.
bool is_hung_up(int socket);

}  // namespace dhow::api::docker
