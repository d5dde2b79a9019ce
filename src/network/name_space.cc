// SPDX-License-Identifier: Apache-2.0
#include "network/name_space.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

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

// The highest group that this process' user namespace has; others cannot be named in it.
std::string highest_group() {
  std::uint64_t highest = 0;
  std::string map = read_file("/proc/self/gid_map", std::size_t{1} << 16).value_or("");
  for (std::string_view line : split(map, '\n')) {
    std::vector<std::uint64_t> numbers;
    for (std::string_view word : split(line, ' ')) {
      if (auto number = parse_number<std::uint64_t>(word)) numbers.push_back(*number);
    }
    constexpr std::size_t kInsideOutsideCount = 3;
    if (numbers.size() != kInsideOutsideCount) continue;
    highest = std::max(highest, numbers[0] + numbers[2] - 1);
  }
  // The kernel takes no more than that.
  return cat(std::min<std::uint64_t>(highest, 0x7fffffff));
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
  return write_existing(settings, "ping_group_range", cat("0 ", highest_group()));
}

}  // namespace dhow::network
