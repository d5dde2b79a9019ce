// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <netinet/in.h>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::shim {

// Where a container finds its resolver, as with docker.
inline constexpr std::string_view kResolverAddress = "127.0.0.11";
inline constexpr int kResolverPort = 53;

// The file of a bundle that says what its container's resolver is to know (dns/names.h); there is
// one when the engine has put that file there.
std::string resolver_file(const std::string& bundle);

struct ResolverSockets {
  Fd datagrams;
  Fd listener;
  // Where the two are bound elsewhere, and get what is sent to the address: a raw socket that
  // answers to datagrams are sent by, and what has the kernel redirect it.
  Fd replies;
  Fd redirect;

  // For their way between processes.
  std::vector<Fd> take_all() &&;
  static ResolverSockets from_all(std::vector<Fd> all);
};

// Makes them in the network namespace of a process. They take what comes from that namespace alone,
// and programs there can have port 53 of all addresses for themselves, as with docker; but where
// the kernel can't redirect, the port is taken. To be called in a worker, which stays in that
// namespace.
Result<ResolverSockets> make_resolver_sockets(pid_t pid);

// Sends an answer to a datagram, from the resolver's address and port; one that can't be taken is
// lost. False: it was not sent.
bool send_answer(const ResolverSockets& sockets, const struct sockaddr_in& to,
                 std::string_view answer);

}  // namespace dhow::shim
