// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "network/rootless/inside.h"
#include "network/rootless/poller.h"

namespace dhow::network::rootless {

// What comes by UDP to one published port. Each client has a socket inside, until it has been
// silent for some minutes. Owned by who made it, on the poller's thread.
class UdpRelay : public Work, public Handler {
 public:
  // `socket` is bound, and the host's. A failure leaves nothing behind.
  static Result<UdpRelay*> start(Poller& poller, Fd socket, bool is_v6, bool as_client);

  // Where to; clients of another target are forgotten.
  void lead(const Peer& target);
  void stop();
  void forget_the_silent();
  void on_ready(std::uint32_t events) override;

 private:
  using Clock = std::chrono::steady_clock;
  // Who has sent it, and to which of the host's addresses.
  using Key = std::pair<Peer, Ip>;
  struct Session;

  UdpRelay(Poller& poller, Fd socket, bool is_v6, bool as_client)
      : poller_(poller), socket_(std::move(socket)), is_v6_(is_v6), as_client_(as_client) {}
  Session* session(const Key& key);
  void answer(Session& session);
  void send_to_client(const Session& session, const char* bytes, std::size_t size);
  void end_sessions();

  Poller& poller_;
  Fd socket_;
  bool is_v6_;
  bool as_client_;
  bool is_over_ = false;
  std::optional<Peer> target_;
  std::map<Key, Session*> sessions_;
};

}  // namespace dhow::network::rootless
