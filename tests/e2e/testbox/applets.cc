// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "e2e/testbox/attacks.h"
#include "e2e/testbox/testbox.h"

namespace dhow::testbox {
namespace {

int run_true(int, char**) { return 0; }

int run_exit(int argc, char** argv) { return argc > 1 ? atoi(argv[1]) : 0; }

// One line for each open descriptor but those of the listing itself: "N target".
int run_fds(int, char**) {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 1;
  while (const dirent* entry = readdir(dir)) {
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(dir)) continue;
    char target[4096];
    ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
    target[size > 0 ? size : 0] = '\0';
    printf("%d %s\n", fd, target);
  }
  closedir(dir);
  return 0;
}

// Lives until it is killed, and says so first.
int run_wait(int, char**) {
  puts("waiting");
  fflush(stdout);
  while (true) pause();
}

// Prints the number of the first catchable signal that it gets, then ends.
int run_signal(int, char**) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  puts("ready");
  fflush(stdout);
  int signal = 0;
  sigwait(&all, &signal);
  printf("signal %d\n", signal);
  return 0;
}

// A line of /proc/self/status by its key: `status CapEff`.
int run_status(int argc, char** argv) {
  FILE* file = fopen("/proc/self/status", "r");
  if (file == nullptr) return 1;
  char line[4096];
  while (fgets(line, sizeof line, file) != nullptr) {
    for (int i = 1; i < argc; ++i) {
      if (strncmp(line, argv[i], strlen(argv[i])) == 0) fputs(line, stdout);
    }
  }
  fclose(file);
  return 0;
}

// Soft and hard limit by number.
int run_rlimit(int argc, char** argv) {
  struct rlimit limit{};
  if (argc < 2 || getrlimit(static_cast<__rlimit_resource_t>(atoi(argv[1])), &limit) != 0) return 1;
  printf("%llu %llu\n", static_cast<unsigned long long>(limit.rlim_cur),
         static_cast<unsigned long long>(limit.rlim_max));
  return 0;
}

// Takes and touches N MiB, then waits: for memory limits.
int run_eat(int argc, char** argv) {
  std::size_t size = static_cast<std::size_t>(argc > 1 ? atoi(argv[1]) : 1) << 20;
  char* memory = static_cast<char*>(malloc(size));
  if (memory == nullptr) return 1;
  for (std::size_t i = 0; i < size; i += 4096) memory[i] = 1;
  puts("eaten");
  fflush(stdout);
  while (true) pause();
}

}  // namespace

const std::vector<Applet>& applets() {
  static const std::vector<Applet> list = {
      {"true", run_true},
      {"exit", run_exit},
      {"fds", run_fds},
      {"wait", run_wait},
      {"signal", run_signal},
      {"status", run_status},
      {"rlimit", run_rlimit},
      {"eat", run_eat},
      {"swap", run_swap},
      {"spy", run_spy},
      {"overwrite", run_overwrite},
      {"counter", run_counter},
      {"trylock", run_trylock},
      {"personality", run_personality},
      {"scheduler", run_scheduler},
      {"ioprio", run_ioprio},
      {"mempolicy", run_mempolicy},
      {"notify", run_notify},
      {"resize", run_resize},
      {"syscall", run_syscall},
  };
  return list;
}

}  // namespace dhow::testbox
