// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::snapshot {

constexpr unsigned kFirstMapped = 100'000;

// A user namespace whose ids begin at kFirstMapped outside: the owner 0 of files is that one there.
// Nothing when it can't be made.
inline Fd make_user_namespace() {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  pid_t pid = ::fork();
  if (pid == 0) {
    char byte = ::unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    std::ignore = ::write(ends[1], &byte, 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 'n';
  bool made = pid > 0 && ::read(ends[0], &byte, 1) == 1 && byte == 'y';
  ::close(ends[0]);
  ::close(ends[1]);
  Fd result;
  std::string proc = cat("/proc/", pid);
  std::string map = cat("0 ", kFirstMapped, " 65536");
  if (made && write_existing(proc + "/uid_map", map) && write_existing(proc + "/gid_map", map)) {
    if (auto opened = open_at(kCwd, proc + "/ns/user", O_RDONLY)) result = std::move(*opened);
  }
  if (pid > 0) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  return result;
}

}  // namespace dhow::snapshot
