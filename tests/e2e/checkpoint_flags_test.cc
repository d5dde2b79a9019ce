// SPDX-License-Identifier: Apache-2.0
// Flags of checkpoint and restore without which criu refuses, or does something else.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/checkpoint.h"
#include "sys/fd.h"

namespace dhow::e2e {
namespace {

TEST_F(Checkpoint, FilesWithoutTheirNameNeedLinkRemap) {
  NEEDS_CRIU();
  bundle_.set_args({"/bin/testbox", "counter", "linked", "/tmp/file"});
  Container container(bundle_);
  start_counting(container, 1);
  expect_refused(container, "link-remap");
  move(container, {"--link-remap"}, {});
  expect_count(container, restored_output(), 2);
}

Fd bind_datagram(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  return socket;
}

TEST_F(Checkpoint, SocketsOfOthersNeedExtUnixSk) {
  NEEDS_CRIU();
  TempDir outside;
  Fd socket = bind_datagram(outside.path() + "/socket");
  ASSERT_TRUE(socket);
  bundle_.remove_namespace("network");  // criu looks for sockets in those of the container
  // It is found again by the name that its owner gave it.
  bundle_.add_mount(outside.path(), "bind", outside.path(), {"bind"});
  bundle_.set_args({"/bin/testbox", "counter", "datagram", outside.path() + "/socket"});
  Container container(bundle_);
  start_counting(container, 1);
  expect_refused(container, "ext-unix-sk");
  move(container, {"--ext-unix-sk"}, {"--ext-unix-sk"});
  expect_count(container, restored_output(), 2);
  int number = 0;
  for (int wanted : {1, 2}) {
    ASSERT_EQ(::recv(socket.get(), &number, sizeof number, MSG_DONTWAIT), sizeof number + 0L);
    EXPECT_EQ(number, wanted);
  }
}

TEST_F(Checkpoint, ConnectionsMayBeClosedInstead) {
  NEEDS_CRIU();
  bundle_.set_args({"/bin/testbox", "counter", "tcp"});
  Container container(bundle_);
  start_counting(container, 1);
  move(container, {"--tcp-established"}, {"--tcp-close"});
  ASSERT_EQ(container.call("kill", {}, {"USR1"}).code, 0);
  EXPECT_TRUE(container.wait_for_status("stopped"))
      << "it counts through a connection that is gone";
}

// What a later image holds is cut out of the one before.
TEST_F(Checkpoint, AutoDedupFreesTheParentsPages) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 1);
  std::string early = folder_.path() + "/early";
  Outcome first = container.call("checkpoint", {"--pre-dump", "--image-path", early});
  ASSERT_EQ(first.code, 0) << first.err;
  auto blocks = [&] {
    struct stat info{};
    EXPECT_EQ(::stat((early + "/pages-1.img").c_str(), &info), 0);
    return info.st_blocks;
  };
  auto before = blocks();
  expect_count(container, output(), 2);
  move(container, {"--parent-path", "../early", "--auto-dedup"}, {});
  EXPECT_LT(blocks(), before);
  expect_count(container, restored_output(), 3);
}

// The network namespace is there again, without what was in it: not even its loopback is up.
TEST_F(Checkpoint, EmptyNetworkNamespace) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 1);
  move(container, {"--empty-ns", "network"}, {"--empty-ns", "network"});
  expect_count(container, restored_output(), 2);
  EXPECT_NE(std::filesystem::read_symlink("/proc/" + std::to_string(container.pid()) + "/ns/net"),
            std::filesystem::read_symlink("/proc/self/ns/net"));
}

}  // namespace
}  // namespace dhow::e2e
