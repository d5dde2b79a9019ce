// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::shim {

// Has what is sent in a network namespace to an address and port, `address` in the network's byte
// order, go to two sockets of ours, wherever those are bound and whoever else is bound there: by a
// program of the kind sk_lookup (Linux 5.9). It holds for as long as the result. Fails where the
// kernel has no such thing, or lets us not use it.
Result<Fd> redirect_to_sockets(FdRef space, std::uint32_t address, std::uint16_t port,
                               const Fd& datagrams, const Fd& listener);

}  // namespace dhow::shim
