// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace dhow::crash_test {

// Lets a child of this thread go on for that many entries into and exits from system calls, of all
// its threads, then kills it; after half a second in any case. `before` is called in front of that.
// Returns when it has ended, which it may by itself, and was waited for: waitpid's status. None: it
// can't be traced; it lives.
std::optional<int> kill_after_syscalls(pid_t child, std::uint64_t count,
                                       const std::function<void()>& before);

}  // namespace dhow::crash_test
