// SPDX-License-Identifier: Apache-2.0
#include "logging/tunnel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::logging {
namespace {

// In the child: everything but its standard streams is close-on-exec.
[[noreturn]] void become(const std::vector<char*>& arguments, int socket) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  if (::dup2(socket, STDIN_FILENO) == STDIN_FILENO) ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Result<Fd> open_tunnel(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_STREAM));
  if (::fcntl(pair.first.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, cat("fork to run ", arguments.front()));
  if (pid == 0) {
    // The one in between ends at once.
    pid_t program = ::fork();
    if (program == 0) become(pointers, pair.second.get());
    ::_exit(program < 0 ? 1 : 0);
  }
  TRY_ASSIGN(int status, wait_for(pid));
  if (status != 0) return fail(Code::kUnavailable, cat("fork to run ", arguments.front()));
  return std::move(pair.first);
}

}  // namespace dhow::logging
