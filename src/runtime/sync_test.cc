// SPDX-License-Identifier: Apache-2.0
#include "runtime/sync.h"

#include <sys/socket.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

// A child that fails closes its end while the runtime still has something to say to it.
TEST(SyncTest, WhyTheOtherSideEndedIsTheErrorOfASend) {
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET).value();
  ASSERT_TRUE(send_sync(pair.second, MessageType::kMountsDone));
  ASSERT_TRUE(send_sync_error(pair.second, Error(Code::kUnavailable, EBUSY, "join cgroup")));
  pair.second.reset();
  auto sent = send_sync(pair.first, MessageType::kGo);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().message(), "join cgroup");
  EXPECT_EQ(sent.error().code(), Code::kUnavailable);
  EXPECT_EQ(sent.error().sys_errno(), EBUSY);
}

TEST(SyncTest, AnEndWithoutAWordIsABrokenPipe) {
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET).value();
  pair.second.reset();
  auto sent = send_sync(pair.first, MessageType::kGo);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().sys_errno(), EPIPE);
}

}  // namespace
}  // namespace dhow::runtime
