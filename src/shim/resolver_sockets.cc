// SPDX-License-Identifier: Apache-2.0
#include "shim/resolver_sockets.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <iterator>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <utility>

#include "base/strings.h"
#include "shim/resolver_redirect.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

struct sockaddr_in resolver_place(std::uint16_t port) {
  struct sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  ::inet_pton(AF_INET, std::string(kResolverAddress).c_str(), &place.sin_addr);
  return place;
}

Result<Fd> make_socket(int type, int protocol = 0) {
  Fd made(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!made) return fail_errno(errno, "make a socket for the resolver");
  int on = 1;
  // The loopback interface may not be up yet, and a packet from elsewhere is never for us.
  bool is_set = ::setsockopt(made.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0 &&
                ::setsockopt(made.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0;
  if (!is_set) return fail_errno(errno, "set up a socket for the resolver");
  return made;
}

// At that port of the resolver's address; 0: at any.
Result<ResolverSockets> bound_sockets(std::uint16_t port) {
  ResolverSockets made;
  TRY_ASSIGN(made.datagrams, make_socket(SOCK_DGRAM));
  TRY_ASSIGN(made.listener, make_socket(SOCK_STREAM));
  auto place = resolver_place(port);
  for (const Fd* socket : {&made.datagrams, &made.listener}) {
    if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) {
      return fail_errno(errno, cat("bind to ", kResolverAddress, ":", port));
    }
  }
  constexpr int kWaiting = 16;
  if (::listen(made.listener.get(), kWaiting) != 0) {
    return fail_errno(errno, "listen as the resolver");
  }
  return made;
}

Result<ResolverSockets> redirected_sockets(FdRef space) {
  TRY_ASSIGN(ResolverSockets made, bound_sockets(0));
  TRY_ASSIGN(made.replies, make_socket(SOCK_RAW, IPPROTO_RAW));
  TRY_ASSIGN(made.redirect, redirect_to_sockets(space, resolver_place(0).sin_addr.s_addr,
                                                kResolverPort, made.datagrams, made.listener));
  return made;
}

}  // namespace

std::string resolver_file(const std::string& bundle) { return bundle + "/resolver"; }

std::vector<Fd> ResolverSockets::take_all() && {
  std::vector<Fd> all;
  for (Fd* fd : {&datagrams, &listener, &replies, &redirect}) {
    if (*fd) all.push_back(std::move(*fd));
  }
  return all;
}

ResolverSockets ResolverSockets::from_all(std::vector<Fd> all) {
  ResolverSockets made;
  Fd* const places[] = {&made.datagrams, &made.listener, &made.replies, &made.redirect};
  for (std::size_t i = 0; i < all.size() && i < std::size(places); ++i) {
    *places[i] = std::move(all[i]);
  }
  return made;
}

Result<ResolverSockets> make_resolver_sockets(pid_t pid) {
  TRY_ASSIGN(Fd space, open_at(kCwd, cat("/proc/", pid, "/ns/net"), O_RDONLY));
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    return fail_errno(errno, "enter the network namespace of a container");
  }
  if (auto redirected = redirected_sockets(space)) return std::move(*redirected);
  return bound_sockets(kResolverPort);
}

bool send_answer(const ResolverSockets& sockets, const struct sockaddr_in& to,
                 std::string_view answer) {
  const auto* address = reinterpret_cast<const sockaddr*>(&to);
  if (!sockets.replies) {
    return ::sendto(sockets.datagrams.get(), answer.data(), answer.size(), MSG_NOSIGNAL, address,
                    sizeof to) >= 0;
  }
  struct Headers {
    struct iphdr ip;
    struct udphdr udp;
  } headers{};
  // The kernel fills in length, id and sum; the sum of UDP is left out (RFC 768).
  headers.ip.version = 4;
  headers.ip.ihl = sizeof headers.ip / 4;
  headers.ip.ttl = 64;
  headers.ip.protocol = IPPROTO_UDP;
  headers.ip.saddr = resolver_place(0).sin_addr.s_addr;
  headers.ip.daddr = to.sin_addr.s_addr;
  headers.udp.source = htons(kResolverPort);
  headers.udp.dest = to.sin_port;
  headers.udp.len = htons(static_cast<std::uint16_t>(sizeof headers.udp + answer.size()));
  std::string packet(reinterpret_cast<const char*>(&headers), sizeof headers);
  packet += answer;
  return ::sendto(sockets.replies.get(), packet.data(), packet.size(), MSG_NOSIGNAL, address,
                  sizeof to) >= 0;
}

}  // namespace dhow::shim
