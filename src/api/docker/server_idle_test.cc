// SPDX-License-Identifier: Apache-2.0
// What a server does when there is nothing to do.
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "api/docker/router.h"
#include "api/docker/server.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::api::docker {
namespace {

class ServerIdleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    router_.add({"GET", "/a",
                 [](const ExchangePtr& exchange, const Match&) -> Status {
                   exchange->respond({200, "text/plain", "[a]", {}});
                   return {};
                 },
                 false, false});
    ServerOptions options;
    options.plan = [this](const RequestHead& head) { return router_.plan(head); };
    auto server = Server::make(std::move(options));
    ASSERT_TRUE(server.has_value());
    server_ = std::move(*server);
  }

  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerIdleTest, TellsOnceThatNobodyAsks) {
  std::atomic<int> told = 0;
  server_->when_quiet(std::chrono::milliseconds(1), [&] {
    ++told;
    told.notify_all();
  });
  auto pair = make_socket_pair(SOCK_STREAM);
  ASSERT_TRUE(pair.has_value());
  server_->adopter()(std::move(pair->second));
  std::thread thread([&] { server_->run(); });
  told.wait(0);
  for (int asked = 1; asked <= 3; ++asked) {
    EXPECT_EQ(told, asked);
    EXPECT_TRUE(send_message(pair->first, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n").has_value());
    std::string answer;
    while (!answer.ends_with("[a]")) {
      auto piece = receive_message(pair->first, 1024);
      if (!piece || piece->end) break;
      answer += piece->payload;
    }
    EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 200 OK\r\n"));
    // The connection stays, and doesn't count.
    told.wait(asked);
  }
  EXPECT_EQ(told, 4);
  server_->stop();
  thread.join();
}

TEST_F(ServerIdleTest, EndsWhenItIsIdle) {
  int asked = 0;
  server_->end_when_idle(std::chrono::milliseconds(1), [&] { return ++asked == 3; });
  server_->run();
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace dhow::api::docker
