// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <functional>
#include <gtest/gtest.h>
#include <thread>

#include "shim/loop.h"

namespace dhow::shim {

// Runs the loop while `work` runs, in a thread of its own.
inline void serve_during(Loop& loop, const std::function<void()>& work) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd done(ends[0]);
  Fd tell(ends[1]);
  auto watch = loop.watch(done, EPOLLIN, [&](std::uint32_t) { loop.stop(); });
  ASSERT_TRUE(watch.has_value());
  std::thread thread([&] {
    work();
    tell = Fd();
  });
  EXPECT_TRUE(loop.run().has_value());
  thread.join();
}

}  // namespace dhow::shim
