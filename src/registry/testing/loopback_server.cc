// SPDX-License-Identifier: Apache-2.0
#include "registry/testing/loopback_server.h"

#include <sys/socket.h>

#include <cstdlib>
#include <netinet/in.h>
#include <utility>

namespace dhow::registry::testing {

LoopbackServer::LoopbackServer(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
  listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  bool listens = ::bind(listener_.get(), generic, size) == 0 &&
                 ::listen(listener_.get(), 64) == 0 &&
                 ::getsockname(listener_.get(), generic, &size) == 0;
  if (!listens) std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

LoopbackServer::~LoopbackServer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    // Wakes accept and every recv; descriptors stay open until their threads are gone.
    ::shutdown(listener_.get(), SHUT_RDWR);
    for (const Fd& fd : connections_) ::shutdown(fd.get(), SHUT_RDWR);
  }
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t LoopbackServer::connections() const {
  std::lock_guard lock(mutex_);
  return connections_.size();
}

void LoopbackServer::accept_loop() {
  for (;;) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::lock_guard lock(mutex_);
    if (!fd || stopping_) return;
    int number = fd.get();
    connections_.push_back(std::move(fd));
    threads_.emplace_back([this, number] {
      serve_(number);
      ::shutdown(number, SHUT_RDWR);
    });
  }
}

}  // namespace dhow::registry::testing
