// SPDX-License-Identifier: Apache-2.0
#include "shim/local_datagrams.h"

#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "shim/testing/serve_during.h"

namespace dhow::shim {
namespace {

using ::testing::HasSubstr;

// A socket of UDP at a port of loopback.
struct Peer {
  Fd socket;
  std::uint16_t port = 0;

  void send(std::string_view text) const {
    EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // nullopt: nothing comes.
  std::optional<std::string> receive(int milliseconds = 20'000) const {
    struct timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string text(std::size_t{64} << 10, '\0');
    ssize_t got = ::recv(socket.get(), text.data(), text.size(), 0);
    if (got < 0) return std::nullopt;
    text.resize(static_cast<std::size_t>(got));
    return text;
  }
  // Sends back what comes, with a word in front, until a datagram says "end".
  void echo(std::string_view word) const {
    while (true) {
      std::string text(std::size_t{64} << 10, '\0');
      struct sockaddr_storage from{};
      socklen_t size = sizeof from;
      auto* name = reinterpret_cast<struct sockaddr*>(&from);
      ssize_t got = ::recvfrom(socket.get(), text.data(), text.size(), 0, name, &size);
      if (got < 0) continue;
      text.resize(static_cast<std::size_t>(got));
      if (text == "end") return;
      text.insert(0, word);
      ::sendto(socket.get(), text.data(), text.size(), 0, name, size);
    }
  }
};

Peer bind_peer(int family, std::uint16_t port = 0) {
  Peer peer;
  peer.socket = Fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct sockaddr_in6 name{};
  name.sin6_family = static_cast<sa_family_t>(family);
  name.sin6_port = htons(port);
  if (family == AF_INET6) name.sin6_addr = in6addr_loopback;
  socklen_t size = family == AF_INET6 ? sizeof name : sizeof(struct sockaddr_in);
  auto* pointer = reinterpret_cast<struct sockaddr*>(&name);
  EXPECT_EQ(::bind(peer.socket.get(), pointer, size), 0);
  EXPECT_EQ(::getsockname(peer.socket.get(), pointer, &size), 0);
  peer.port = ntohs(name.sin6_port);
  return peer;
}

// That sends to a port of [::1].
Peer client_of(std::uint16_t port) {
  Peer peer = bind_peer(AF_INET6);
  struct sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(port);
  name.sin6_addr = in6addr_loopback;
  EXPECT_EQ(::connect(peer.socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  return peer;
}

LocalTarget at(std::string_view address, std::uint16_t port) {
  return parse_local_target(address, cat(port)).value_or(LocalTarget());
}

class LocalDatagramsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(*Loop::make());
    ports_ = std::make_unique<LocalDatagrams>(*loop_);
    port_ = bind_peer(AF_INET6).port;
  }
  void serve_during(const std::function<void()>& work) { shim::serve_during(*loop_, work); }
  // With somebody at `server` who echoes.
  void serve_with(const Peer& server, std::string_view word, const std::function<void()>& work) {
    std::thread echo([&] { server.echo(word); });
    serve_during(work);
    Peer last = bind_peer(AF_INET);
    struct sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(server.port);
    EXPECT_EQ(::connect(last.socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    last.send("end");
    echo.join();
  }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<LocalDatagrams> ports_;
  std::uint16_t port_ = 0;
};

TEST_F(LocalDatagramsTest, EachClientGetsItsOwnAnswers) {
  Peer server = bind_peer(AF_INET);
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", server.port)}}).has_value());
  serve_with(server, "echo ", [&] {
    Peer one = client_of(port_);
    Peer other = client_of(port_);
    for (int i = 0; i < 100; ++i) {
      one.send(cat("one ", i));
      other.send(cat("other ", i));
      EXPECT_EQ(other.receive(), cat("echo other ", i));
      EXPECT_EQ(one.receive(), cat("echo one ", i));
    }
    // Nothing is a datagram too, and so is what the kernel sends in several parts.
    one.send("");
    EXPECT_EQ(one.receive(), "echo ");
    std::string large(60'000, 'x');
    one.send(large);
    EXPECT_EQ(one.receive(), cat("echo ", large));
  });
  EXPECT_EQ(ports_->clients(), 2U);
}

TEST_F(LocalDatagramsTest, ARefusalIsNoEnd) {
  std::uint16_t free = bind_peer(AF_INET).port;
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", free)}}).has_value());
  Peer client = client_of(port_);
  serve_during([&] {
    for (int i = 0; i < 3; ++i) {
      client.send("nobody");
      EXPECT_EQ(client.receive(20), std::nullopt);
    }
  });
  EXPECT_EQ(ports_->clients(), 1U);
  Peer server = bind_peer(AF_INET, free);
  serve_with(server, "echo ", [&] {
    client.send("somebody");
    EXPECT_EQ(client.receive(), "echo somebody");
  });
}

TEST_F(LocalDatagramsTest, OneMoreTakesThePlaceOfTheIdlest) {
  Peer server = bind_peer(AF_INET);
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", server.port)}}).has_value());
  serve_with(server, "echo ", [&] {
    std::vector<Peer> clients;
    for (std::size_t i = 0; i < LocalDatagrams::kMostClients + 10; ++i) {
      clients.push_back(client_of(port_));
      clients.back().send(cat(i));
      EXPECT_EQ(clients.back().receive(), cat("echo ", i));
    }
    // Which may come again.
    clients.front().send("again");
    EXPECT_EQ(clients.front().receive(), "echo again");
  });
  EXPECT_EQ(ports_->clients(), LocalDatagrams::kMostClients);
}

TEST_F(LocalDatagramsTest, IdleClientsAreForgotten) {
  ports_ = std::make_unique<LocalDatagrams>(*loop_, 50);
  Peer server = bind_peer(AF_INET);
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", server.port)}}).has_value());
  serve_with(server, "echo ", [&] {
    Peer client = client_of(port_);
    for (int i = 0; i < 3; ++i) {
      client.send("hello");
      EXPECT_EQ(client.receive(), "echo hello");
      EXPECT_EQ(client.receive(200), std::nullopt);
    }
  });
  EXPECT_EQ(ports_->clients(), 0U);
}

TEST_F(LocalDatagramsTest, ClientsFollowThePort) {
  Peer former = bind_peer(AF_INET);
  Peer latter = bind_peer(AF_INET);
  Peer client = client_of(port_);
  auto ask = [&] {
    client.send("hello");
    return client.receive();
  };
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", former.port)}}).has_value());
  serve_with(former, "former ", [&] { EXPECT_EQ(ask(), "former hello"); });
  // Again the same is no change to them.
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", former.port)}}).has_value());
  EXPECT_EQ(ports_->clients(), 1U);
  ASSERT_TRUE(ports_->set({{port_, at("127.0.0.1", latter.port)}}).has_value());
  EXPECT_EQ(ports_->clients(), 0U);
  serve_with(latter, "latter ", [&] { EXPECT_EQ(ask(), "latter hello"); });
}

TEST_F(LocalDatagramsTest, PortsAreReplacedAllOrNone) {
  Peer server = bind_peer(AF_INET6);
  LocalTarget target = at("::1", server.port);
  ASSERT_TRUE(ports_->set({{port_, target}}).has_value());
  Peer other = bind_peer(AF_INET6);
  std::uint16_t free = bind_peer(AF_INET6).port;
  auto taken = ports_->set({{free, target}, {other.port, target}});
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message(),
              HasSubstr(cat("listen at [::1]:", other.port, "/udp: address already in use")));
  Peer again = bind_peer(AF_INET6, free);
  serve_during([&] {
    client_of(port_).send("hello");
    EXPECT_EQ(server.receive(), "hello");
  });
  ASSERT_TRUE(ports_->set({}).has_value());
  EXPECT_EQ(ports_->clients(), 0U);
  Peer free_now = bind_peer(AF_INET6, port_);
}

}  // namespace
}  // namespace dhow::shim
