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
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/socket_program.h"
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

Result<Fd> connect_local(const LogSocket::Address& address) {
  if (address.kind != LogSocket::Kind::kTls) {
    int type = address.is_stream() ? SOCK_STREAM : SOCK_DGRAM;
    return connect_unix(kCwd, address.host, type);
  }
  std::vector<std::string> words = address.tunnel;
  words.insert(words.end(), {"--", address.host, address.port});
  return start_on_socket(words, ProgramLife::kItsOwn);
}

Result<Fd> connect_to(const LogSocket::Address& address) {
  using Kind = LogSocket::Kind;
  if (address.kind == Kind::kUdp || address.kind == Kind::kTcp) return connect_inet(address);
  TRY_ASSIGN(Fd fd, connect_local(address));
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
    try_later();
    if (dropped_ == 0) log::warning(cat("log: ", connected.error().message()));
    return false;
  }
  fd_ = std::move(*connected);
  is_tunnel_open_ = address_.kind != Kind::kTls;
  return true;
}

void LogSocket::try_later() { next_try_ns_ = monotonic_ns() + kRetryNs; }

// A line: empty when the connection stands, else why there is none. Until then the tunnel takes
// what it is given, which is lost with it.
bool LogSocket::hear_tunnel() {
  char c = 0;
  while (!is_tunnel_open_) {
    ssize_t count = ::recv(fd_.get(), &c, 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (count == 1 && c != '\n') {
      tunnel_words_ += c;
      continue;
    }
    is_tunnel_open_ = count == 1 && tunnel_words_.empty();
    if (is_tunnel_open_) break;
    if (dropped_ == 0) {
      log::warning(
          cat("log: TLS with ", address_.host, ": ",
              tunnel_words_.empty() ? cat(address_.tunnel.front(), " has ended") : tunnel_words_));
    }
    return false;
  }
  unproven_ = 0;
  return true;
}

void LogSocket::let_go() {
  fd_.reset();
  sent_of_front_ = 0;
  tunnel_words_.clear();
  if (is_tunnel_open_) return;
  dropped_ += std::exchange(unproven_, 0);
  try_later();
}

// Of a server that has closed its end, the first message would be taken and lost.
bool LogSocket::is_there() {
  if (!hear_tunnel()) return false;
  if (!address_.is_stream()) return true;
  char c = 0;
  return ::recv(fd_.get(), &c, 1, MSG_DONTWAIT | MSG_PEEK) != 0;
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
  sent_of_front_ += static_cast<std::size_t>(count);
  return address_.is_stream() && sent_of_front_ < message.size() ? Outcome::kLater : Outcome::kSent;
}

void LogSocket::flush() {
  // A server that has just been restarted gets what its predecessor didn't take.
  for (int tries = 0; tries < 2 && !waiting_.empty(); ++tries) {
    if (!connect()) return drop_all();
    bool is_gone = !is_there();
    while (!waiting_.empty()) {
      Outcome outcome = is_gone ? Outcome::kGone : send_front();
      if (outcome == Outcome::kLater) return;
      if (outcome == Outcome::kGone) {
        let_go();
        break;
      }
      if (outcome == Outcome::kRefused) ++dropped_;
      if (!is_tunnel_open_) ++unproven_;
      drop_front();
    }
  }
  if (!waiting_.empty()) drop_all();
}

}  // namespace dhow::logging
