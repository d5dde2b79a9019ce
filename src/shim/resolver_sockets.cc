// SPDX-License-Identifier: Apache-2.0
#include "shim/resolver_sockets.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

Result<Fd> make_socket(int type) {
  Fd made(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return fail_errno(errno, "make a socket for the resolver");
  int on = 1;
  // The loopback interface may not be up yet, and a packet from elsewhere is never for us.
  bool is_set = ::setsockopt(made.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on) == 0 &&
                ::setsockopt(made.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0;
  if (!is_set) return fail_errno(errno, "set up a socket for the resolver");
  struct sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(kResolverPort);
  ::inet_pton(AF_INET, std::string(kResolverAddress).c_str(), &place.sin_addr);
  if (::bind(made.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) {
    return fail_errno(errno, cat("bind to ", kResolverAddress, ":", kResolverPort));
  }
  return made;
}

}  // namespace

std::string resolver_file(const std::string& bundle) { return bundle + "/resolver"; }

Result<ResolverSockets> make_resolver_sockets(pid_t pid) {
  TRY_ASSIGN(Fd space, open_at(kCwd, cat("/proc/", pid, "/ns/net"), O_RDONLY));
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    return fail_errno(errno, "enter the network namespace of a container");
  }
  ResolverSockets made;
  TRY_ASSIGN(made.datagrams, make_socket(SOCK_DGRAM));
  TRY_ASSIGN(made.listener, make_socket(SOCK_STREAM));
  constexpr int kWaiting = 16;
  if (::listen(made.listener.get(), kWaiting) != 0) {
    return fail_errno(errno, "listen as the resolver");
  }
  return made;
}

}  // namespace dhow::shim
