// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/docker/detach_keys.h"
#include "api/docker/server_core.h"

namespace dhow::api::docker {

// Carries bytes between a client's raw connection and a stream socket, without a thread of its own;
// a side that doesn't read holds up the other. All calls are for the server's thread.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  struct Options {
    bool input = false;
    std::string detach_keys;
    std::string early;                         // what the client sent already
    std::function<void(bool detached)> ended;  // called once
  };
  // `client` is borrowed; it must stay open until `ended` was called, or end() was.
  Relay(asio::io_context& io, asio::posix::stream_descriptor& client, Fd peer, Options options);

  void start();
  // Without calling `ended`.
  void cancel();

 private:
  struct Way {
    std::string data;  // to be written
    bool ended = false;
    bool reading = false;
    bool writing = false;
  };
  void read_client();
  void read_peer();
  void on_client_data(std::string_view data);
  void write_peer();
  void write_client();
  void await_hangup();
  void end(bool detached);

  asio::posix::stream_descriptor& client_;
  asio::posix::stream_descriptor peer_;
  Options options_;
  DetachMatcher keys_;
  Way in_;   // from the client
  Way out_;  // to it
  bool done_ = false;
};

}  // namespace dhow::api::docker
