// SPDX-License-Identifier: Apache-2.0
#include <linux/errno.h>

#include <asm/unistd.h>

#include "base/freestanding.h"

// The first process of a container with --init: it runs the program, gives it the signals that it
// gets itself, reaps what is left behind by others, and ends as the program does. Without a C
// library, because it is in every such container, whatever that has.
namespace {

using dhow::system_call;

constexpr int kSignalChild = 17;
constexpr int kAnyChild = -1;
constexpr long kNoHang = 1;
constexpr unsigned long kAllSignals = ~0UL;
constexpr long kSetMask = 2;
constexpr long kSetForeground = 0x5410;  // TIOCSPGRP
constexpr int kPathLimit = 4096;
constexpr int kNoProgram = 127;
constexpr int kNotExecutable = 126;

unsigned long length(const char* text) {
  unsigned long size = 0;
  while (text[size] != 0) ++size;
  return size;
}

void say(const char* text) {
  system_call(__NR_write, 2, reinterpret_cast<long>(text), static_cast<long>(length(text)));
}

[[noreturn]] void leave(int code) {
  while (true) system_call(__NR_exit_group, code);
}

long execute(const char* path, char** arguments, char** environment) {
  return system_call(__NR_execve, reinterpret_cast<long>(path), reinterpret_cast<long>(arguments),
                     reinterpret_cast<long>(environment));
}

const char* find_path(char** environment) {
  for (; *environment != nullptr; ++environment) {
    const char* entry = *environment;
    if (entry[0] == 'P' && entry[1] == 'A' && entry[2] == 'T' && entry[3] == 'H' &&
        entry[4] == '=') {
      return entry + 5;
    }
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

bool has_slash(const char* text) {
  for (; *text != 0; ++text) {
    if (*text == '/') return true;
  }
  return false;
}

// Returns only when the program can't be run.
long execute_found(char** arguments, char** environment) {
  const char* name = arguments[0];
  if (has_slash(name)) return execute(name, arguments, environment);
  long result = -ENOENT;
  char path[kPathLimit];
  unsigned long size = length(name);
  const char* folder = find_path(environment);
  while (true) {
    unsigned long end = 0;
    while (folder[end] != 0 && folder[end] != ':') ++end;
    if (end + size + 2 <= sizeof path) {
      char* at = path;
      for (unsigned long i = 0; i < end; ++i) *at++ = folder[i];
      if (end != 0) *at++ = '/';
      for (unsigned long i = 0; i <= size; ++i) *at++ = name[i];
      long failed = execute(path, arguments, environment);
      if (failed != -ENOENT && failed != -ENOTDIR) result = failed;
    }
    if (folder[end] == 0) return result;
    folder += end + 1;
  }
}

[[noreturn]] void run(char** arguments, char** environment, unsigned long mask) {
  // In the foreground of the terminal, if there is one: the terminal's signals are the program's.
  system_call(__NR_setpgid, 0, 0);
  int group = static_cast<int>(system_call(__NR_getpid));
  system_call(__NR_ioctl, 0, kSetForeground, reinterpret_cast<long>(&group));
  system_call(__NR_rt_sigprocmask, kSetMask, reinterpret_cast<long>(&mask), 0, sizeof mask);
  long failed = execute_found(arguments, environment);
  say("dhow-init: exec ");
  say(arguments[0]);
  say(failed == -ENOENT ? ": no such file or directory\n" : ": failed\n");
  leave(failed == -ENOENT ? kNoProgram : kNotExecutable);
}

// Reaps all that have ended, and ends with the program.
void reap(long program) {
  while (true) {
    int status = 0;
    long pid = system_call(__NR_wait4, kAnyChild, reinterpret_cast<long>(&status), kNoHang, 0);
    if (pid <= 0) return;
    if (pid != program) continue;
    int signal = status & 0x7f;
    leave(signal != 0 ? 128 + signal : (status >> 8) & 0xff);
  }
}

}  // namespace

extern "C" [[noreturn]] void init_main(long* stack) {
  long count = stack[0];
  char** arguments = reinterpret_cast<char**>(stack + 1);
  char** environment = arguments + count + 1;
  ++arguments;
  if (count > 1 && arguments[0][0] == '-' && arguments[0][1] == '-' && arguments[0][2] == 0) {
    ++arguments;
  }
  if (*arguments == nullptr) {
    say("usage: dhow-init [--] PROGRAM [ARGUMENT...]\n");
    leave(kNoProgram);
  }
  unsigned long mask = 0;
  unsigned long all = kAllSignals;
  system_call(__NR_rt_sigprocmask, kSetMask, reinterpret_cast<long>(&all),
              reinterpret_cast<long>(&mask), sizeof mask);
  long program = system_call(__NR_clone, kSignalChild);
  if (program == 0) run(arguments, environment, mask);
  if (program < 0) {
    say("dhow-init: fork failed\n");
    leave(kNotExecutable);
  }
  while (true) {
    long signal = system_call(__NR_rt_sigtimedwait, reinterpret_cast<long>(&all), 0, 0, sizeof all);
    if (signal == kSignalChild) {
      reap(program);
    } else if (signal > 0) {
      system_call(__NR_kill, program, signal);
    }
  }
}

DHOW_FREESTANDING_ENTRY(init_main)
