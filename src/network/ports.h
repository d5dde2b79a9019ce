// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "sys/fd.h"

namespace dhow::network {

// [::1], from where the kernel redirects nothing: the container's shim has the sockets.
inline bool is_local_address(const Ip& host) { return host.is_v6 && host.v6.is_loopback(); }

// A port of a container that is to be reached at the host.
struct PortWish {
  std::string protocol = "tcp";  // "tcp", "udp", "sctp"
  std::uint16_t container_port = 0;
  // Of the host; none: all addresses of the families that the container has.
  std::optional<Ip> host;
  std::uint16_t first = 0;  // of the host's ports, the first that is free; 0: any
  std::uint16_t last = 0;
  bool is_local() const { return host && is_local_address(*host); }
};

// One that is: what a PortWish came to.
struct PublishedPort {
  std::string protocol;
  std::uint16_t container_port = 0;
  Ip host;  // 0.0.0.0 or ::: all addresses of the family
  std::uint16_t host_port = 0;
  // The container is reached at its own address alone (routed): nothing of the host's is taken.
  bool is_direct = false;
  bool is_local() const { return is_local_address(host); }
  bool operator==(const PublishedPort&) const = default;
};

std::uint8_t protocol_number(std::string_view protocol);

// Which families a container can be reached by.
struct Families {
  bool v4 = true;
  bool v6 = false;
  // At its own address alone.
  bool is_direct = false;
  bool is_direct6 = false;
  bool has_shim = false;  // that has the sockets of ports at [::1]
};

// What a socket at a port is for: to keep others away, as what comes is redirected before it; or to
// be talked to.
enum class PortUse { kHold, kServe };

// Binds a socket, which listens where that is needed, and says which port it got. No socket: the
// kernel doesn't have the protocol.
Result<Fd> bind_port(PublishedPort& port, PortUse use);

// Another process that has the sockets at ports of the host.
class PortHolder {
 public:
  virtual ~PortHolder() = default;
  // Binds the port, and says which one it got; one that it has already is success. Errors as
  // bind(2) has them.
  virtual Status hold(PublishedPort& port) = 0;
  virtual void release(const PublishedPort& port) = 0;
};

// Who has which port of the host. Each is held by a socket that is bound, for as long as this
// process lives, so that others are told that it is taken; traffic never comes to that socket, as
// it is redirected before. Not thread safe.
class PortTable {
 public:
  // `holder`: who has the sockets in the place of this process, borrowed; none: it has them itself.
  explicit PortTable(PortHolder* holder = nullptr) : holder_(holder) {}

  // All of them or none. A wish for all addresses becomes one port for each family, with the same
  // number. Of a family that is reached directly it is only written down what it would have been.
  // kResourceExhausted in docker's words, with the name of who has the port; kInvalidArgument for
  // an address of a family that the container hasn't.
  Result<std::vector<PublishedPort>> take(const std::string& owner,
                                          const std::vector<PortWish>& wishes, Families families);
  // Those of an owner who has had them since before this process. The table has them when it
  // returns; a port that somebody else has bound meanwhile is told of, and is redirected all the
  // same.
  Status take_over(const std::string& owner, const std::vector<PublishedPort>& ports);
  void give_back(const std::string& owner);
  // Those alone.
  void give_back(const std::string& owner, const std::vector<PublishedPort>& ports);
  // One that was reached directly becomes one of the host's, or the other way round.
  Status set_direct(const std::string& owner, PublishedPort& port, bool is_direct);

 private:
  struct Held {
    std::string owner;
    PublishedPort port;
    Fd socket;  // none: the kernel has no such protocol
  };
  using Key = std::pair<std::uint8_t, std::uint16_t>;

  // Who has it or an address that overlaps; nullptr: nobody of ours.
  const Held* who_has(const PublishedPort& port) const;
  std::string process_at(const PublishedPort& port) const;
  template <typename Which>
  void give_back_if(Which which);
  Result<std::vector<PublishedPort>> take_one(const std::string& owner, const PortWish& wish,
                                              const std::vector<Ip>& hosts);
  // The same port of all of them, or of none.
  Status hold_all(const std::string& owner, std::vector<PublishedPort>& ports);
  Status hold(const std::string& owner, PublishedPort& port);
  // One wish; `direct` are the hosts of families that are reached directly.
  Result<std::vector<PublishedPort>> take_wish(const std::string& owner, const PortWish& wish,
                                               const std::vector<Ip>& hosts,
                                               const std::vector<Ip>& direct);

  PortHolder* holder_;
  std::multimap<Key, Held> held_;
};

// "process 12 (nginx)", which has the port open in the network namespace whose tables are in
// `folder`, as "/proc/net"; "": nobody that we can see.
std::string process_at_port(const PublishedPort& port,
                            std::string_view folder = "/proc/thread-self/net");

// "80/tcp", "53/udp"; "80" is of tcp. nullopt when it is no port.
std::optional<std::pair<std::uint16_t, std::string>> parse_port(std::string_view text);
// "8080" or "8000-8010", whatever the numbers. nullopt when it is neither.
std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_number_range(std::string_view text);
// The same as where to publish; "" and "0": any. nullopt for a range that begins with any.
std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_port_range(std::string_view text);

}  // namespace dhow::network
