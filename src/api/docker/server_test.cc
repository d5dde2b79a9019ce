// SPDX-License-Identifier: Apache-2.0
#include "api/docker/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <latch>
#include <thread>

#include "api/docker/router.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::api::docker {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A client with a raw socket.
class Client {
 public:
  explicit Client(Fd socket) : socket_(std::move(socket)) {}

  void send(std::string_view text) { ASSERT_TRUE(send_message(socket_, text).has_value()); }
  void half_close() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }
  // Reads until what has come ends so, or the server closes.
  std::string read_to(std::string_view end) {
    while (!text_.ends_with(end) || end.empty()) {
      char buffer[4096];
      ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (count <= 0) break;
      text_.append(buffer, static_cast<std::size_t>(count));
    }
    return std::exchange(text_, {});
  }
  std::string read_all() { return read_to({}); }

 private:
  Fd socket_;
  std::string text_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-server.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(folder_);
  }
  void start(ServerOptions options = {}) {
    options.headers = {{"Server", "test"}};
    options.plan = [this](const RequestHead& head) { return router_.plan(head); };
    auto server = Server::make(std::move(options));
    ASSERT_TRUE(server.has_value());
    server_ = std::move(*server);
    auto folder = open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
    auto socket = listen_unix(*folder, "socket", SOCK_STREAM, 0600);
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    server_->listen(std::move(*socket));
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop() {
    if (server_ == nullptr) return;
    server_->stop();
    thread_.join();
    server_.reset();
  }
  void route(const std::string& method, const std::string& pattern, Handler handler,
             bool streams = false, bool quick = false) {
    router_.add({method, pattern, std::move(handler), streams, quick});
  }
  Client connect() {
    auto socket = connect_unix(kCwd, folder_ + "/socket", SOCK_STREAM);
    EXPECT_TRUE(socket.has_value());
    return Client(std::move(*socket));
  }
  static std::string request(const std::string& line, const std::string& rest = "\r\n") {
    return cat(line, " HTTP/1.1\r\nHost: x\r\n", rest);
  }

  std::string folder_;
  Router router_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

Handler text(const std::string& body) {
  return [body](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->respond({200, "text/plain", body, {}});
    return {};
  };
}

TEST_F(ServerTest, AnswersManyRequestsOnOneConnection) {
  route("GET", "/a", text("first"));
  route("GET", "/b", text("second"), false, true);
  start();
  Client client = connect();
  for (int i = 0; i < 3; ++i) {
    client.send(request("GET /a"));
    EXPECT_EQ(client.read_to("first"),
              "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
              "\r\nfirst");
    client.send(request("GET /b"));
    EXPECT_THAT(client.read_to("second"), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_F(ServerTest, AnswersRequestsThatCameTogetherInTheirOrder) {
  route("GET", "/a", text("[a]"));
  route("GET", "/b", text("[b]"), false, true);
  start();
  Client client = connect();
  std::string many;
  for (int i = 0; i < 500; ++i) many += request("GET /b");
  client.send(request("GET /a") + many + request("GET /a", "Connection: close\r\n\r\n"));
  std::string all = client.read_all();
  EXPECT_LT(all.find("[a]"), all.find("[b]"));
  EXPECT_THAT(all, EndsWith("[a]"));
  std::size_t count = 0;
  for (std::size_t at = 0; (at = all.find("[b]", at)) != std::string::npos; ++at) ++count;
  EXPECT_EQ(count, 500U);
}

TEST_F(ServerTest, ARequestThatIsStuckHoldsUpNobody) {
  std::latch go(1);
  route("GET", "/stuck", [&](const ExchangePtr& exchange, const Match&) -> Status {
    go.wait();
    exchange->respond(Response::empty(204));
    return {};
  });
  route("GET", "/a", text("a"));
  start();
  Client stuck = connect();
  stuck.send(request("GET /stuck"));
  for (int i = 0; i < 3; ++i) {
    Client other = connect();
    other.send(request("GET /a"));
    EXPECT_THAT(other.read_to("\r\n\r\na"), EndsWith("a"));
  }
  go.count_down();
  EXPECT_EQ(stuck.read_to("\r\n\r\n"), "HTTP/1.1 204 No Content\r\nServer: test\r\n\r\n");
}

TEST_F(ServerTest, ReadsBodiesWholeAndInPieces) {
  route("POST", "/whole", [](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->respond({200, "text/plain", "<" + exchange->body() + ">", {}});
    return {};
  });
  route(
      "POST", "/stream",
      [](const ExchangePtr& exchange, const Match&) -> Status {
        std::size_t size = 0;
        while (true) {
          TRY_ASSIGN(std::string_view piece, exchange->body_stream().next());
          if (piece.empty()) break;
          size += piece.size();
        }
        exchange->respond({200, "text/plain", cat("<", size, ">"), {}});
        return {};
      },
      true);
  start();
  Client client = connect();
  client.send(request("POST /whole", "Content-Length: 4\r\n\r\n"));
  client.send("body");
  EXPECT_THAT(client.read_to("<body>"), EndsWith("<body>"));
  client.send(request("POST /whole", "Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n"));
  client.send("2\r\ndy\r\n0\r\n\r\n");
  EXPECT_THAT(client.read_to("<body>"), EndsWith("<body>"));
  std::string large(3 << 20, 'x');
  std::thread sender([&] {
    client.send(request("POST /stream", cat("Content-Length: ", large.size(), "\r\n\r\n")));
    client.send(large);
  });
  EXPECT_THAT(client.read_to(">"), EndsWith(cat("<", large.size(), ">")));
  sender.join();
  // The connection goes on behind it.
  client.send(request("POST /whole", "Content-Length: 0\r\n\r\n"));
  EXPECT_THAT(client.read_to("<>"), EndsWith("<>"));
}

TEST_F(ServerTest, AnAnswerArrivesThoughTheBodyWasNotRead) {
  route(
      "POST", "/stream",
      [](const ExchangePtr&, const Match&) -> Status {
        return fail(Code::kNotFound, "no such thing");
      },
      true);
  start();
  Client client = connect();
  std::string large(3 << 20, 'x');
  client.send(request("POST /stream", cat("Content-Length: ", large.size(), "\r\n\r\n")));
  client.send(large);
  EXPECT_THAT(client.read_all(), AllOf(StartsWith("HTTP/1.1 404 Not Found\r\n"),
                                       EndsWith("{\"message\":\"no such thing\"}\n")));
}

TEST_F(ServerTest, StreamsInChunks) {
  route("GET", "/s", [](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->begin({200, "text/plain", {}, {}});
    TRY(exchange->write("hello"));
    TRY(exchange->write(", "));
    exchange->end("you");
    return {};
  });
  start();
  Client client = connect();
  client.send(request("GET /s"));
  EXPECT_THAT(
      client.read_to("0\r\n\r\n"),
      EndsWith("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2\r\n, \r\n3\r\nyou\r\n0\r\n"
               "\r\n"));
  Client old = connect();
  old.send("GET /s HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.read_all(), EndsWith("Connection: close\r\n\r\nhello, you"));
}

TEST_F(ServerTest, FailuresAreAnsweredAndDropsToo) {
  route("GET", "/fails", [](const ExchangePtr&, const Match&) -> Status {
    return fail(Code::kFailedPrecondition, "a <b> & c");
  });
  route("GET", "/drops", [](const ExchangePtr&, const Match&) -> Status { return {}; });
  route("GET", "/breaks", [](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->begin({200, "text/plain", {}, {}});
    TRY(exchange->write("part"));
    return fail(Code::kInternal, "broken");
  });
  start();
  Client client = connect();
  client.send(request("GET /fails"));
  EXPECT_THAT(client.read_to("}\n"), AllOf(StartsWith("HTTP/1.1 409 Conflict\r\n"),
                                           EndsWith("{\"message\":\"a <b> & c\"}\n")));
  client.send(request("GET /drops"));
  EXPECT_THAT(client.read_to("}\n"), StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  client.send(request("GET /breaks"));
  EXPECT_THAT(client.read_all(), EndsWith("4\r\npart\r\n"));
}

TEST_F(ServerTest, AClientThatGoesEndsItsRequest) {
  std::latch begun(1);
  std::latch ended(1);
  route("GET", "/waits", [&](const ExchangePtr& exchange, const Match&) -> Status {
    std::latch stopped(1);
    std::stop_callback told(exchange->stop(), [&] { stopped.count_down(); });
    begun.count_down();
    stopped.wait();
    ended.count_down();
    return fail(Code::kCancelled, "the client has gone");
  });
  start();
  Client client = connect();
  client.send(request("GET /waits"));
  begun.wait();
  client.close();
  ended.wait();
}

TEST_F(ServerTest, WhatIsKeptForAnAnswerGoesWithTheClient) {
  struct Held {
    std::latch& gone;
    ~Held() { gone.count_down(); }
  };
  std::latch begun(1);
  std::latch gone(1);
  route("GET", "/waits", [&](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->begin({200, "text/plain", {}, {}});
    // As a subscription whose callback holds the exchange.
    struct Waiter {
      ExchangePtr exchange;
      Held held;
    };
    exchange->keep(std::shared_ptr<Waiter>(new Waiter{exchange, {gone}}));
    begun.count_down();
    return {};
  });
  start();
  Client client = connect();
  client.send(request("GET /waits"));
  begun.wait();
  client.close();
  gone.wait();
}

TEST_F(ServerTest, AnswersLaterFromAnotherThread) {
  ExchangePtr later;
  std::latch there(1);
  route("POST", "/wait", [&](const ExchangePtr& exchange, const Match&) -> Status {
    exchange->begin({200, "application/json", {}, {}});
    later = exchange;
    there.count_down();
    return {};
  });
  start();
  Client client = connect();
  client.send(request("POST /wait"));
  EXPECT_THAT(client.read_to("\r\n\r\n"), HasSubstr("chunked"));
  there.wait();
  later->end("{}");
  later.reset();
  EXPECT_EQ(client.read_to("0\r\n\r\n"), "2\r\n{}\r\n0\r\n\r\n");
}

TEST_F(ServerTest, LimitsWhatItReads) {
  route("POST", "/a", text("a"));
  start({.max_body = 1000});
  Client head = connect();
  head.send("GET / HTTP/1.1\r\nA: " + std::string(70 << 10, 'x'));
  EXPECT_THAT(head.read_all(), StartsWith("HTTP/1.1 431 "));
  Client body = connect();
  body.send(request("POST /a", "Content-Length: 1001\r\n\r\n"));
  body.send(std::string(1001, 'x'));
  EXPECT_THAT(body.read_all(), StartsWith("HTTP/1.1 413 "));
  Client chunks = connect();
  chunks.send(request("POST /a", "Transfer-Encoding: chunked\r\n\r\n"));
  chunks.send(cat("800\r\n", std::string(0x800, 'x'), "\r\n0\r\n\r\n"));
  EXPECT_THAT(chunks.read_all(), StartsWith("HTTP/1.1 413 "));
  Client garbage = connect();
  garbage.send("\x16\x03\x01 hello\r\n\r\n");
  EXPECT_THAT(garbage.read_all(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(ServerTest, ClosesOnAClientThatDoesNotFinishItsRequest) {
  start({.request_time = std::chrono::milliseconds(1)});
  Client client = connect();
  client.send("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(ServerTest, TellsAClientToGoOn) {
  route("POST", "/a", text("done"));
  start();
  Client client = connect();
  client.send(request("POST /a", "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("x");
  EXPECT_THAT(client.read_to("done"), EndsWith("done"));
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  route("HEAD", "/a", text("hidden"));
  start();
  Client client = connect();
  client.send(request("HEAD /a"));
  EXPECT_THAT(client.read_to("\r\n\r\n"), EndsWith("Content-Length: 6\r\n\r\n"));
}

// A raw connection whose other end is the test's.
class ServerRawTest : public ServerTest {
 protected:
  void start_raw(JoinOptions options, const std::string& type = "x/y") {
    auto pair = make_socket_pair(SOCK_STREAM);
    ASSERT_TRUE(pair.has_value());
    process_.emplace(std::move(pair->first));
    joined_ = std::move(pair->second);
    route("POST", "/attach",
          [this, options, type](const ExchangePtr& exchange, const Match&) -> Status {
            exchange->hijack(type);
            exchange->join(std::move(joined_), options);
            return {};
          });
    start();
  }
  static constexpr std::string_view kUpgraded =
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: x/y\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
      "Server: test\r\n\r\n";

  Fd joined_;
  std::optional<Client> process_;
};

TEST_F(ServerRawTest, CarriesBytesBothWays) {
  start_raw({.input = true});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly "));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  EXPECT_EQ(process_->read_to("early "), "early ");
  client.send("to it");
  EXPECT_EQ(process_->read_to("to it"), "to it");
  process_->send("from it");
  EXPECT_EQ(client.read_to("from it"), "from it");
  process_->close();
  EXPECT_EQ(client.read_all(), "");
}

TEST_F(ServerRawTest, TheClientsHalfCloseLeavesTheOutput) {
  start_raw({.input = true});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  client.send("all");
  client.half_close();
  EXPECT_EQ(process_->read_all(), "all");
  process_->send("the answer");
  process_->close();
  EXPECT_EQ(client.read_all(), "the answer");
}

TEST_F(ServerRawTest, TheOutputIsCompleteThoughInputWasNotRead) {
  start_raw({.input = true});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  client.send("typed ahead");
  process_->send("last words");
  process_->close();
  EXPECT_EQ(client.read_all(), "last words");
}

TEST_F(ServerRawTest, AClientThatGoesClosesTheStream) {
  start_raw({.input = false});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  client.close();
  EXPECT_EQ(process_->read_all(), "");
}

TEST_F(ServerRawTest, DetachKeysEndTheConnectionAlone) {
  std::latch detached(1);
  start_raw({.input = true, .detach_keys = "\x10\x11", .ended = [&](bool by_keys) {
               if (by_keys) detached.count_down();
             }});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  client.send("ls\n\x10");
  EXPECT_EQ(process_->read_to("ls\n"), "ls\n");
  client.send("\x11more");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(process_->read_all(), "");
  detached.wait();
}

TEST_F(ServerRawTest, WithoutUpgradeTheStreamFollowsAPlainAnswer) {
  start_raw({.input = true});
  Client client = connect();
  client.send(request("POST /attach"));
  EXPECT_EQ(client.read_to("\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
  process_->send("x");
  EXPECT_EQ(client.read_to("x"), "x");
}

TEST_F(ServerRawTest, ASlowReaderGetsEverything) {
  start_raw({.input = false});
  Client client = connect();
  client.send(request("POST /attach", "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
  EXPECT_EQ(client.read_to("\r\n\r\n"), kUpgraded);
  std::string large(5 << 20, 'y');
  std::thread writer([&] {
    process_->send(large);
    process_->close();
  });
  EXPECT_EQ(client.read_all().size(), large.size());
  writer.join();
}

}  // namespace
}  // namespace dhow::api::docker
