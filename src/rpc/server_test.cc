// SPDX-License-Identifier: Apache-2.0
#include "rpc/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "rpc/task.h"
#include "sys/testing/temp_dir.h"
#include "sys/unix_socket.h"

namespace dhow::rpc {
namespace {

using task::KillRequest;
using task::StateRequest;
using task::StateResponse;
using task::WaitRequest;
using task::WaitResponse;

struct Answer {
  std::uint32_t stream;
  std::int32_t code;
  std::string text;
};

// A server and the raw other end of one connection to it, on one thread.
class RpcServer : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    server_ = Server::make().value();
    service_.on<StateRequest>([](const StateRequest& request) -> Result<StateResponse> {
      if (request.id == "none") return dhow::fail(Code::kNotFound, "no such task");
      StateResponse response;
      response.id = request.id;
      if (request.exec_id == "large") response.bundle.assign(kMaxFrameData, 'x');
      return response;
    });
    service_.on<KillRequest>([](const KillRequest&) -> Status { return {}; });
    service_.on<WaitRequest>(
        [this](const WaitRequest&, Reply reply) { waiting_.push_back(std::move(reply)); });
    server_->add("a.Task", service_);
    SocketPair pair = make_socket_pair(SOCK_STREAM).value();
    ASSERT_TRUE(server_->serve(std::move(pair.first)).has_value());
    client_ = std::move(pair.second);
  }

  void send(std::uint32_t stream, std::string_view data, FrameType type = FrameType::kRequest,
            std::uint8_t flags = 0) {
    std::string header(kFrameHeaderSize, '\0');
    auto put = [&](std::size_t at, std::size_t value) {
      for (std::size_t i = 0; i < 4; ++i) {
        header[at + i] = static_cast<char>(value >> (8 * (3 - i)) & 0xff);
      }
    };
    put(0, data.size());
    put(4, stream);
    header[8] = static_cast<char>(type);
    header[9] = static_cast<char>(flags);
    std::string rest = header.append(data);
    std::string_view left = rest;
    while (!left.empty()) {
      ssize_t sent = ::send(client_.get(), left.data(), left.size(), MSG_DONTWAIT);
      if (sent > 0) left.remove_prefix(static_cast<std::size_t>(sent));
      ASSERT_TRUE(server_->dispatch().has_value());
    }
  }
  template <typename Q>
  void call(std::uint32_t stream, const Q& message, std::uint8_t flags = 0) {
    send(stream, request(Q::kMethod, encode(message)), FrameType::kRequest, flags);
  }
  static std::string request(std::string_view method, std::string_view payload,
                             std::string_view service = "a.Task") {
    Request request{service, method, payload};
    return encode(request);
  }
  // The next answer; a test that waits for one that never comes fails.
  Answer answer() {
    for (int tries = 0; tries < 10'000; ++tries) {
      if (auto frame = reader_.next()) {
        EXPECT_EQ(frame->type, FrameType::kResponse);
        EXPECT_EQ(frame->flags, 0);
        auto response = decode<Response>(frame->data);
        EXPECT_TRUE(response.has_value());
        const auto& status = response->status;
        return {frame->stream, status ? status->code : 0,
                std::string(status ? status->message : response->payload)};
      }
      EXPECT_TRUE(server_->dispatch().has_value());
      read_frames(client_, reader_);
    }
    ADD_FAILURE() << "no answer";
    return {};
  }
  bool is_silent() {
    EXPECT_TRUE(server_->dispatch().has_value());
    return read_frames(client_, reader_) == ReadEnd::kLater;
  }
  void expect_refused(std::uint32_t stream, Code code) {
    Answer got = answer();
    EXPECT_EQ(got.stream, stream);
    EXPECT_EQ(got.code, status_number(code)) << got.text;
  }

  Service service_;
  std::unique_ptr<Server> server_;
  std::vector<Reply> waiting_;
  Fd client_;
  FrameReader reader_;
};

TEST_F(RpcServer, Answers) {
  call(1, StateRequest{"c"});
  Answer got = answer();
  EXPECT_EQ(got.stream, 1U);
  EXPECT_EQ(decode<StateResponse>(got.text)->id, "c");
  call(3, KillRequest{"c"});
  EXPECT_EQ(answer().code, 0);
}

TEST_F(RpcServer, TellsFailures) {
  call(1, StateRequest{"none"});
  Answer got = answer();
  EXPECT_EQ(got.code, 5);
  EXPECT_EQ(got.text, "no such task");
}

TEST_F(RpcServer, AnswersLaterInAnyOrder) {
  call(1, WaitRequest{"a"});
  call(3, WaitRequest{"b"});
  call(5, StateRequest{"c"});
  EXPECT_EQ(answer().stream, 5U);
  EXPECT_TRUE(is_silent());
  waiting_[1].send(WaitResponse{7, {}});
  EXPECT_EQ(answer().stream, 3U);
  waiting_.clear();
  expect_refused(1, Code::kInternal);  // dropped without an answer
}

TEST_F(RpcServer, RefusesWhatItDoesNotKnow) {
  send(1, request("State", "", "b.Task"));
  Answer got = answer();
  EXPECT_EQ(got.code, 12);
  EXPECT_EQ(got.text, "service b.Task");
  send(3, request("Fly", ""));
  got = answer();
  EXPECT_EQ(got.code, 12);
  EXPECT_EQ(got.text, "method Fly");
}

TEST_F(RpcServer, RefusesStreams) {
  call(1, KillRequest{"c"}, kFlagRemoteOpen);
  expect_refused(1, Code::kUnimplemented);
  send(1, "", FrameType::kData, 5);
  expect_refused(1, Code::kInvalidArgument);
  call(3, KillRequest{"c"}, kFlagRemoteClosed);  // as good as unary
  EXPECT_EQ(answer().code, 0);
}

TEST_F(RpcServer, RefusesStreamIdsOutOfOrder) {
  call(2, KillRequest{"c"});
  expect_refused(2, Code::kInvalidArgument);
  call(5, KillRequest{"c"});
  EXPECT_EQ(answer().code, 0);
  for (std::uint32_t used : {5U, 3U}) {
    call(used, KillRequest{"c"});
    expect_refused(used, Code::kInvalidArgument);
  }
  call(0, KillRequest{"c"});
  expect_refused(0, Code::kInvalidArgument);
}

TEST_F(RpcServer, RefusesDataWhereNoneIsDue) {
  send(9, "x", FrameType::kData);
  expect_refused(9, Code::kInvalidArgument);
  // Of a call that is under way: it has its answer then, and gets no other.
  call(11, WaitRequest{"c"});
  send(11, "x", FrameType::kData);
  expect_refused(11, Code::kInvalidArgument);
  waiting_[0].send(WaitResponse{});
  EXPECT_TRUE(is_silent());
}

TEST_F(RpcServer, RefusesDamagedMessages) {
  send(1, "\xff");
  expect_refused(1, Code::kInvalidArgument);
  send(3, request("State", "\x0a\x05"));
  expect_refused(3, Code::kInternal);
  call(5, KillRequest{"c"});  // and goes on
  EXPECT_EQ(answer().code, 0);
}

TEST_F(RpcServer, IgnoresFramesOfOtherTypes) {
  send(1, "x", FrameType::kResponse);
  send(1, "x", static_cast<FrameType>(77));
  EXPECT_TRUE(is_silent());
}

TEST_F(RpcServer, RefusesMessagesThatAreTooLong) {
  send(1, std::string(kMaxFrameData + 1, 'x'));
  expect_refused(1, Code::kResourceExhausted);
  call(3, StateRequest{"c", "large"});
  expect_refused(3, Code::kResourceExhausted);
  call(1, KillRequest{"c"});
  expect_refused(1, Code::kInvalidArgument);
}

TEST_F(RpcServer, DoesNotReadFromThoseWhoDoNotRead) {
  // Answers of 2 MiB each that nobody takes: after the first the server stops to listen.
  service_.on<task::PidsRequest>([](const task::PidsRequest&) -> Result<StateResponse> {
    StateResponse response;
    response.id.assign(std::size_t{2} << 20, 'x');
    return response;
  });
  std::uint32_t stream = 1;
  for (; stream < 20; stream += 2) call(stream, task::PidsRequest{"c"});
  EXPECT_TRUE(server_->has_unsent());
  call(stream, WaitRequest{"c"});
  EXPECT_TRUE(waiting_.empty());
  for (std::uint32_t each = 1; each < stream; each += 2) EXPECT_EQ(answer().stream, each);
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(waiting_.size(), 1U);
}

TEST_F(RpcServer, ForgetsThoseWhoHaveGone) {
  call(1, WaitRequest{"c"});
  client_.reset();
  ASSERT_TRUE(server_->dispatch().has_value());
  EXPECT_EQ(server_->connections(), 0U);
  waiting_[0].send(WaitResponse{});  // goes nowhere
}

TEST_F(RpcServer, Accepts) {
  ASSERT_TRUE(server_->listen(listen_unix(dir_, "s", SOCK_STREAM, 0600).value()).has_value());
  client_ = connect_unix(dir_, "s", SOCK_STREAM).value();
  call(1, StateRequest{"c"});
  EXPECT_EQ(answer().code, 0);
  EXPECT_EQ(server_->connections(), 1U);  // the first one was closed
}

}  // namespace
}  // namespace dhow::rpc
