// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/tcp_pair.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace dhow::network::rootless {
namespace {

constexpr std::size_t kAtOnce = std::size_t{256} << 10;

// Of the loop's thread, which is the only one: what is read is written before the next is read.
char* stream_buffer() {
  static std::string bytes(kAtOnce, '\0');
  return bytes.data();
}

}  // namespace

Status TcpPair::start(Poller& poller, Fd client, Fd container) {
  for (const Fd* socket : {&client, &container}) {
    int on = 1;
    // Who writes little at a time has decided on that already.
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A container that was taken from its network says no farewell.
    constexpr int kIdle = 60;  // seconds
    constexpr int kInterval = 10;
    ::setsockopt(socket->get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_KEEPIDLE, &kIdle, sizeof kIdle);
    ::setsockopt(socket->get(), IPPROTO_TCP, TCP_KEEPINTVL, &kInterval, sizeof kInterval);
  }
  std::unique_ptr<TcpPair> pair(new TcpPair(poller, std::move(client), std::move(container)));
  TRY(poller.watch(pair->container_.socket, EPOLLOUT, pair->container_));
  TRY(poller.watch(pair->client_.socket, 0, pair->client_));
  pair->container_.events = EPOLLOUT;
  pair->client_.events = 0;
  poller.own(std::move(pair));
  return {};
}

void TcpPair::on_ready(Side& side, std::uint32_t events) {
  if (is_over_) return;
  if ((events & EPOLLERR) != 0) return abort();
  if (!is_connected_) {
    // The client has gone before.
    if (&side == &client_) return abort();
    if ((events & EPOLLOUT) == 0) return abort();
    is_connected_ = true;
  }
  bool is_well = (events & EPOLLOUT) == 0 || flush(side);
  if (is_well && (events & (EPOLLIN | EPOLLHUP)) != 0) is_well = pump(side);
  if (!is_well) return abort();
  settle();
}

bool TcpPair::pump(Side& from) {
  Side& to = other(from);
  if (!to.waiting.empty() || from.has_ended) return true;
  ssize_t size = ::recv(from.socket.get(), stream_buffer(), kAtOnce, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) {
    from.has_ended = true;
    return true;
  }
  ssize_t sent =
      ::send(to.socket.get(), stream_buffer(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  sent = std::max<ssize_t>(sent, 0);
  to.waiting.assign(stream_buffer() + sent, static_cast<std::size_t>(size - sent));
  to.written = 0;
  return true;
}

bool TcpPair::flush(Side& to) {
  if (to.waiting.empty()) return true;
  ssize_t sent = ::send(to.socket.get(), to.waiting.data() + to.written,
                        to.waiting.size() - to.written, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  to.written += static_cast<std::size_t>(sent);
  if (to.written < to.waiting.size()) return true;
  // Without its memory: most connections wait most of the time.
  std::string().swap(to.waiting);
  to.written = 0;
  return true;
}

void TcpPair::update(Side& side) {
  Side& opposite = other(side);
  std::uint32_t events = 0;
  if (!side.has_ended && opposite.waiting.empty()) events |= EPOLLIN;
  if (!side.waiting.empty()) events |= EPOLLOUT;
  if (opposite.has_ended && side.waiting.empty() && !side.was_shut) {
    ::shutdown(side.socket.get(), SHUT_WR);
    side.was_shut = true;
  }
  // A hang-up would be told again and again.
  if (side.has_ended && side.was_shut) return poller_.forget(side.socket);
  if (events == side.events) return;
  side.events = events;
  poller_.change(side.socket, events, side);
}

void TcpPair::settle() {
  update(client_);
  update(container_);
  if (client_.was_shut && container_.was_shut) finish();
}

void TcpPair::abort() {
  for (Side* side : {&client_, &container_}) {
    struct linger now{1, 0};
    ::setsockopt(side->socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  finish();
}

void TcpPair::finish() {
  is_over_ = true;
  client_.socket.reset();
  container_.socket.reset();
  poller_.end(*this);
}

}  // namespace dhow::network::rootless
