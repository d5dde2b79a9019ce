// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/waiting_child.h"

#include <sys/socket.h>
#include <unistd.h>

#include <tuple>
#include <utility>

#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::rootfs {

Result<WaitingChild> WaitingChild::clone(std::uint64_t flags,
                                         const std::function<Status()>& prepare) {
  TRY_ASSIGN(SocketPair sockets, make_socket_pair(SOCK_STREAM));
  CloneOptions options;
  options.flags = flags;
  options.want_pidfd = false;
  TRY_ASSIGN(CloneResult child, clone_process(options));
  char byte = 0;
  if (child.pid == 0) {
    sockets.first.reset();
    if (prepare) {
      if (!prepare()) ::_exit(1);
      std::ignore = ::write(sockets.second.get(), &byte, 1);
    }
    // Lives until the parent closes its end.
    std::ignore = ::read(sockets.second.get(), &byte, 1);
    ::_exit(0);
  }
  sockets.second.reset();
  WaitingChild waiting(child.pid, std::move(sockets.first));
  if (prepare && ::read(waiting.socket_.get(), &byte, 1) != 1) {
    return fail(Code::kFailedPrecondition, "prepare a namespace: its process ended");
  }
  return waiting;
}

WaitingChild::WaitingChild(WaitingChild&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), socket_(std::move(other.socket_)) {}

WaitingChild::~WaitingChild() {
  if (pid_ == 0) return;
  socket_.reset();
  std::ignore = wait_for(pid_);  // nothing can be done for a child that isn't there
}

}  // namespace dhow::rootfs
