// SPDX-License-Identifier: Apache-2.0
#include "network/name_space.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/netlink.h"

namespace dhow::network {
namespace {

// A thread that has left its namespace is of no use for anything else.
Status in_own_thread(const std::function<Status()>& work) {
  Status status;
  try {
    std::thread([&] { status = work(); }).join();
  } catch (const std::exception& exception) {
    return fail(Code::kResourceExhausted, cat("start a thread: ", exception.what()));
  }
  return status;
}

}  // namespace

Result<Fd> make_name_space(const std::function<Status()>& inside) {
  Fd space;
  TRY(in_own_thread([&]() -> Status {
    if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
    TRY_ASSIGN(space, open_at(kCwd, "/proc/thread-self/ns/net", O_RDONLY));
    return inside();
  }));
  return space;
}

Status run_in_name_space(FdRef space, const std::function<Status()>& inside) {
  return in_own_thread([&]() -> Status {
    if (::setns(space.get(), CLONE_NEWNET) != 0) {
      return fail_errno(errno, "enter a network namespace");
    }
    return inside();
  });
}

Status set_up_for_container() {
  TRY(bring_loopback_up());
  // Opened once: the kernel looks through the entries of all network namespaces to find ours.
  TRY_ASSIGN(Fd settings, open_at(kCwd, "/proc/sys/net/ipv4", O_PATH | O_DIRECTORY));
  TRY(write_existing(settings, "ip_unprivileged_port_start", "0"));
  return write_existing(settings, "ping_group_range", "0 2147483647");
}

}  // namespace dhow::network
