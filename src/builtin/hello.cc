// SPDX-License-Identifier: Apache-2.0
// The program of the image "hello": says that a container ran.

#include <asm/unistd.h>

#include "base/freestanding.h"

namespace {

constexpr char kGreeting[] =
    "Hello from dhow!\n"
    "\n"
    "A container has just printed this, so the installation works: the image was unpacked, a root\n"
    "file system made of it, and this program run in it, apart from the rest of the machine.\n"
    "\n"
    "There is a shell to look around with in the image that came along:\n"
    "  dhow run -it busybox\n";

}  // namespace

extern "C" [[noreturn]] void hello_main(const long*) {
  const char* text = kGreeting;
  long left = sizeof kGreeting - 1;
  while (left > 0) {
    long count = dhow::system_call(__NR_write, 1, reinterpret_cast<long>(text), left);
    constexpr long kInterrupted = -4;
    if (count == kInterrupted) continue;
    if (count <= 0) break;
    text += count;
    left -= count;
  }
  for (;;) dhow::system_call(__NR_exit_group, left == 0 ? 0 : 1);
}

DHOW_FREESTANDING_ENTRY(hello_main)
