// SPDX-License-Identifier: Apache-2.0
// Clients of the resolver by TCP: one query of each at a time, in their order.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "dns/message.h"
#include "shim/resolver.h"

namespace dhow::shim {
namespace {

constexpr int kStepsAtOnce = 32;

}  // namespace

struct Resolver::Client {
  Fd socket;
  Loop::Watch watch;
  Loop::Watch timer;
  std::string in, out;
  bool is_asking = false;   // its answer is still to come
  bool is_serving = false;  // serve() is at it
  bool is_gone = false;
};

void Resolver::accept_client() {
  Fd socket(::accept4(sockets_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;
  auto client = std::make_shared<Client>();
  client->socket = std::move(socket);
  // Not owned by what it owns.
  std::weak_ptr<Client> weak = client;
  auto watch = loop_.watch(client->socket, EPOLLIN, [this, weak](std::uint32_t) {
    if (ClientPtr ready = weak.lock()) serve(ready);
  });
  if (!watch) return;
  client->watch = std::move(*watch);
  clients_.push_back(client);
  await_client(client, EPOLLIN);
  // More wait with the kernel.
  if (clients_.size() >= kMostClients) listener_.set_events(0);
}

void Resolver::await_client(const ClientPtr& client, std::uint32_t events) {
  client->watch.set_events(events);
  if (client->timer) return;
  std::weak_ptr<Client> weak = client;
  auto timer = loop_.after(kClientPatience, [this, weak] {
    if (ClientPtr late = weak.lock()) drop(late);
  });
  if (!timer) return drop(client);
  client->timer = std::move(*timer);
}

void Resolver::drop(const ClientPtr& client) {
  if (std::exchange(client->is_gone, true)) return;
  client->watch.reset();
  client->timer.reset();
  client->socket.reset();
  listener_.set_events(EPOLLIN);
  ClientPtr kept = client;  // which may be the one in the list
  std::erase(clients_, kept);
}

void Resolver::serve(const ClientPtr& client) {
  if (std::exchange(client->is_serving, true)) return;
  ClientPtr kept = client;
  int steps = 0;
  while (steps < kStepsAtOnce && serve_step(kept)) ++steps;
  // It can be written to, so this goes on after others have had their turn.
  bool goes_on = steps == kStepsAtOnce && !kept->is_gone && !kept->is_asking;
  if (goes_on) await_client(kept, EPOLLOUT);
  kept->is_serving = false;
}

bool Resolver::serve_step(const ClientPtr& client) {
  if (client->is_gone || client->is_asking) return false;
  int socket = client->socket.get();
  if (!client->out.empty()) {
    ssize_t size = ::send(socket, client->out.data(), client->out.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) {
      await_client(client, EPOLLOUT);
      return false;
    }
    if (size < 0) drop(client);
    if (size > 0) client->out.erase(0, static_cast<std::size_t>(size));
    return size > 0;
  }
  if (auto framed = dns::first_message(client->in)) {
    std::string message(*framed);
    client->in.erase(0, dns::kLengthSize + message.size());
    ask_for(client, message);
    return !client->is_gone;
  }
  char buffer[dns::kLongestQuery];
  bool is_too_long = dns::announced_length(client->in).value_or(0) > dns::kLongestQuery;
  ssize_t size = is_too_long ? 0 : ::recv(socket, buffer, sizeof buffer, 0);
  if (size < 0 && errno == EAGAIN) {
    await_client(client, EPOLLIN);
    return false;
  }
  if (size <= 0) drop(client);
  if (size > 0) client->in.append(buffer, static_cast<std::size_t>(size));
  return size > 0;
}

void Resolver::ask_for(const ClientPtr& client, const std::string& message) {
  client->is_asking = true;
  // Until there is an answer, the servers' time counts.
  client->timer.reset();
  client->watch.set_events(0);
  std::weak_ptr<Client> weak = client;
  answer(Transport::kStream, message, [this, weak](const std::string& text) {
    ClientPtr asking = weak.lock();
    if (!asking || asking->is_gone) return;
    asking->is_asking = false;
    if (text.empty()) return drop(asking);
    asking->out += dns::with_length(text);
    serve(asking);
  });
}

}  // namespace dhow::shim
