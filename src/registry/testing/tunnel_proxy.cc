// SPDX-License-Identifier: Apache-2.0
#include "registry/testing/tunnel_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <string_view>

#include "sys/file_io.h"

namespace dhow::registry::testing {
namespace {

// Up to the empty line; "" when the connection ends before. One byte at a time: what follows is
// the tunnel's.
std::string read_head(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n")) {
    if (::recv(fd, &byte, 1, 0) != 1) return {};
    head += byte;
  }
  return head;
}

void say(FdRef fd, std::string_view text) { std::ignore = write_all(fd, text); }

bool pass_on(FdRef from, FdRef to) {
  char buffer[16384];
  ssize_t count = ::recv(from.get(), buffer, sizeof buffer, 0);
  if (count <= 0) return false;
  return write_all(to, {buffer, static_cast<std::size_t>(count)}).has_value();
}

void tunnel(FdRef one, FdRef other) {
  while (true) {
    pollfd ends[] = {{one.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
    if (::poll(ends, 2, -1) < 0) return;
    if (ends[0].revents != 0 && !pass_on(one, other)) return;
    if (ends[1].revents != 0 && !pass_on(other, one)) return;
  }
}

}  // namespace

TunnelProxy::TunnelProxy(std::uint16_t target, std::string login)
    : target_(target), login_(std::move(login)), server_([this](int fd) { serve(fd); }) {}

std::vector<std::string> TunnelProxy::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

Fd TunnelProxy::connect_to_target() const {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(target_);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

void TunnelProxy::serve(int number) {
  FdRef client(number);
  std::string head = read_head(number);
  {
    std::lock_guard lock(mutex_);
    asked_.push_back(head.substr(0, head.find('\r')));
  }
  Fd target = connect_to_target();
  if (!login_.empty() && !head.contains("\r\nProxy-Authorization: Basic " + login_ + "\r\n")) {
    say(client,
        "HTTP/1.1 407 Who Are You\r\nProxy-Authenticate: Basic realm=\"p\"\r\n"
        "Content-Length: 0\r\n\r\n");
  } else if (!head.starts_with("CONNECT ") || !target) {
    say(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  } else {
    say(client, "HTTP/1.1 200 Connected\r\n\r\n");
    tunnel(client, target);
  }
}

}  // namespace dhow::registry::testing
