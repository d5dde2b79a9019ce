// SPDX-License-Identifier: Apache-2.0
#include "shim/publisher.h"

#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "rpc/events.h"
#include "sys/testing/temp_dir.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

using PublisherTest = dhow::testing::TempDirTest;

TEST_F(PublisherTest, AsksAnEngineThatIsThereAgainAtOnce) {
  auto loop = Loop::make().value();
  Publisher publisher(*loop, "unix://" + at("events.sock"), "default");
  publisher.publish(rpc::events::TaskOom{"one"});
  Fd engine = listen_unix(dir_, "events.sock", SOCK_STREAM | SOCK_NONBLOCK, 0600).value();
  auto accept = [&] { return Fd(::accept4(engine.get(), nullptr, nullptr, SOCK_CLOEXEC)); };
  EXPECT_FALSE(accept());
  publisher.retry_now();
  EXPECT_TRUE(accept());
  publisher.retry_now();
  EXPECT_FALSE(accept()) << "it is connected already";
}

}  // namespace
}  // namespace dhow::shim
