// SPDX-License-Identifier: Apache-2.0
#include "logging/log_socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <ctime>
#include <netinet/in.h>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::logging {
namespace {

constexpr std::int64_t kRetryNs = 1'000'000'000;

std::int64_t monotonic_ns() {
  struct timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kRetryNs + now.tv_nsec;
}

// Only numbers: a look-up of names would block.
Result<Fd> connect_inet(const LogSocket::Address& address) {
  int type = address.kind == LogSocket::Kind::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  std::string where = cat(address.host, " port ", address.port);
  auto port = parse_number<std::uint16_t>(address.port);
  struct sockaddr_in ip4{};
  struct sockaddr_in6 ip6{};
  struct sockaddr* name = nullptr;
  socklen_t size = 0;
  if (port && ::inet_pton(AF_INET, address.host.c_str(), &ip4.sin_addr) == 1) {
    ip4.sin_family = AF_INET;
    ip4.sin_port = htons(*port);
    name = reinterpret_cast<struct sockaddr*>(&ip4);
    size = sizeof ip4;
  } else if (port && ::inet_pton(AF_INET6, address.host.c_str(), &ip6.sin6_addr) == 1) {
    ip6.sin6_family = AF_INET6;
    ip6.sin6_port = htons(*port);
    name = reinterpret_cast<struct sockaddr*>(&ip6);
    size = sizeof ip6;
  } else {
    return fail(Code::kInvalidArgument, cat("syslog-address: not an address: ", where));
  }
  Fd fd(::socket(name->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "make socket");
  if (::connect(fd.get(), name, size) != 0 && errno != EINPROGRESS) {
    return fail_errno(errno, cat("connect to ", where));
  }
  return fd;
}

Result<Fd> connect_to(const LogSocket::Address& address) {
  using Kind = LogSocket::Kind;
  if (address.kind == Kind::kUdp || address.kind == Kind::kTcp) return connect_inet(address);
  int type = address.kind == Kind::kUnixDatagram ? SOCK_DGRAM : SOCK_STREAM;
  TRY_ASSIGN(Fd fd, connect_unix(kCwd, address.host, type));
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
  return fd;
}

}  // namespace

bool LogSocket::connect() {
  if (fd_) return true;
  std::int64_t now = monotonic_ns();
  if (now < next_try_ns_) return false;
  auto connected = connect_to(address_);
  if (!connected) {
    next_try_ns_ = now + kRetryNs;
    if (dropped_ == 0) log::warning(cat("log: ", connected.error().message()));
    return false;
  }
  fd_ = std::move(*connected);
  return true;
}

void LogSocket::send(std::string message) {
  waiting_bytes_ += message.size();
  waiting_.push_back(std::move(message));
}

void LogSocket::drop_front() {
  waiting_bytes_ -= waiting_.front().size();
  waiting_.pop_front();
  sent_of_front_ = 0;
}

void LogSocket::drop_all() {
  dropped_ += waiting_.size();
  while (!waiting_.empty()) drop_front();
}

// systemd.io/JOURNAL_NATIVE_PROTOCOL: a sealed memfd with the message, and an empty datagram.
LogSocket::Outcome LogSocket::send_as_file(std::string_view message) {
  Fd file(::memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || !write_all(file, message)) return Outcome::kRefused;
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return Outcome::kRefused;
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr header{};
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  struct cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  int number = file.get();
  __builtin_memcpy(CMSG_DATA(part), &number, sizeof number);
  if (::sendmsg(fd_.get(), &header, MSG_NOSIGNAL) >= 0) return Outcome::kSent;
  return errno == EAGAIN ? Outcome::kLater : Outcome::kGone;
}

LogSocket::Outcome LogSocket::send_front() {
  const std::string& message = waiting_.front();
  std::string_view rest = std::string_view(message).substr(sent_of_front_);
  ssize_t count = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ENOTCONN) return Outcome::kLater;
    if (errno == EMSGSIZE) return large_in_memfd_ ? send_as_file(message) : Outcome::kRefused;
    if (errno == ENOBUFS) return Outcome::kRefused;
    return Outcome::kGone;
  }
  bool is_stream = address_.kind == Kind::kTcp || address_.kind == Kind::kUnixStream;
  sent_of_front_ += static_cast<std::size_t>(count);
  return is_stream && sent_of_front_ < message.size() ? Outcome::kLater : Outcome::kSent;
}

void LogSocket::flush() {
  // A server that has just been restarted gets what its predecessor didn't take.
  for (int tries = 0; tries < 2 && !waiting_.empty(); ++tries) {
    if (!connect()) return drop_all();
    while (!waiting_.empty()) {
      Outcome outcome = send_front();
      if (outcome == Outcome::kLater) return;
      if (outcome == Outcome::kGone) {
        fd_.reset();
        sent_of_front_ = 0;
        break;
      }
      if (outcome == Outcome::kRefused) ++dropped_;
      drop_front();
    }
  }
  if (!waiting_.empty()) drop_all();
}

}  // namespace dhow::logging
