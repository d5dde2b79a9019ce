// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "network/rootless/poller.h"

namespace dhow::network::rootless {

// One connection by a published port: what comes at one end goes to the other, ends of streams too.
// The poller owns it.
class TcpPair : public Work {
 public:
  // `container` is being connected. A failure leaves nothing behind.
  static Status start(Poller& poller, Fd client, Fd container);

 private:
  struct Side : Handler {
    Side(TcpPair& its, Fd its_socket) : pair(its), socket(std::move(its_socket)) {}
    void on_ready(std::uint32_t ready) override { pair.on_ready(*this, ready); }
    TcpPair& pair;
    Fd socket;
    std::string waiting;  // what is to be written to it
    std::size_t written = 0;
    bool has_ended = false;      // nothing more comes from it
    bool was_shut = false;       // it was told that nothing more comes
    std::uint32_t events = ~0U;  // those that are waited for
  };

  TcpPair(Poller& poller, Fd client, Fd container)
      : poller_(poller),
        client_(*this, std::move(client)),
        container_(*this, std::move(container)) {}
  Side& other(Side& side) { return &side == &client_ ? container_ : client_; }
  void on_ready(Side& side, std::uint32_t events);
  // False: the connection is broken.
  bool pump(Side& from);
  bool flush(Side& to);
  void update(Side& side);
  void settle();
  // The other end is told of a fault by a reset.
  void abort();
  void finish();

  Poller& poller_;
  Side client_;
  Side container_;
  bool is_connected_ = false;
  bool is_over_ = false;
};

}  // namespace dhow::network::rootless
