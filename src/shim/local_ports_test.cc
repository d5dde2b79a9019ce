// SPDX-License-Identifier: Apache-2.0
#include "shim/local_ports.h"

#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <thread>

#include "base/strings.h"
#include "shim/testing/serve_during.h"
#include "sys/file_io.h"
#include "sys/testing/loopback_listener.h"

namespace dhow::shim {
namespace {

using ::testing::HasSubstr;

Fd connect_to(std::uint16_t port) {
  Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = in6addr_loopback;
  name.sin6_port = htons(port);
  struct timeval limit{20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const auto* pointer = reinterpret_cast<const struct sockaddr*>(&name);
  if (::connect(socket.get(), pointer, sizeof name) != 0) return Fd();
  return socket;
}

class LocalPortsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*Loop::make());
    ports_ = std::make_unique<LocalPorts>(*loop_);
    auto taken = testing::listen_loopback(AF_INET6);
    port_ = taken.port;
  }
  void serve_during(const std::function<void()>& work) { shim::serve_during(*loop_, work); }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<LocalPorts> ports_;
  std::uint16_t port_ = 0;
};

// More than buffers hold, in both directions, with the end of each told to the other side.
TEST_F(LocalPortsTest, WhatIsSentComesThrough) {
  auto server = testing::listen_loopback();
  auto set = ports_->set(cat(port_, " 127.0.0.1 ", server.port, "\n"));
  ASSERT_TRUE(set.has_value()) << set.error().message();
  constexpr std::size_t kSize = 8 << 20;
  std::string sent(kSize, 'a');
  for (std::size_t i = 0; i < kSize; i += 4096) sent[i] = static_cast<char>('b' + i / 4096 % 20);
  std::string got;
  serve_during([&] {
    std::thread echo([&] {
      Fd one = server.accept();
      auto all = read_all(one);
      if (all) std::ignore = write_all(one, *all);
    });
    Fd client = connect_to(port_);
    ASSERT_TRUE(client);
    ASSERT_TRUE(write_all(client, sent).has_value());
    ::shutdown(client.get(), SHUT_WR);
    got = read_all(client).value_or("");
    echo.join();
  });
  EXPECT_TRUE(got == sent) << got.size();
}

TEST_F(LocalPortsTest, PortsAreReplacedAllOrNone) {
  auto server = testing::listen_loopback();
  auto other = testing::listen_loopback(AF_INET6);
  std::string line = cat(port_, " 127.0.0.1 ", server.port, "\n");
  ASSERT_TRUE(ports_->set(line).has_value());
  auto taken = ports_->set(cat(other.port, " 127.0.0.1 1\n"));
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message(),
              HasSubstr(cat("listen at [::1]:", other.port, "/tcp: address already in use")));
  EXPECT_TRUE(connect_to(port_));
  EXPECT_FALSE(ports_->set("80 nowhere 1\n").has_value());
  EXPECT_FALSE(ports_->set("0 127.0.0.1 1\n").has_value());
  EXPECT_FALSE(ports_->set("80\n").has_value());
  EXPECT_FALSE(ports_->set("80 127.0.0.1 1 sctp\n").has_value());
  // What has a port may be of the other protocol.
  std::string both = cat(port_, " 127.0.0.1 ", server.port, "\n", port_, " 127.0.0.1 1 udp\n");
  ASSERT_TRUE(ports_->set(both).has_value());
  taken = ports_->set(cat(other.port, " 127.0.0.1 1\n", port_, " 127.0.0.1 1 udp\n"));
  EXPECT_FALSE(taken.has_value());
  EXPECT_TRUE(connect_to(port_));
  ASSERT_TRUE(ports_->set("").has_value());
  EXPECT_FALSE(connect_to(port_));
}

TEST_F(LocalPortsTest, ATargetThatIsNotThereEndsTheConnection) {
  std::uint16_t gone = testing::listen_loopback().port;
  ASSERT_TRUE(ports_->set(cat(port_, " 127.0.0.1 ", gone)).has_value());
  serve_during([&] {
    Fd client = connect_to(port_);
    char byte = 0;
    EXPECT_LE(::recv(client.get(), &byte, 1, 0), 0);
    EXPECT_NE(errno, EAGAIN);
  });
}

}  // namespace
}  // namespace dhow::shim
