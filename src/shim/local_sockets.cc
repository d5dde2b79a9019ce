// SPDX-License-Identifier: Apache-2.0
#include "shim/local_sockets.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <string>

#include "base/strings.h"

namespace dhow::shim {

bool LocalTarget::operator==(const LocalTarget& other) const {
  return size == other.size && std::memcmp(&bytes, &other.bytes, size) == 0;
}

Result<LocalTarget> parse_local_target(std::string_view address, std::string_view port) {
  LocalTarget target;
  auto& four = reinterpret_cast<struct sockaddr_in&>(target.bytes);
  auto& six = reinterpret_cast<struct sockaddr_in6&>(target.bytes);
  std::string text(address);
  auto number = parse_number<std::uint16_t>(port);
  if (number && ::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(*number);
    target.size = sizeof four;
    return target;
  }
  target = {};
  if (number && ::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(*number);
    target.size = sizeof six;
    return target;
  }
  return fail(Code::kInvalidArgument, cat("not an address with a port: ", address, " ", port));
}

Result<Fd> bind_local(int type, std::uint16_t port) {
  bool is_stream = type == SOCK_STREAM;
  std::string what = cat("listen at [::1]:", port, is_stream ? "/tcp" : "/udp");
  Fd socket(::socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, what);
  int on = 1;
  // What connections of before have left is no reason to refuse; of UDP it would share the port.
  if (is_stream) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  struct sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(port);
  name.sin6_addr = in6addr_loopback;
  const auto* pointer = reinterpret_cast<const struct sockaddr*>(&name);
  if (::bind(socket.get(), pointer, sizeof name) != 0 ||
      (is_stream && ::listen(socket.get(), SOMAXCONN) != 0)) {
    return fail_errno(errno, what);
  }
  return socket;
}

}  // namespace dhow::shim
