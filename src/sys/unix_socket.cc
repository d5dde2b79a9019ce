// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_socket.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"

namespace dhow {
namespace {

constexpr std::size_t kMaxFds = 64;

Result<struct sockaddr_un> address_of(const std::string& path) {
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.find('\0') != std::string::npos) return fail_errno(EINVAL, cat("socket ", quoted(path)));
  if (path.size() >= sizeof address.sun_path) {
    return fail_errno(ENAMETOOLONG, cat("socket ", quoted(path)));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<SocketPair> make_socket_pair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) {
    return fail_errno(errno, "make socket pair");
  }
  return SocketPair{Fd(fds[0]), Fd(fds[1])};
}

Result<Fd> connect_unix(FdRef dir, std::string_view path, int type) {
  // O_PATH on the socket file itself: its /proc name is always short enough.
  TRY_ASSIGN(Fd file, open_at(dir, path, O_PATH));
  TRY_ASSIGN(auto address, address_of(proc_fd_path(file)));
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket");
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
         0) {
    if (errno != EINTR) return fail_errno(errno, cat("connect to ", quoted(path)));
  }
  return socket;
}

Result<Fd> listen_unix(FdRef dir, std::string_view name, int type, unsigned mode) {
  if (name.empty() || name.find('/') != std::string_view::npos) {
    return fail(Code::kInvalidArgument, cat("listen on ", quoted(name), ": not a file name"));
  }
  bool here = dir.get() == AT_FDCWD;
  TRY_ASSIGN(auto address,
             address_of(here ? std::string(name) : cat(proc_fd_path(dir), "/", name)));
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket");
  // The mode of the socket file comes from the open socket (less the umask), so it is right from
  // the first moment on.
  if (::fchmod(socket.get(), mode) != 0) return fail_errno(errno, "set socket mode");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, cat("listen on ", quoted(name)));
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    int error = errno;
    ::unlinkat(dir.get(), std::string(name).c_str(), 0);
    return fail_errno(error, cat("listen on ", quoted(name)));
  }
  return socket;
}

Status send_message(FdRef socket, std::string_view payload, const std::vector<FdRef>& fds) {
  if (fds.size() > kMaxFds) return fail(Code::kInvalidArgument, "send: too many descriptors");
  // A stream carries descriptors with a byte; without one they are lost and nobody says so.
  if (!fds.empty() && payload.empty()) {
    return fail(Code::kInvalidArgument, "send: descriptors without a payload");
  }
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  struct iovec part{const_cast<char*>(payload.data()), payload.size()};
  struct msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* entry = CMSG_FIRSTHDR(&header);
    entry->cmsg_level = SOL_SOCKET;
    entry->cmsg_type = SCM_RIGHTS;
    entry->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    for (std::size_t i = 0; i < fds.size(); ++i) {
      int fd = fds[i].get();
      memcpy(CMSG_DATA(entry) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  while (true) {
    ssize_t sent = ::sendmsg(socket.get(), &header, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "send message");
    }
    // A stream may take a part when a signal comes; the descriptors went with the first byte.
    auto size = static_cast<std::size_t>(sent);
    if (size >= part.iov_len) return {};
    part.iov_base = static_cast<char*>(part.iov_base) + size;
    part.iov_len -= size;
    header.msg_control = nullptr;
    header.msg_controllen = 0;
  }
}

Result<Message> receive_message(FdRef socket, std::size_t limit) {
  if (limit == 0) return fail(Code::kInvalidArgument, "receive message: no room");
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)] = {};
  Message message;
  message.payload.resize(limit);
  struct iovec part{message.payload.data(), message.payload.size()};
  struct msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(errno, "receive message");
  message.payload.resize(static_cast<std::size_t>(got));
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
       entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(entry) + i * sizeof fd, sizeof fd);
      message.fds.emplace_back(fd);
    }
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(Code::kOutOfRange, "receive message: too long");
  }
  message.end = got == 0 && message.fds.empty();
  return message;
}

}  // namespace dhow
