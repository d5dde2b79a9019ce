// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/config.h"
#include "sys/fd.h"
#include "sys/process.h"

// What a caller gives to create, run and exec, and gets from them, about one process: descriptors
// to keep, a terminal, its pid.
namespace dhow::runtime {

// Which ways of giving a terminal go together (runc's and crun's rules). `program` is the name in
// the message.
Status check_console(std::string_view program, bool socket, bool terminal, bool detach);

// Of CreateOptions and ExecOptions: whether a socket for the terminal was given.
bool has_console(const auto& options) {
  return !options.console_socket.empty() || options.console >= 0;
}

// The socket that gets the pty master: a copy of `console`, or, when that is -1, connected to the
// path; nullopt without one.
Result<std::optional<Fd>> connect_console(const std::string& console_socket, int console);

// That descriptors 3 .. 2+count are open.
Status check_preserved_fds(unsigned count);

// Sends the pidfd to the socket (one message: the name "pidfd" and the descriptor) and writes the
// pid file (the pid in decimal without a newline; a reader sees all of it or no file). Empty paths:
// not.
Status announce_process(const std::string& pidfd_socket, const std::string& pid_file, pid_t pid,
                        const PidFd& pidfd);
// Takes the pid file back, of a process that came to nothing after all.
void retract_process(const std::string& pid_file);

}  // namespace dhow::runtime
