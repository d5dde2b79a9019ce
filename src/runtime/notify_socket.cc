// SPDX-License-Identifier: Apache-2.0
#include "runtime/notify_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/log.h"
#include "base/strings.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

constexpr char kName[] = "notify.sock";
constexpr int kBarrierTimeoutMs = 30'000;

// An address of sd_notify(3): a path, or "@name" for the abstract namespace.
Status send_to(const std::string& address_text, std::string_view payload, const Fd* descriptor) {
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket");
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (address_text.size() >= sizeof address.sun_path) {
    return fail_errno(ENAMETOOLONG, cat("NOTIFY_SOCKET ", quoted(address_text)));
  }
  memcpy(address.sun_path, address_text.data(), address_text.size());
  auto length =
      static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + address_text.size());
  if (address_text.starts_with('@')) {
    address.sun_path[0] = '\0';
  } else {
    ++length;
  }
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return fail_errno(errno, cat("NOTIFY_SOCKET ", quoted(address_text)));
  }
  std::vector<FdRef> fds;
  if (descriptor != nullptr) fds.emplace_back(*descriptor);
  return send_message(socket, payload, fds);
}

// BARRIER=1 with the write end of a pipe: the receiver closes it when it has seen all before it.
Status wait_for_barrier(const std::string& address) {
  TRY_ASSIGN(Pipe pipe, make_pipe());
  TRY(send_to(address, "BARRIER=1", &pipe.write));
  pipe.write.reset();
  struct pollfd entry{pipe.read.get(), POLLHUP, 0};
  while (true) {
    int ready = ::poll(&entry, 1, kBarrierTimeoutMs);
    if (ready > 0) return {};
    if (ready == 0) return fail(Code::kDeadlineExceeded, "BARRIER=1: no answer in 30 s");
    if (errno != EINTR) return fail_errno(errno, "wait for BARRIER=1");
  }
}

bool says_ready(std::string_view text, std::string_view& line) {
  for (std::string_view entry : split(text, '\n')) {
    if (entry.starts_with("READY=")) {
      line = entry;
      return true;
    }
  }
  return false;
}

std::string notify_address() {
  const char* address = ::getenv("NOTIFY_SOCKET");
  return address == nullptr ? "" : address;
}

}  // namespace

oci::Mount notify_mount(std::string_view state_path) {
  oci::Mount mount;
  mount.destination = "/run/notify";
  mount.type = "bind";
  mount.source = cat(state_path, "/", kNotifyFolder);
  mount.options = {"bind", "nosuid", "noexec", "nodev"};
  return mount;
}

Result<std::optional<NotifySocket>> NotifySocket::make(FdRef state_dir, std::string_view state_path,
                                                       oci::Config& config) {
  std::string host = notify_address();
  if (host.empty()) return std::optional<NotifySocket>();
  if (::mkdirat(state_dir.get(), kNotifyFolder, 0755) != 0)
    return fail_errno(errno, "make notify folder");
  TRY_ASSIGN(Fd folder, open_at(state_dir, kNotifyFolder, O_RDONLY | O_DIRECTORY));
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket");
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = proc_fd_path(folder, kName);
  memcpy(address.sun_path, path.data(), path.size());
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchmodat(folder.get(), kName, 0777, 0) != 0) {
    return fail_errno(errno, "make notify socket");
  }
  config.mounts.push_back(notify_mount(state_path));
  return std::optional(NotifySocket(std::move(socket), std::move(host)));
}

Status NotifySocket::forward_ready(const PidFd& init, pid_t pid) const {
  while (true) {
    struct pollfd entries[2] = {{socket_.get(), POLLIN, 0}, {init.fd().get(), POLLIN, 0}};
    if (::poll(entries, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "wait for READY=1");
    }
    if (entries[0].revents != 0) {
      TRY_ASSIGN(Message message, receive_message(socket_, 65536));
      std::string_view line;
      if (!says_ready(message.payload, line)) continue;
      TRY(send_to(host_path_, cat(line, "\nMAINPID=", pid), nullptr));
      return wait_for_barrier(host_path_);
    }
    if (entries[1].revents != 0) return {};
  }
}

}  // namespace dhow::runtime
