// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "sys/dir_fd.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::client {
namespace {

// An engine that gives prepared answers, one a request, and keeps what it was asked.
class FakeEngine {
 public:
  // Each inner list is one connection: its answers in order; then the connection is closed.
  explicit FakeEngine(std::vector<std::vector<std::string>> connections) {
    char name[] = "/tmp/dhow-client-XXXXXX";
    folder_ = ::mkdtemp(name);
    Fd folder = *open_at(kCwd, folder_, O_PATH);
    listener_ = *listen_unix(folder, "s", SOCK_STREAM, 0600);
    thread_ = std::thread([this, connections = std::move(connections)] { serve(connections); });
  }
  ~FakeEngine() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    std::ignore = remove_tree(kCwd, folder_);
  }

  Endpoint endpoint() const { return *parse_endpoint("unix://" + folder_ + "/s"); }
  const std::vector<std::string>& requests() const { return requests_; }
  int connections() const { return connections_; }

 private:
  void serve(const std::vector<std::vector<std::string>>& connections) {
    for (const auto& answers : connections) {
      Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      ++connections_;
      for (const std::string& answer : answers) {
        std::string request;
        char buffer[4096];
        while (request.find("\r\n\r\n") == std::string::npos) {
          auto count = read_some(peer, buffer);
          if (!count || *count == 0) return;
          request.append(buffer, *count);
        }
        requests_.push_back(request);
        std::ignore = write_all(peer, answer);
      }
    }
  }

  std::string folder_;
  Fd listener_;
  std::thread thread_;
  std::vector<std::string> requests_;
  int connections_ = 0;
};

std::string answer(std::string_view body) {
  return cat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

TEST(ClientTest, UsesOneConnectionForCallsInTurn) {
  FakeEngine engine(
      {{answer("one"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n"}});
  Client client(engine.endpoint(), "1.41");
  EXPECT_EQ(*client.call({.path = "/a", .query = Query().add("x", "a b&c")}), "one");
  EXPECT_EQ(*client.call({.path = "/b"}), "two");
  EXPECT_EQ(*client.call_status({.method = "POST", .path = "/c"}), 204);
  EXPECT_EQ(engine.connections(), 1);
  EXPECT_TRUE(engine.requests()[0].starts_with("GET /v1.41/a?x=a%20b%26c HTTP/1.1\r\n"));
  EXPECT_NE(engine.requests()[2].find("Content-Length: 0\r\n"), std::string::npos);
}

TEST(ClientTest, GivesTheMessageOfAnError) {
  FakeEngine engine(
      {{"HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\n\r\n{\"message\":\"no such x\"}\r\n"}});
  Client client(engine.endpoint(), "");
  auto result = client.call({.path = "/a"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kNotFound);
  EXPECT_EQ(result.error().message(), "Error response from daemon: no such x");
}

TEST(ClientTest, HandsTheConnectionOnAfterAnUpgrade) {
  FakeEngine engine(
      {{"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly"}});
  Client client(engine.endpoint(), "");
  auto exchange = client.open({.method = "POST", .path = "/attach", .upgrade = true});
  ASSERT_TRUE(exchange.has_value());
  EXPECT_EQ(exchange->head().status, 101);
  std::string stream = exchange->connection().take_buffered();
  char buffer[64];
  while (true) {
    auto count = read_some(exchange->connection().socket(), buffer);
    if (!count || *count == 0) break;
    stream.append(buffer, *count);
  }
  EXPECT_EQ(stream, "early");
  EXPECT_NE(engine.requests()[0].find("Upgrade: tcp\r\n"), std::string::npos);
}

TEST(ClientTest, TellsOfABodyThatIsCutShort) {
  FakeEngine engine({{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}});
  Client client(engine.endpoint(), "");
  EXPECT_EQ(client.call({.path = "/a"}).error().code(), Code::kUnavailable);
}

TEST(ClientTest, StartsAnEngineOnce) {
  int starts = 0;
  Client client(*parse_endpoint("unix:///nonexistent/dhow.sock"), "", [&]() -> Status {
    ++starts;
    return {};
  });
  auto result = client.call({.path = "/a"});
  EXPECT_EQ(result.error().code(), Code::kUnavailable);
  EXPECT_NE(result.error().message().find("unix:///nonexistent/dhow.sock"), std::string::npos);
  EXPECT_EQ(starts, 1);
}

}  // namespace
}  // namespace dhow::client
