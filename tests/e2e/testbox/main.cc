// SPDX-License-Identifier: Apache-2.0
// testbox: what the containers of the end-to-end tests run when busybox can't tell what they want
// to know. A static program of many names, `testbox NAME ARGUMENTS`.
#include <cstdio>
#include <cstring>

#include "e2e/testbox/testbox.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: testbox NAME [ARGUMENTS]\n", stderr);
    return 2;
  }
  for (const dhow::testbox::Applet& applet : dhow::testbox::applets()) {
    if (std::strcmp(argv[1], applet.name) == 0) return applet.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "testbox: no such name: %s\n", argv[1]);
  return 2;
}
