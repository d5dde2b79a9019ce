// SPDX-License-Identifier: Apache-2.0
#include "shim/upstreams.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <net/if.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "dns/message.h"

namespace dhow::shim {
namespace {

constexpr std::uint16_t kServerPort = 53;

struct ServerPlace {
  struct sockaddr_storage address{};
  socklen_t size = 0;
};

Result<ServerPlace> parse_server(const std::string& text) {
  ServerPlace place;
  auto* four = reinterpret_cast<struct sockaddr_in*>(&place.address);
  auto* six = reinterpret_cast<struct sockaddr_in6*>(&place.address);
  if (::inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(kServerPort);
    place.size = sizeof *four;
    return place;
  }
  std::size_t percent = std::min(text.find('%'), text.size());
  if (::inet_pton(AF_INET6, text.substr(0, percent).c_str(), &six->sin6_addr) != 1) {
    return fail(Code::kInvalidArgument, cat("name server ", quoted(text), ": not an address"));
  }
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(kServerPort);
  if (percent != text.size()) six->sin6_scope_id = ::if_nametoindex(text.c_str() + percent + 1);
  place.size = sizeof *six;
  return place;
}

}  // namespace

bool Upstreams::ask(Transport transport, std::string_view query, std::vector<std::string> servers,
                    Done done) {
  if (flights_.size() >= kMostQueries) return false;
  if (servers.size() > kMostServers) servers.resize(kMostServers);
  Flight& flight = flights_.emplace_back();
  flight.transport = transport;
  flight.query = query;
  flight.servers = std::move(servers);
  flight.done = std::move(done);
  try_next(std::prev(flights_.end()));
  return true;
}

void Upstreams::try_next(Place flight) {
  while (flight->next < flight->servers.size()) {
    flight->watch.reset();
    flight->socket.reset();
    if (!send(flight, flight->servers[flight->next++])) continue;
    flight->deadline = Loop::now() + kPatience;
    flights_.splice(flights_.end(), flights_, flight);
    return arm_timer();
  }
  finish(flight, "");
}

Status Upstreams::send(Place flight, const std::string& server) {
  TRY_ASSIGN(ServerPlace place, parse_server(server));
  bool is_stream = flight->transport == Transport::kStream;
  flight->socket =
      Fd(::socket(place.address.ss_family,
                  (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!flight->socket) return fail_errno(errno, "make a socket");
  int socket = flight->socket.get();
  if (::getrandom(&flight->id, sizeof flight->id, 0) != sizeof flight->id) {
    return fail_errno(errno, "choose an id");
  }
  int connected = ::connect(socket, reinterpret_cast<const sockaddr*>(&place.address), place.size);
  if (connected != 0 && errno != EINPROGRESS) return fail_errno(errno, "connect");
  flight->in.clear();
  flight->out = dns::with_id(flight->query, flight->id);
  if (is_stream) {
    flight->out = dns::with_length(flight->out);
  } else if (::send(socket, flight->out.data(), flight->out.size(), MSG_NOSIGNAL) < 0) {
    return fail_errno(errno, "send a query");
  }
  TRY_ASSIGN(flight->watch,
             loop_.watch(flight->socket, is_stream ? EPOLLOUT : EPOLLIN,
                         [this, flight](std::uint32_t events) { ready(flight, events); }));
  return {};
}

void Upstreams::ready(Place flight, std::uint32_t events) {
  if (flight->transport == Transport::kDatagram) return receive(flight);
  Status done = (events & EPOLLOUT) != 0 && !flight->out.empty() ? write_stream(*flight)
                                                                 : read_stream(flight);
  if (!done) try_next(flight);
}

void Upstreams::receive(Place flight) {
  char buffer[dns::kLargestLimit];
  ssize_t size = ::recv(flight->socket.get(), buffer, sizeof buffer, MSG_TRUNC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return try_next(flight);
  std::string_view answer(buffer, std::min(static_cast<std::size_t>(size), sizeof buffer));
  auto query = dns::parse_query(flight->query);
  // Late, forged or broken: the right one may still come.
  if (!query || !dns::is_answer_to(answer, *query, flight->id)) return;
  if (static_cast<std::size_t>(size) > sizeof buffer) {
    dns::Answer cut(*query, dns::Rcode::kSuccess, dns::kSmallestLimit);
    cut.set_truncated();
    return finish(flight, cut.take());
  }
  answered(flight, std::string(answer));
}

Status Upstreams::write_stream(Flight& flight) {
  ssize_t size = ::send(flight.socket.get(), flight.out.data(), flight.out.size(), MSG_NOSIGNAL);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size < 0) return fail_errno(errno, "send a query");
  flight.out.erase(0, static_cast<std::size_t>(size));
  if (flight.out.empty()) flight.watch.set_events(EPOLLIN);
  return {};
}

// What was still to be read of this is of no interest when it does not answer the query.
Status Upstreams::read_stream(Place flight) {
  char buffer[dns::kLargestLimit];
  ssize_t size = ::recv(flight->socket.get(), buffer, sizeof buffer, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (size < 0) return fail_errno(errno, "read an answer");
  if (size == 0) return fail(Code::kUnavailable, "the server has closed the connection");
  flight->in.append(buffer, static_cast<std::size_t>(size));
  auto framed = dns::first_message(flight->in);
  if (!framed) return {};
  std::string answer(*framed);
  auto query = dns::parse_query(flight->query);
  if (!query || !dns::is_answer_to(answer, *query, flight->id)) {
    return fail(Code::kUnavailable, "the server answers something else");
  }
  answered(flight, std::move(answer));
  return {};
}

// Another server may know what one fails at or refuses.
void Upstreams::answered(Place flight, std::string answer) {
  dns::Rcode code = dns::rcode_of(answer);
  if (code == dns::Rcode::kServerFailure || code == dns::Rcode::kRefused) return try_next(flight);
  finish(flight, std::move(answer));
}

void Upstreams::finish(Place flight, std::string answer) {
  if (!answer.empty()) {
    auto query = dns::parse_query(flight->query);
    answer = dns::with_id(answer, query ? query->id : 0);
  }
  Done done = std::move(flight->done);
  flights_.erase(flight);
  done(std::move(answer));
}

void Upstreams::arm_timer() {
  if (timer_ || flights_.empty()) return;
  auto left = std::max<std::int64_t>(flights_.front().deadline - Loop::now(), 0);
  auto timer = loop_.after(left, [this] { expire(); });
  if (timer) timer_ = std::move(*timer);
}

void Upstreams::expire() {
  timer_.reset();
  std::int64_t now = Loop::now();
  while (!flights_.empty() && flights_.front().deadline <= now) try_next(flights_.begin());
  arm_timer();
}

}  // namespace dhow::shim
