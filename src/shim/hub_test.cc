// SPDX-License-Identifier: Apache-2.0
#include "shim/hub.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/testing/temp_dir.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::int64_t kPatience = 60'000;  // milliseconds

class ShimHubTest : public dhow::testing::TempDirTest {
 protected:
  // One who is attached; reads in the loop unless told not to.
  struct Peer {
    Fd fd;
    std::string got;
    bool ended = false;
    Loop::Watch watch;
  };

  void SetUp() override {
    TempDirTest::SetUp();
    std::ignore = ::signal(SIGPIPE, SIG_IGN);  // as the shim does
    loop_ = Loop::make().value();
    open("driver=none");
  }
  void TearDown() override {
    peers_.clear();
    hub_.reset();
    TempDirTest::TearDown();
  }

  void open(const std::string& query) {
    hub_.reset();
    Hub::Events events{.has_room =
                           [this] {
                             rooms_ += 1;
                             check();
                           },
                       .input =
                           [this](std::string_view bytes) {
                             input_ += bytes;
                             check();
                             return takes_input_;
                           },
                       .input_ended =
                           [this] {
                             input_ended_ = true;
                             check();
                           }};
    auto uri = parse_uri(cat("dhow-io://", path_, "/a.sock?", query));
    auto hub = Hub::open(*loop_, *uri, std::move(events));
    ASSERT_TRUE(hub) << hub.error().message();
    hub_ = std::move(*hub);
  }

  Peer& attach(std::string_view greeting, bool reads = true) {
    auto& peer = *peers_.emplace_back(std::make_unique<Peer>());
    peer.fd = connect_unix(dir_, "a.sock", SOCK_STREAM).value();
    send(peer, greeting);
    if (reads) read_on(peer);
    return peer;
  }
  void read_on(Peer& peer) {
    auto watch = loop_->watch(peer.fd, EPOLLIN, [this, &peer](std::uint32_t) { read(peer); });
    peer.watch = std::move(*watch);
  }
  // One that has its answer.
  Peer& attached(std::string_view greeting) {
    Peer& peer = attach(greeting);
    EXPECT_TRUE(run_until([&] { return peer.got.ends_with("}\n"); })) << peer.got;
    peer.got.clear();
    return peer;
  }
  static void send(const Peer& peer, std::string_view text) {
    ASSERT_TRUE(write_all(peer.fd, text));
  }

  bool run_until(std::function<bool()> done) {
    if (done()) return true;
    done_ = std::move(done);
    auto timer = loop_->after(kPatience, [this] { loop_->stop(); });
    EXPECT_TRUE(loop_->run());
    return std::exchange(done_, nullptr)();
  }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Hub> hub_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::string input_;
  bool input_ended_ = false;
  bool takes_input_ = true;
  int rooms_ = 0;

 private:
  void read(Peer& peer) {
    char buffer[4096];
    ssize_t count = ::read(peer.fd.get(), buffer, sizeof buffer);
    if (count > 0) peer.got.append(buffer, static_cast<std::size_t>(count));
    if (count <= 0) peer.ended = true;
    if (peer.ended) peer.watch.reset();
    check();
  }
  void check() {
    if (done_ && done_()) loop_->stop();
  }

  std::function<bool()> done_;
};

constexpr std::string_view kAll =
    "{\"stdin\":true,\"stdout\":true,\"stderr\":true,\"framed\":true}\n";
constexpr std::string_view kRawOut = "{\"stdout\":true}\n";

TEST_F(ShimHubTest, FramesTellTheStreams) {
  Peer& peer = attached(kAll);
  hub_->put(logging::Stream::kStdout, "ab");
  hub_->put(logging::Stream::kStderr, std::string(258, 'e'));
  std::string want("\1\0\0\0\0\0\0\2ab\2\0\0\0\0\0\1\2", 18);
  want.append(258, 'e');
  EXPECT_TRUE(run_until([&] { return peer.got.size() >= want.size(); }));
  EXPECT_EQ(peer.got, want);
}

TEST_F(ShimHubTest, ARawClientGetsWhatItAskedFor) {
  hub_->put(logging::Stream::kStdout, "before");
  Peer& peer = attached(kRawOut);
  hub_->put(logging::Stream::kStderr, "error");
  hub_->put(logging::Stream::kStdout, "out");
  EXPECT_TRUE(run_until([&] { return peer.got.size() >= 3; }));
  EXPECT_EQ(peer.got, "out");
}

TEST_F(ShimHubTest, InputComesRightAfterTheGreeting) {
  Peer& peer = attach(cat(kAll, "first"));
  EXPECT_TRUE(run_until([&] { return input_ == "first"; })) << input_;
  send(peer, " second");
  EXPECT_TRUE(run_until([&] { return input_ == "first second"; })) << input_;
  EXPECT_FALSE(input_ended_);
  // A half-close ends the input, and nothing else.
  ASSERT_EQ(::shutdown(peer.fd.get(), SHUT_WR), 0);
  EXPECT_TRUE(run_until([&] { return input_ended_; }));
  peer.got.clear();
  hub_->put(logging::Stream::kStdout, "still");
  EXPECT_TRUE(run_until([&] { return peer.got.ends_with("still"); }));
}

TEST_F(ShimHubTest, InputWaitsWhileTheProcessTakesNone) {
  takes_input_ = false;
  Peer& peer = attach(cat(kAll, "one"));
  EXPECT_TRUE(run_until([&] { return input_ == "one"; }));
  send(peer, "two");
  // Another one's answer: what came before it has been seen by the loop.
  attached(kRawOut);
  EXPECT_EQ(input_, "one");
  takes_input_ = true;
  hub_->input_has_room();
  EXPECT_TRUE(run_until([&] { return input_ == "onetwo"; }));
}

TEST_F(ShimHubTest, InputOfOneWhoDidNotAskForItIsDropped) {
  Peer& peer = attached(kRawOut);
  send(peer, "unwanted");
  Peer& other = attached(kAll);
  send(other, "wanted");
  EXPECT_TRUE(run_until([&] { return input_.size() >= 6; }));
  EXPECT_EQ(input_, "wanted");
}

TEST_F(ShimHubTest, AGreetingThatIsNoneIsAnswered) {
  for (const std::string& greeting : {std::string("nonsense\n"), std::string(5000, '{')}) {
    Peer& peer = attach(greeting);
    EXPECT_TRUE(run_until([&] { return peer.ended; }));
    EXPECT_THAT(peer.got, StartsWith("{\"error\":\""));
  }
}

TEST_F(ShimHubTest, OneThatDoesNotReadHoldsTheProcessUp) {
  Peer& peer = attach(kRawOut, false);
  attached(kRawOut);  // the first one has been greeted, too
  peers_.back()->watch.reset();
  peers_.pop_back();
  std::string piece(64 << 10, 'x');
  for (int i = 0; i < 64 && !hub_->is_full(); ++i) hub_->put(logging::Stream::kStdout, piece);
  ASSERT_TRUE(hub_->is_full());
  rooms_ = 0;
  peer.fd.reset();
  EXPECT_TRUE(run_until([&] { return !hub_->is_full(); }));
  EXPECT_GT(rooms_, 0);
}

TEST_F(ShimHubTest, OneThatReadsLateMissesNothing) {
  Peer& peer = attach(kRawOut, false);
  attached(kRawOut);
  std::string sent;
  while (!hub_->is_full()) {
    std::string piece(10'000, static_cast<char>('a' + sent.size() / 10'000 % 26));
    hub_->put(logging::Stream::kStdout, piece);
    sent += piece;
  }
  read_on(peer);
  EXPECT_TRUE(run_until([&] { return peer.got.size() >= sent.size() + 3 && !hub_->is_full(); }));
  EXPECT_TRUE(peer.got == "{}\n" + sent);
}

TEST_F(ShimHubTest, TheEndComesAfterTheLastByte) {
  Peer& peer = attached(kRawOut);
  std::string much(3 << 20, 'x');
  hub_->put(logging::Stream::kStdout, much);
  hub_->end();
  EXPECT_FALSE(std::filesystem::exists(at("a.sock")));
  EXPECT_TRUE(run_until([&] { return peer.ended; }));
  EXPECT_EQ(peer.got.size(), much.size());
  EXPECT_TRUE(hub_->is_done());
}

TEST_F(ShimHubTest, ALogServerGetsTheLastLines) {
  Fd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct sockaddr_un name{};
  name.sun_family = AF_UNIX;
  at("log").copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<struct sockaddr*>(&name), sizeof name), 0);
  open(cat("driver=syslog&syslog-address=unix://", at("log")));
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) hub_->put(logging::Stream::kStdout, cat("line ", i, "\n"));
  hub_->end_stream(logging::Stream::kStdout);
  hub_->end();
  ASSERT_FALSE(hub_->is_done());
  int taken = 0;
  auto watch = loop_->watch(server, EPOLLIN, [&](std::uint32_t) {
    auto message = receive_message(server, 4096);
    ASSERT_TRUE(message.has_value());
    EXPECT_THAT(message->payload, EndsWith(cat(": line ", taken)));
    taken += 1;
    if (taken == kLines) loop_->stop();
  });
  EXPECT_TRUE(run_until([&] { return taken == kLines; }));
  EXPECT_TRUE(hub_->is_done());
}

TEST_F(ShimHubTest, WritesTheLogAndBeginsANewOne) {
  open(cat("driver=json-file&path=", at("log")));
  hub_->put(logging::Stream::kStdout, "one\ntwo");
  hub_->put(logging::Stream::kStderr, "err\n");
  hub_->flush();
  std::string first = read_file(at("log")).value();
  EXPECT_THAT(first, HasSubstr(R"({"log":"one\n","stream":"stdout")"));
  EXPECT_THAT(first, HasSubstr(R"({"log":"err\n","stream":"stderr")"));
  EXPECT_THAT(first, Not(HasSubstr("two")));
  std::filesystem::rename(at("log"), at("old"));
  Peer& peer = attach("{\"reopen\":true}\n");
  EXPECT_TRUE(run_until([&] { return peer.ended; }));
  EXPECT_EQ(peer.got, "{}\n");
  hub_->end_stream(logging::Stream::kStdout);
  EXPECT_EQ(read_file(at("old")).value(), first);
  EXPECT_THAT(read_file(at("log")).value(), StartsWith(R"({"log":"two","stream":"stdout")"));
}

TEST_F(ShimHubTest, ReplacesASocketThatADeadShimHasLeft) {
  hub_.reset();
  {
    Fd dead = listen_unix(dir_, "a.sock", SOCK_STREAM, 0600).value();
  }
  ASSERT_TRUE(std::filesystem::exists(at("a.sock")));
  open("driver=none");
  attached(kRawOut);
}

}  // namespace
}  // namespace dhow::shim
