// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <netinet/in.h>

#include "base/result.h"
#include "shim/local_sockets.h"
#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

// The part of LocalPorts for UDP. Each client has a socket of its own that calls the container, so
// that answers find back to who has asked; it stays until nothing has come either way for a while.
// What can't be sent at once is lost, as it would be on a wire. In the network namespace of the
// shim. Not thread safe.
class LocalDatagrams {
 public:
  // At a time; one more takes the place of the idlest. With those of TCP they are fewer than the
  // descriptors that a process may have by default.
  static constexpr std::size_t kMostClients = 128;
  static constexpr std::int64_t kPatience = 90'000;  // milliseconds

  explicit LocalDatagrams(Loop& loop, std::int64_t patience = kPatience)
      : loop_(loop), patience_(patience) {}
  LocalDatagrams(const LocalDatagrams&) = delete;
  LocalDatagrams& operator=(const LocalDatagrams&) = delete;

  // These in the place of those before. Clients whose port leads elsewhere now are forgotten.
  // Nothing changes when it fails, as when somebody has a port.
  Status set(const LocalTargets& targets);
  std::size_t clients() const { return clients_.size(); }

 private:
  struct Door;
  using DoorPtr = std::shared_ptr<Door>;
  // Who sends from where to which port of the host.
  struct Name {
    std::uint16_t door = 0;
    std::uint16_t port = 0;
    std::uint32_t scope = 0;
    std::array<std::uint8_t, 16> address{};
    auto operator<=>(const Name&) const = default;
  };
  struct Client {
    Name name;
    struct sockaddr_in6 from{};
    DoorPtr door;
    Fd socket;  // calls the container
    Loop::Watch watch;
    std::int64_t used = 0;  // by the loop's clock
  };
  using Place = std::list<Client>::iterator;

  Result<DoorPtr> open(std::uint16_t port);
  // Both move what has come, a bounded amount.
  void receive(const DoorPtr& door);
  void answer(Place client);
  // clients_.end(): it can't be made now.
  Place client_at(const DoorPtr& door, const struct sockaddr_in6& from);
  void used(Place client);
  void drop(Place client);
  void plan_end();
  void end_idle();
  // Gives memory back once nothing comes for some seconds.
  void plan_rest();
  char* buffer();

  Loop& loop_;
  const std::int64_t patience_;
  std::map<std::uint16_t, DoorPtr> doors_;
  std::list<Client> clients_;  // the idlest first
  std::map<Name, Place> places_;
  std::unique_ptr<char[]> buffer_;  // until the next rest
  Loop::Watch timer_, rest_;
};

}  // namespace dhow::shim
