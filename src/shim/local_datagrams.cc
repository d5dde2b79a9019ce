// SPDX-License-Identifier: Apache-2.0
#include "shim/local_datagrams.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>

#include "sys/resident.h"

namespace dhow::shim {
namespace {

constexpr std::size_t kLongestDatagram = std::size_t{64} << 10;  // no datagram is longer
constexpr std::int64_t kStillness = 5000;                        // milliseconds
constexpr int kMovedAtOnce = 32;                                 // then others have their turn

}  // namespace

struct LocalDatagrams::Door {
  std::uint16_t port = 0;
  Fd socket;
  Loop::Watch watch;
  LocalTarget target;
};

Result<LocalDatagrams::DoorPtr> LocalDatagrams::open(std::uint16_t port) {
  auto door = std::make_shared<Door>();
  door->port = port;
  TRY_ASSIGN(door->socket, bind_local(SOCK_DGRAM, port));
  // Not owned by what it owns.
  std::weak_ptr<Door> weak = door;
  TRY_ASSIGN(door->watch, loop_.watch(door->socket, EPOLLIN, [this, weak](std::uint32_t) {
    if (DoorPtr ready = weak.lock()) receive(ready);
  }));
  // What has made the container isn't needed to wait here.
  plan_rest();
  return door;
}

Status LocalDatagrams::set(const LocalTargets& targets) {
  std::map<std::uint16_t, DoorPtr> doors;
  for (const auto& [port, target] : targets) {
    auto former = doors_.find(port);
    DoorPtr& door = doors[port];
    if (former != doors_.end()) {
      door = former->second;
    } else {
      TRY_ASSIGN(door, open(port));
    }
  }
  for (Place client = clients_.begin(); client != clients_.end();) {
    Place next = std::next(client);
    auto target = targets.find(client->door->port);
    bool stays = target != targets.end() && target->second == client->door->target;
    if (!stays) drop(client);
    client = next;
  }
  for (const auto& [port, target] : targets) doors[port]->target = target;
  doors_ = std::move(doors);
  return {};
}

void LocalDatagrams::receive(const DoorPtr& door) {
  for (int i = 0; i < kMovedAtOnce; ++i) {
    struct sockaddr_in6 from{};
    socklen_t size = sizeof from;
    ssize_t got = ::recvfrom(door->socket.get(), buffer(), kLongestDatagram, 0,
                             reinterpret_cast<struct sockaddr*>(&from), &size);
    if (got < 0) return;
    Place client = client_at(door, from);
    if (client == clients_.end()) continue;
    used(client);
    auto send = [&] {
      return ::send(client->socket.get(), buffer(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
    };
    // It tells of an earlier one that was refused, and has not sent this one. The container may be
    // about to listen.
    if (send() < 0 && errno == ECONNREFUSED) std::ignore = send();
  }
}

void LocalDatagrams::answer(Place client) {
  for (int i = 0; i < kMovedAtOnce; ++i) {
    ssize_t got = ::recv(client->socket.get(), buffer(), kLongestDatagram, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) continue;  // what was sent has been refused, which is no end of anything
    used(client);
    std::ignore =
        ::sendto(client->door->socket.get(), buffer(), static_cast<std::size_t>(got), 0,
                 reinterpret_cast<const struct sockaddr*>(&client->from), sizeof client->from);
  }
}

LocalDatagrams::Place LocalDatagrams::client_at(const DoorPtr& door,
                                                const struct sockaddr_in6& from) {
  Name name{door->port, from.sin6_port, from.sin6_scope_id, {}};
  std::memcpy(name.address.data(), &from.sin6_addr, name.address.size());
  auto known = places_.find(name);
  if (known != places_.end()) return known->second;
  if (clients_.size() >= kMostClients) drop(clients_.begin());
  const LocalTarget& target = door->target;
  Fd socket(::socket(target.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), target.get(), target.size) != 0) return clients_.end();
  Place client = clients_.emplace(clients_.end());
  auto watch = loop_.watch(socket, EPOLLIN, [this, client](std::uint32_t) { answer(client); });
  if (!watch) {
    clients_.erase(client);
    return clients_.end();
  }
  client->name = name;
  client->from = from;
  client->door = door;
  client->socket = std::move(socket);
  client->watch = std::move(*watch);
  places_.emplace(name, client);
  return client;
}

void LocalDatagrams::used(Place client) {
  client->used = Loop::now();
  clients_.splice(clients_.end(), clients_, client);
  plan_end();
}

void LocalDatagrams::drop(Place client) {
  places_.erase(client->name);
  clients_.erase(client);
}

void LocalDatagrams::plan_end() {
  if (timer_ || clients_.empty()) return;
  std::int64_t left = clients_.front().used + patience_ - Loop::now();
  auto timer = loop_.after(std::max<std::int64_t>(left, 0), [this] { end_idle(); });
  if (timer) timer_ = std::move(*timer);
}

void LocalDatagrams::end_idle() {
  timer_.reset();
  std::int64_t now = Loop::now();
  while (!clients_.empty() && clients_.front().used + patience_ <= now) drop(clients_.begin());
  plan_end();
}

void LocalDatagrams::plan_rest() {
  if (rest_) return;
  auto timer = loop_.after(kStillness, [this] {
    rest_.reset();
    bool is_busy = !clients_.empty() && clients_.back().used + kStillness > Loop::now();
    if (is_busy) return plan_rest();
    buffer_.reset();
    drop_resident_code();
  });
  if (timer) rest_ = std::move(*timer);
}

char* LocalDatagrams::buffer() {
  plan_rest();
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kLongestDatagram);
  return buffer_.get();
}

}  // namespace dhow::shim
