// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "shim/local_datagrams.h"
#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

// Ports of TCP and UDP at the host's [::1] that lead to a container: the kernel redirects from
// everywhere else, but lets nothing that has come by another interface be an answer to ::1. What is
// sent by TCP is moved within the kernel. In the network namespace of the shim. Not thread safe.
class LocalPorts {
 public:
  static constexpr std::size_t kMostClients = 128;  // of TCP at a time; more wait with the kernel

  explicit LocalPorts(Loop& loop) : loop_(loop), datagrams_(loop) {}
  LocalPorts(const LocalPorts&) = delete;
  LocalPorts& operator=(const LocalPorts&) = delete;

  // These in the place of those before, a line each: "PORT ADDRESS PORT", and " udp" behind one of
  // UDP. Connections that are there go on. Nothing changes when it fails, as when somebody has a
  // port.
  Status set(std::string_view text);

 private:
  struct Door;
  struct Client;
  struct Flow;
  using ClientPtr = std::shared_ptr<Client>;

  Result<std::shared_ptr<Door>> open(std::uint16_t port);
  void accept(const Door& door);
  // Moves what there is to move, a bounded amount.
  void serve(const ClientPtr& client);
  void drop(const ClientPtr& client);
  void listen_again();

  Loop& loop_;
  std::map<std::uint16_t, std::shared_ptr<Door>> doors_;
  std::list<ClientPtr> clients_;
  LocalDatagrams datagrams_;
};

}  // namespace dhow::shim
