// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dhow::bench {

// What the benchmark and its launcher say to each other over a SOCK_SEQPACKET pair. The launcher is
// freestanding, so only built-in types appear here. A request is one message: the argument vector,
// each string ended by a NUL. The answer is one LaunchReply.

inline constexpr int kLauncherSocket = 3;
inline constexpr int kMaxRequestBytes = 4096;
inline constexpr int kMaxArguments = 48;

// The answer to a request, and, all zero, the greeting of a launcher that is ready.
struct LaunchReply {
  int status = 0;        // wait status as of wait4(2)
  int error = 0;         // errno when the command could not be forked or waited for, else 0
  long wall_ns = 0;      // from just before the fork until just after the wait
  long user_us = 0;      // of the command and of the descendants that it waited for
  long system_us = 0;    // same
  long max_rss_kib = 0;  // the largest single process among those
};

}  // namespace dhow::bench
