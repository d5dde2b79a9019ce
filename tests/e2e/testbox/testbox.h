// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace dhow::testbox {

struct Applet {
  const char* name;
  int (*run)(int argc, char** argv);  // as main; argv[0] is the name
};

const std::vector<Applet>& applets();

// counter.cc
int run_counter(int argc, char** argv);
int run_trylock(int argc, char** argv);
// applets_process.cc
int run_personality(int argc, char** argv);
int run_scheduler(int argc, char** argv);
int run_ioprio(int argc, char** argv);
int run_mempolicy(int argc, char** argv);
int run_notify(int argc, char** argv);
int run_resize(int argc, char** argv);
int run_syscall(int argc, char** argv);

}  // namespace dhow::testbox
