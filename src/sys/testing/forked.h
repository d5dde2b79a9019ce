// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/result.h"

// For tests of what changes the calling process for good: it is done in a child.
namespace dhow::testing {

// Runs `body` in a forked child and returns the text that it returned: "" by custom means that all
// was as expected. A child that dies of a signal is reported as such. Blocks until the child ends.
// `namespaces`: CLONE_NEW* that it is born in. To leave the user namespace it would have to have
// one thread alone, and sanitizers give each forked process one of their own; they don't know of a
// child by clone(2).
inline std::string in_child(const std::function<std::string()>& body, int namespaces = 0) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  pid_t pid = namespaces == 0 ? ::fork()
                              : static_cast<pid_t>(::syscall(SYS_clone, namespaces | SIGCHLD,
                                                             nullptr, nullptr, nullptr, nullptr));
  if (pid < 0) return "fork failed";
  if (pid == 0) {
    ::close(ends[0]);
    std::string text = body();
    // A pipe holds 64 KiB without a reader; no test says that much.
    bool written = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return text + " (waitpid failed)";
  if (WIFSIGNALED(status))
    return text + " (killed by signal " + std::to_string(WTERMSIG(status)) + ")";
  return WEXITSTATUS(status) == 0
             ? text
             : text + " (exit status " + std::to_string(WEXITSTATUS(status)) + ")";
}

// The message of a failure, "" of a success: to return from a body.
inline std::string message_of(const auto& result) {
  return result ? std::string() : result.error().message();
}

}  // namespace dhow::testing
