// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

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
};

// Makes them in the network namespace of a process. They take what comes from that namespace alone.
// To be called in a worker, which stays in that namespace.
Result<ResolverSockets> make_resolver_sockets(pid_t pid);

}  // namespace dhow::shim
