// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "e2e/support/host.h"

namespace dhow::e2e {
namespace {

constexpr int kPatienceMs = 20'000;

bool readable(int fd) {
  struct pollfd entry{fd, POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&entry, 1, patience_ms(kPatienceMs));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

TestFd& TestFd::operator=(TestFd&& other) noexcept {
  close();
  fd_ = other.release();
  return *this;
}

int TestFd::release() { return std::exchange(fd_, -1); }

void TestFd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Peer::Peer(Kind kind) : path_(folder_.path() + "/socket"), kind_(kind) {
  int type = kind == Kind::kStream ? SOCK_STREAM : SOCK_DGRAM;
  socket_ = TestFd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) throw std::runtime_error("socket path: " + path_);
  memcpy(address.sun_path, path_.data(), path_.size());
  if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      (kind == Kind::kStream && ::listen(socket_.get(), 8) != 0)) {
    throw std::runtime_error("listen on " + path_);
  }
}

Received Peer::receive(TestFd* connection) {
  Received received;
  if (!readable(socket_.get())) {
    ADD_FAILURE() << "nobody came to " << path_;
    return received;
  }
  TestFd accepted;
  int from = socket_.get();
  if (kind_ == Kind::kStream) {
    accepted = TestFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    from = accepted.get();
  }
  std::string buffer(65536, '\0');
  struct iovec part{buffer.data(), buffer.size()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)];
  struct msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = readable(from) ? ::recvmsg(from, &message, MSG_CMSG_CLOEXEC) : -1;
  if (size < 0) {
    ADD_FAILURE() << "no message came to " << path_;
    return received;
  }
  received.payload = buffer.substr(0, static_cast<std::size_t>(size));
  for (struct cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  if (connection != nullptr) *connection = std::move(accepted);
  return received;
}

Terminal::Terminal() {
  int ends[2];
  if (::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) != 0) {
    throw std::runtime_error("openpty");
  }
  master = TestFd(ends[0]);
  slave = TestFd(ends[1]);
  for (int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
}

void Terminal::resize(unsigned short rows, unsigned short columns) const {
  struct winsize size{rows, columns, 0, 0};
  ::ioctl(master.get(), TIOCSWINSZ, &size);
}

std::string read_until(int fd, std::string_view text) {
  std::string seen;
  while (seen.find(text) == std::string::npos) {
    char buffer[4096];
    ssize_t got = readable(fd) ? ::read(fd, buffer, sizeof buffer) : -1;
    if (got <= 0) {
      ADD_FAILURE() << "no \"" << text << "\" in: " << seen;
      break;
    }
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  return seen;
}

}  // namespace dhow::e2e
