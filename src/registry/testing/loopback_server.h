// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sys/fd.h"

namespace dhow::registry::testing {

// Listens on a loopback port, with a thread for each connection. Everything ends with the object,
// which therefore is the last member of what `serve` uses.
class LoopbackServer {
 public:
  // `serve` gets a connection, which is closed when it returns; its recv ends with the server.
  explicit LoopbackServer(std::function<void(int fd)> serve);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  // How many there were.
  std::size_t connections() const;

 private:
  void accept_loop();

  std::function<void(int fd)> serve_;
  Fd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Fd> connections_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace dhow::registry::testing
