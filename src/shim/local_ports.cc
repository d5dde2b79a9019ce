// SPDX-License-Identifier: Apache-2.0
#include "shim/local_ports.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace dhow::shim {
namespace {

constexpr std::size_t kPart = 64 << 10;  // bytes; what a pipe holds
constexpr int kStepsAtOnce = 16;

}  // namespace

struct LocalPorts::Door {
  Fd listener;
  Loop::Watch watch;
  LocalTarget target;
};

// One direction: what has been read waits in the pipe until it is written.
struct LocalPorts::Flow {
  Pipe pipe;
  std::size_t held = 0;
  bool has_ended = false;
  bool is_told = false;  // that it has ended

  // False: nothing can be moved any more.
  bool pump(const Fd& from, const Fd& to) {
    for (int i = 0; i < kStepsAtOnce; ++i) {
      bool has_moved = false;
      if (!has_ended && held < kPart) {
        ssize_t got = ::splice(from.get(), nullptr, pipe.write.get(), nullptr, kPart - held,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (got < 0 && errno != EAGAIN && errno != EINTR) return false;
        has_ended = got == 0;
        if (got > 0) held += static_cast<std::size_t>(got);
        has_moved = got > 0;
      }
      if (held > 0) {
        ssize_t put = ::splice(pipe.read.get(), nullptr, to.get(), nullptr, held,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (put > 0) held -= static_cast<std::size_t>(put);
        has_moved = has_moved || put > 0;
      }
      if (!has_moved) break;
    }
    if (has_ended && held == 0 && !std::exchange(is_told, true)) ::shutdown(to.get(), SHUT_WR);
    return true;
  }
};

struct LocalPorts::Client {
  Fd outer, inner;  // sockets
  Loop::Watch outer_watch, inner_watch;
  Flow there, back;
  bool is_connected = false;
  bool is_gone = false;
};

Result<std::shared_ptr<LocalPorts::Door>> LocalPorts::open(std::uint16_t port) {
  auto door = std::make_shared<Door>();
  TRY_ASSIGN(door->listener, bind_local(SOCK_STREAM, port));
  std::weak_ptr<Door> weak = door;
  TRY_ASSIGN(door->watch, loop_.watch(door->listener, EPOLLIN, [this, weak](std::uint32_t) {
    if (auto ready = weak.lock()) accept(*ready);
  }));
  return door;
}

Status LocalPorts::set(std::string_view text) {
  LocalTargets streams;
  LocalTargets datagrams;
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    std::vector<std::string_view> words = split(line, ' ');
    auto port = parse_number<std::uint16_t>(words[0]);
    bool is_udp = words.size() == 4 && words[3] == "udp";
    if ((words.size() != 3 && !is_udp) || !port || *port == 0) {
      return fail(Code::kInvalidArgument, cat("not a port of the host: ", quoted(line)));
    }
    TRY_ASSIGN(LocalTarget target, parse_local_target(words[1], words[2]));
    (is_udp ? datagrams : streams)[*port] = target;
  }
  std::map<std::uint16_t, std::shared_ptr<Door>> doors;
  for (const auto& [port, target] : streams) {
    auto former = doors_.find(port);
    std::shared_ptr<Door>& door = doors[port];
    if (former != doors_.end()) {
      door = former->second;
    } else {
      TRY_ASSIGN(door, open(port));
    }
  }
  TRY(datagrams_.set(datagrams));
  for (const auto& [port, target] : streams) doors[port]->target = target;
  doors_ = std::move(doors);
  return {};
}

void LocalPorts::accept(const Door& door) {
  auto client = std::make_shared<Client>();
  client->outer =
      Fd(::accept4(door.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client->outer) return;
  client->inner =
      Fd(::socket(door.target.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  for (Flow* flow : {&client->there, &client->back}) {
    auto pipe = make_pipe(O_NONBLOCK);
    if (!pipe) return;
    flow->pipe = std::move(*pipe);
  }
  if (!client->inner || (::connect(client->inner.get(), door.target.get(), door.target.size) != 0 &&
                         errno != EINPROGRESS)) {
    return;
  }
  // Not owned by what it owns.
  std::weak_ptr<Client> weak = client;
  auto ready = [this, weak](std::uint32_t) {
    if (ClientPtr one = weak.lock()) serve(one);
  };
  auto outer = loop_.watch(client->outer, 0, ready);
  auto inner = loop_.watch(client->inner, EPOLLOUT, ready);
  if (!outer || !inner) return;
  client->outer_watch = std::move(*outer);
  client->inner_watch = std::move(*inner);
  clients_.push_back(client);
  if (clients_.size() < kMostClients) return;
  for (auto& [port, one] : doors_) one->watch.set_events(0);
}

void LocalPorts::serve(const ClientPtr& client) {
  if (client->is_gone) return;
  if (!client->is_connected) {
    int why = 0;
    socklen_t size = sizeof why;
    bool asked = ::getsockopt(client->inner.get(), SOL_SOCKET, SO_ERROR, &why, &size) == 0;
    if (!asked || why != 0) return drop(client);
    client->is_connected = true;
  }
  Flow& there = client->there;
  Flow& back = client->back;
  if (!there.pump(client->outer, client->inner) || !back.pump(client->inner, client->outer)) {
    return drop(client);
  }
  if (there.is_told && back.is_told) return drop(client);
  // What is full is not read from, and what has nothing to get is not written to.
  auto events = [](const Flow& from, const Flow& to) {
    std::uint32_t wanted = 0;
    if (!from.has_ended && from.held == 0) wanted |= EPOLLIN;
    if (to.held > 0) wanted |= EPOLLOUT;
    return wanted;
  };
  client->outer_watch.set_events(events(there, back));
  client->inner_watch.set_events(events(back, there));
}

void LocalPorts::drop(const ClientPtr& client) {
  if (std::exchange(client->is_gone, true)) return;
  client->outer_watch.reset();
  client->inner_watch.reset();
  clients_.remove(client);
  listen_again();
}

void LocalPorts::listen_again() {
  if (clients_.size() + 1 != kMostClients) return;
  for (auto& [port, door] : doors_) door->watch.set_events(EPOLLIN);
}

}  // namespace dhow::shim
