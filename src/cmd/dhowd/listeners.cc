// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/listeners.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <netinet/in.h>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::dhowd {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr unsigned kSocketMode = 0660;

Result<Listener> listen_unix_at(const std::string& path, const std::string& group) {
  std::size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash + 1 == path.size()) {
    return fail(Code::kInvalidArgument, cat("unix://", path, ": not an absolute path of a file"));
  }
  std::string folder = path.substr(0, slash == 0 ? 1 : slash);
  std::string name = path.substr(slash + 1);
  TRY(make_dirs(folder, 0711));
  TRY_ASSIGN(Fd opened, open_at(kCwd, folder, O_PATH | O_DIRECTORY));
  struct stat old{};
  if (::fstatat(opened.get(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISSOCK(old.st_mode)) {
      return fail(Code::kAlreadyExists, cat(path, " is there, and is not a socket"));
    }
    if (::unlinkat(opened.get(), name.c_str(), 0) != 0) {
      return fail_errno(errno, cat("remove ", quoted(path)));
    }
  }
  Listener listener;
  TRY_ASSIGN(listener.socket, listen_unix(opened, name, SOCK_STREAM, kSocketMode));
  listener.path = path;
  // The umask may have taken some of it.
  if (::fchmodat(opened.get(), name.c_str(), kSocketMode, 0) != 0) {
    return fail_errno(errno, cat("set the mode of ", quoted(path)));
  }
  if (::geteuid() != 0 || group.empty()) return listener;
  if (const struct group* entry = ::getgrnam(group.c_str()); entry != nullptr) {
    if (::fchownat(opened.get(), name.c_str(), 0, entry->gr_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return fail_errno(errno, cat("give ", quoted(path), " to the group ", group));
    }
  }
  return listener;
}

Result<Fd> bind_tcp(const struct sockaddr* address, socklen_t size, const std::string& host) {
  Fd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, cat("make a socket for ", host));
  int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), address, size) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    return fail_errno(errno, cat("listen at ", host));
  }
  return socket;
}

Result<Listener> listen_tcp_at(const std::string& host, std::string_view address) {
  std::size_t colon = address.rfind(':');
  auto port = colon == std::string_view::npos
                  ? std::nullopt
                  : parse_number<std::uint16_t>(address.substr(colon + 1));
  if (!port) return fail(Code::kInvalidArgument, cat(host, ": no port"));
  std::string name(address.substr(0, colon));
  Listener listener;
  listener.is_network = true;
  struct sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(*port);
  struct sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(*port);
  if (name == "localhost") name = "127.0.0.1";
  bool bracketed = name.starts_with('[') && name.ends_with(']');
  if (name.empty() || (bracketed && ::inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(),
                                                &v6.sin6_addr) == 1)) {
    TRY_ASSIGN(listener.socket,
               bind_tcp(reinterpret_cast<const struct sockaddr*>(&v6), sizeof v6, host));
    return listener;
  }
  if (::inet_pton(AF_INET, name.c_str(), &v4.sin_addr) == 1) {
    TRY_ASSIGN(listener.socket,
               bind_tcp(reinterpret_cast<const struct sockaddr*>(&v4), sizeof v4, host));
    return listener;
  }
  return fail(Code::kInvalidArgument, cat(host, ": ", quoted(name), " is no address"));
}

}  // namespace

std::vector<Listener> take_activated() {
  std::vector<Listener> listeners;
  const char* pid = ::getenv("LISTEN_PID");
  const char* count = ::getenv("LISTEN_FDS");
  auto for_us = parse_number<pid_t>(pid == nullptr ? "" : pid);
  auto number = parse_number<unsigned short>(count == nullptr ? "" : count);
  if (for_us == ::getpid() && number) {
    for (int fd = kFirstPassed; fd < kFirstPassed + *number; ++fd) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      int family = AF_UNIX;
      socklen_t size = sizeof family;
      std::ignore = ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
      listeners.push_back({Fd(fd), {}, family != AF_UNIX});
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  return listeners;
}

Result<Listener> listen_at(const std::string& host, const std::string& group) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  if (host.starts_with(kUnix)) return listen_unix_at(host.substr(kUnix.size()), group);
  if (host.starts_with(kTcp))
    return listen_tcp_at(host, std::string_view(host).substr(kTcp.size()));
  return fail(Code::kInvalidArgument, cat(quoted(host), ": neither unix:// nor tcp://"));
}

}  // namespace dhow::dhowd
