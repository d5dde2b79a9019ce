// SPDX-License-Identifier: Apache-2.0
#include "crash/syscall_count.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace dhow::crash_test {
namespace {

constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
constexpr auto kLongestTrace = std::chrono::milliseconds(500);

void* number(long value) { return reinterpret_cast<void*>(value); }

bool seize_all(pid_t child) {
  bool any = false;
  std::error_code none;
  auto threads =
      std::filesystem::directory_iterator("/proc/" + std::to_string(child) + "/task", none);
  for (const auto& entry : threads) {
    pid_t thread = std::stoi(entry.path().filename().string());
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, number(kOptions)) != 0) continue;
    ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
    any = true;
  }
  return any;
}

// The signal that a stop has held back, if it is one that the process is to get.
int held_back(int status) {
  bool of_tracer = (status >> 16) != 0 || WSTOPSIG(status) == (SIGTRAP | 0x80);
  return of_tracer ? 0 : WSTOPSIG(status);
}

}  // namespace

std::optional<int> kill_after_syscalls(pid_t child, std::uint64_t count,
                                       const std::function<void()>& before) {
  if (!seize_all(child)) return std::nullopt;
  std::once_flag once;
  auto end = [&] {
    std::call_once(once, [&] {
      before();
      ::kill(child, SIGKILL);
    });
  };
  // A daemon with nothing to do makes no calls.
  std::jthread timer([&end](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kLongestTrace, [] { return false; });
    if (!stop.stop_requested()) end();
  });
  while (true) {
    int status = 0;
    pid_t thread = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (thread < 0) {
      std::call_once(once, before);
      return 0;
    }
    if (!WIFSTOPPED(status)) {
      if (thread == child) {
        // It may have ended by itself.
        std::call_once(once, before);
        return status;
      }
      continue;
    }
    if (WSTOPSIG(status) == (SIGTRAP | 0x80) && count-- == 0) end();
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, number(held_back(status)));
  }
}

}  // namespace dhow::crash_test
