// SPDX-License-Identifier: Apache-2.0
// Starts commands for the benchmark and measures them.
//
// ru_maxrss of a process is never below the resident size of the process that forked it: execve
// carries the high-water mark of the old address space over. So the fork must happen in a process
// that is smaller than anything measured. This one has no C library and touches a few pages only,
// which also keeps the price of the fork itself small and equal for all.

#include <linux/resource.h>
#include <linux/time.h>

#include <asm/unistd.h>

#include "base/freestanding.h"
#include "bench/wire.h"

namespace dhow::bench {
namespace {

constexpr long kSigchld = 17;
constexpr long kSetDescriptorFlags = 2;
constexpr long kCloseOnExec = 1;
constexpr long kErrorInterrupted = -4;

long now_ns() {
  __kernel_timespec time;
  system_call(__NR_clock_gettime, CLOCK_MONOTONIC, reinterpret_cast<long>(&time));
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

long microseconds(const __kernel_old_timeval& time) {
  return time.tv_sec * 1'000'000 + time.tv_usec;
}

void launch(char** arguments, char** environment, LaunchReply& reply) {
  const long begin = now_ns();
  const long child = system_call(__NR_clone, kSigchld);
  if (child == 0) {
    system_call(__NR_execve, reinterpret_cast<long>(arguments[0]),
                reinterpret_cast<long>(arguments), reinterpret_cast<long>(environment));
    system_call(__NR_exit_group, 127);
  }
  if (child < 0) {
    reply.error = static_cast<int>(-child);
    return;
  }
  rusage usage;
  long waited;
  do {
    waited = system_call(__NR_wait4, child, reinterpret_cast<long>(&reply.status), 0,
                         reinterpret_cast<long>(&usage));
  } while (waited == kErrorInterrupted);
  reply.wall_ns = now_ns() - begin;
  if (waited < 0) {
    reply.error = static_cast<int>(-waited);
    return;
  }
  reply.user_us = microseconds(usage.ru_utime);
  reply.system_us = microseconds(usage.ru_stime);
  reply.max_rss_kib = usage.ru_maxrss;
}

void send(const LaunchReply& reply) {
  system_call(__NR_write, kLauncherSocket, reinterpret_cast<long>(&reply), sizeof reply);
}

// Cuts the message into strings in place. Returns false when it is not a list of strings.
bool split(char* message, long size, char** arguments) {
  int count = 0;
  long start = 0;
  for (long i = 0; i < size; ++i) {
    if (message[i] != '\0') continue;
    if (count == kMaxArguments) return false;
    arguments[count++] = message + start;
    start = i + 1;
  }
  arguments[count] = nullptr;
  return count > 0 && start == size;
}

char message[kMaxRequestBytes];
char* arguments[kMaxArguments + 1];

}  // namespace
}  // namespace dhow::bench

extern "C" [[noreturn]] void bench_launcher(long* stack) {
  using dhow::system_call;
  using namespace dhow::bench;
  char** environment = reinterpret_cast<char**>(stack + 1 + stack[0] + 1);
  system_call(__NR_fcntl, kLauncherSocket, kSetDescriptorFlags, kCloseOnExec);
  send(LaunchReply{});
  for (;;) {
    const long size =
        system_call(__NR_read, kLauncherSocket, reinterpret_cast<long>(message), sizeof message);
    if (size == kErrorInterrupted) continue;
    if (size <= 0) break;  // the benchmark is gone
    LaunchReply reply;
    if (!split(message, size, arguments)) {
      reply.error = 22;  // EINVAL
    } else {
      launch(arguments, environment, reply);
    }
    send(reply);
  }
  for (;;) {
    system_call(__NR_exit_group, 0);
  }
}

DHOW_FREESTANDING_ENTRY(bench_launcher)
