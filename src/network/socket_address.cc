// SPDX-License-Identifier: Apache-2.0
#include "network/socket_address.h"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>

namespace dhow::network {

socklen_t write_socket_address(const Ip& host, std::uint16_t port, struct sockaddr_storage& out) {
  out = {};
  if (!host.is_v6) {
    auto& address = reinterpret_cast<struct sockaddr_in&>(out);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(host.v4.value);
    return sizeof address;
  }
  auto& address = reinterpret_cast<struct sockaddr_in6&>(out);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  std::string bytes = host.bytes();
  std::memcpy(&address.sin6_addr, bytes.data(), sizeof address.sin6_addr);
  return sizeof address;
}

Ip6 read_ip6(const void* bytes) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  Ip6 out;
  for (int i = 0; i < 16; ++i) {
    out.high = out.high << 8 | out.low >> 56;
    out.low = out.low << 8 | at[i];
  }
  return out;
}

Ip address_of(const struct sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    return read_ip6(&reinterpret_cast<const struct sockaddr_in6&>(address).sin6_addr);
  }
  if (address.ss_family != AF_INET) return {};
  return Ip4{ntohl(reinterpret_cast<const struct sockaddr_in&>(address).sin_addr.s_addr)};
}

std::uint16_t port_of(const struct sockaddr_storage& address) {
  // At the same place in both families.
  return ntohs(reinterpret_cast<const struct sockaddr_in&>(address).sin_port);
}

}  // namespace dhow::network
