// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "sys/fd.h"

namespace dhow::testing {

// A socket of TCP that listens on the loopback interface, at a port that is free.
struct LoopbackListener {
  Fd socket;
  std::uint16_t port = 0;

  // Blocks until somebody connects.
  Fd accept() const { return Fd(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
};

inline LoopbackListener listen_loopback(int family = AF_INET) {
  LoopbackListener listener;
  listener.socket.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_in6 name{};
  socklen_t size = sizeof name;
  name.sin6_family = static_cast<sa_family_t>(family);
  name.sin6_addr = in6addr_loopback;
  auto* generic = reinterpret_cast<struct sockaddr*>(&name);
  if (family == AF_INET) {
    auto& four = reinterpret_cast<struct sockaddr_in&>(name);
    size = sizeof four;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  EXPECT_EQ(::bind(listener.socket.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.socket.get(), 8), 0);
  EXPECT_EQ(::getsockname(listener.socket.get(), generic, &size), 0);
  // At the same place in both families.
  listener.port = ntohs(name.sin6_port);
  return listener;
}

}  // namespace dhow::testing
