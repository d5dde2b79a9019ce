// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "network/address.h"

namespace dhow::network {

// Writes the address for bind(2) and connect(2); its size.
socklen_t write_socket_address(const Ip& host, std::uint16_t port, struct sockaddr_storage& out);

// What the kernel has written; of other families 0.0.0.0. An address of IPv4 in the form of one of
// IPv6 is not looked for.
Ip address_of(const struct sockaddr_storage& address);
std::uint16_t port_of(const struct sockaddr_storage& address);
// As the kernel has them: a `struct in6_addr`.
Ip6 read_ip6(const void* bytes);

}  // namespace dhow::network
