// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

enum class Transport { kDatagram, kStream };

// Asks name servers on behalf of a container, from the network namespace of the shim. Each query
// has a socket of its own, connected, with a port of the kernel's choice and a random id, so that
// nobody else can answer it. One server after the other: each has four seconds, and one that fails
// or refuses is as one that doesn't answer. Not thread safe.
class Upstreams {
 public:
  static constexpr std::size_t kMostQueries = 256;  // at a time
  static constexpr std::size_t kMostServers = 3;
  static constexpr std::int64_t kPatience = 4000;  // milliseconds for one server

  // The answer has the query's own id; "": nobody has answered.
  using Done = std::function<void(std::string answer)>;

  explicit Upstreams(Loop& loop) : loop_(loop) {}

  // `query` is one that dns::parse_query() takes, `servers` are addresses, which may have a zone.
  // `done` is called once, maybe before this returns, and not after this object has gone. False,
  // and it is not called: there are too many queries under way.
  bool ask(Transport transport, std::string_view query, std::vector<std::string> servers,
           Done done);
  std::size_t size() const { return flights_.size(); }

 private:
  struct Flight {
    Transport transport = Transport::kDatagram;
    std::string query;
    std::vector<std::string> servers;
    Done done;
    std::size_t next = 0;  // of the servers
    std::uint16_t id = 0;  // of the attempt that is under way, as are the next ones
    Fd socket;
    Loop::Watch watch;
    std::int64_t deadline = 0;
    std::string out, in;
  };
  using Place = std::list<Flight>::iterator;

  void try_next(Place flight);
  Status send(Place flight, const std::string& server);
  void ready(Place flight, std::uint32_t events);
  void receive(Place flight);
  // kUnavailable: the connection is of no use.
  Status write_stream(Flight& flight);
  Status read_stream(Place flight);
  void answered(Place flight, std::string answer);
  void finish(Place flight, std::string answer);
  void arm_timer();
  void expire();

  Loop& loop_;
  std::list<Flight> flights_;  // in the order of their deadlines
  Loop::Watch timer_;
};

}  // namespace dhow::shim
