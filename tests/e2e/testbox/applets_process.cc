// SPDX-License-Identifier: Apache-2.0
// What a process was given, as the kernel tells it.
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "e2e/testbox/testbox.h"

namespace dhow::testbox {

int run_personality(int, char**) {
  printf("%x\n", static_cast<unsigned>(personality(0xffffffff)));
  return 0;
}

// "policy P nice N priority R".
int run_scheduler(int, char**) {
  struct sched_param param{};
  sched_getparam(0, &param);
  printf("policy %d nice %d priority %d\n", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0),
         param.sched_priority);
  return 0;
}

// "class C level L".
int run_ioprio(int, char**) {
  // linux/ioprio.h, which is no C++.
  constexpr int kWhoProcess = 1, kClassShift = 13;
  long value = syscall(SYS_ioprio_get, kWhoProcess, 0);
  if (value < 0) return 1;
  printf("class %ld level %ld\n", value >> kClassShift, value & 7);
  return 0;
}

int run_mempolicy(int, char**) {
  int mode = -1;
  if (syscall(SYS_get_mempolicy, &mode, nullptr, 0UL, nullptr, 0UL) != 0) return 1;
  printf("mode %d\n", mode);
  return 0;
}

// Sends its arguments to NOTIFY_SOCKET, one datagram each, then lives until it is killed.
int run_notify(int argc, char** argv) {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == nullptr) return 1;
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  for (int i = 1; i < argc; ++i) {
    if (sendto(fd, argv[i], strlen(argv[i]), 0, reinterpret_cast<sockaddr*>(&address),
               sizeof address) < 0) {
      return 2;
    }
  }
  while (true) pause();
}

// Waits for SIGWINCH, then prints "ROWSxCOLUMNS".
int run_resize(int, char**) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  puts("ready");
  fflush(stdout);
  int signal = 0;
  sigwait(&set, &signal);
  struct winsize size{};
  ioctl(0, TIOCGWINSZ, &size);
  printf("size %dx%d\n", size.ws_row, size.ws_col);
  return 0;
}

// One system call by number with number arguments: prints its result or the errno.
int run_syscall(int argc, char** argv) {
  long arguments[6] = {};
  for (int i = 2; i < argc && i < 8; ++i) arguments[i - 2] = strtol(argv[i], nullptr, 0);
  long result = syscall(strtol(argv[1], nullptr, 0), arguments[0], arguments[1], arguments[2],
                        arguments[3], arguments[4], arguments[5]);
  int error = errno;
  if (result < 0) {
    printf("errno %d\n", error);
  } else {
    printf("result %ld\n", result);
  }
  return 0;
}

}  // namespace dhow::testbox
