// SPDX-License-Identifier: Apache-2.0
#include "sys/socket_program.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow {
namespace {

// In the child: all descriptors but its standard streams are close-on-exec. The mask of signals
// would go with execve(2).
[[noreturn]] void become(const std::vector<char*>& arguments, int socket) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setsid();
  if (::dup2(socket, STDIN_FILENO) == STDIN_FILENO &&
      ::dup2(socket, STDOUT_FILENO) == STDOUT_FILENO) {
    ::execvp(arguments[0], arguments.data());
  }
  ::_exit(127);
}

}  // namespace

Result<Fd> start_on_socket(const std::vector<std::string>& arguments, ProgramLife life) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_STREAM));
  const pid_t self = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, cat("fork to run ", arguments.front()));
  if (pid == 0 && life == ProgramLife::kItsOwn) {
    // The one in between ends at once.
    pid_t program = ::fork();
    if (program == 0) become(pointers, pair.second.get());
    ::_exit(program < 0 ? 1 : 0);
  }
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != self) ::_exit(126);
    become(pointers, pair.second.get());
  }
  if (life == ProgramLife::kItsOwn) {
    TRY_ASSIGN(int status, wait_for(pid));
    if (status != 0) return fail(Code::kUnavailable, cat("fork to run ", arguments.front()));
  }
  return std::move(pair.first);
}

}  // namespace dhow
