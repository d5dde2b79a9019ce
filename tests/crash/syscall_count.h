// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace dhow::crash_test {

// Lets a child of this thread go on for that many entries into and exits from system calls, of all
// its threads, then kills it; after half a second in any case. `before` is called in front of that.
// Returns when it has ended and was waited for. False: it can't be traced; it lives.
bool kill_after_syscalls(pid_t child, std::uint64_t count, const std::function<void()>& before);

}  // namespace dhow::crash_test
