// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "shim/loop.h"
#include "shim/resolver_sockets.h"
#include "shim/upstreams.h"
#include "sys/fd.h"

namespace dhow::shim {

// The resolver of a container (docs/networks.md): answers the names of its networks, and asks
// servers about all others. It keeps nothing: what it knows is in files that the engine replaces,
// and they are read for each query, so that nobody has to tell it of changes. What a container
// sends takes it a bounded time before the loop goes on, and bounded memory. Not thread safe.
class Resolver {
 public:
  static constexpr std::size_t kMostClients = 16;          // by TCP, at a time
  static constexpr std::int64_t kClientPatience = 10'000;  // milliseconds between its queries

  // `settings_file` is as dns::parse_settings() has it.
  static Result<std::unique_ptr<Resolver>> open(Loop& loop, std::string settings_file,
                                                ResolverSockets sockets);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

 private:
  struct Client;
  using ClientPtr = std::shared_ptr<Client>;
  // "": there is no answer.
  using Reply = std::function<void(std::string answer)>;

  Resolver(Loop& loop, std::string settings_file, ResolverSockets sockets)
      : loop_(loop),
        settings_file_(std::move(settings_file)),
        sockets_(std::move(sockets)),
        upstreams_(loop) {}
  // `reply` is called once, at once or later.
  void answer(Transport transport, std::string_view message, Reply reply);
  void receive();
  // Gives memory back once nothing is asked any more.
  void plan_rest();

  // resolver_clients.cc
  void accept_client();
  void serve(const ClientPtr& client);
  // False: there is nothing more to do for it now.
  bool serve_step(const ClientPtr& client);
  void ask_for(const ClientPtr& client, const std::string& message);
  void await_client(const ClientPtr& client, std::uint32_t events);
  void drop(const ClientPtr& client);

  Loop& loop_;
  const std::string settings_file_;
  ResolverSockets sockets_;
  std::size_t asked_ = 0;  // which of several addresses is the first one is by this
  std::size_t asked_before_ = 0;
  Loop::Watch rest_;
  Loop::Watch datagrams_, listener_;
  std::list<ClientPtr> clients_;
  Upstreams upstreams_;  // before all of the above goes: it calls
};

}  // namespace dhow::shim
