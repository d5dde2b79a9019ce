// SPDX-License-Identifier: Apache-2.0
#include "rpc/client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "rpc/server.h"
#include "rpc/task.h"
#include "sys/unix_socket.h"

namespace dhow::rpc {
namespace {

using namespace std::chrono_literals;
using task::CreateTaskRequest;
using task::CreateTaskResponse;
using task::WaitRequest;
using task::WaitResponse;
using ::testing::HasSubstr;

constexpr std::string_view kTest = "a.Task";

// A server on a thread of its own: Create gives the length of the bundle, Wait is answered by the
// next Create of that id.
class ServerThread {
 public:
  ServerThread() {
    service_.on<CreateTaskRequest>([this](const CreateTaskRequest& request) {
      auto found = waiting_.find(request.id);
      if (found != waiting_.end()) {
        found->second.send(WaitResponse{9, {}});
        waiting_.erase(found);
      }
      return Result<CreateTaskResponse>(
          CreateTaskResponse{static_cast<std::uint32_t>(request.bundle.size())});
    });
    service_.on<WaitRequest>([this](const WaitRequest& request, Reply reply) {
      waiting_.emplace(request.id, std::move(reply));
    });
    server_ = Server::make().value();
    server_->add(kTest, service_);
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  }
  ~ServerThread() { stop(); }

  // The client's end of a connection; before start().
  Fd connect() {
    SocketPair pair = make_socket_pair(SOCK_STREAM).value();
    EXPECT_TRUE(server_->serve(std::move(pair.first)).has_value());
    return std::move(pair.second);
  }
  void start() {
    thread_ = std::thread([this] {
      struct pollfd fds[2] = {{server_->fd().get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      while (::poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
        if (!server_->dispatch()) break;
      }
      waiting_.clear();
      server_.reset();
    });
  }
  // Its connections are closed then.
  void stop() {
    if (!thread_.joinable()) return;
    std::uint64_t one = 1;
    ASSERT_EQ(::write(stop_.get(), &one, sizeof one), 8);
    thread_.join();
  }

 private:
  Service service_;
  std::unique_ptr<Server> server_;
  std::map<std::string, Reply> waiting_;
  Fd stop_;
  std::thread thread_;
};

TEST(RpcClient, CallsFromManyThreads) {
  auto thread = EventThread::start().value();
  ServerThread server;
  auto client = Client::open(*thread, server.connect(), "ns").value();
  server.start();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (unsigned caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (unsigned i = 0; i < 200; ++i) {
        unsigned size = i % 10 == 0 ? 100'000 + i : caller * 1000 + i;
        CreateTaskRequest request;
        request.bundle.assign(size, 'x');
        auto answer = client->call<CreateTaskResponse>(kTest, request, 60s);
        if (!answer || answer->pid != size) ++wrong;
      }
    });
  }
  for (std::thread& each : callers) each.join();
  EXPECT_EQ(wrong, 0);
}

TEST(RpcClient, WaitsWithoutHoldingUpOthers) {
  auto thread = EventThread::start().value();
  ServerThread server;
  auto client = Client::open(*thread, server.connect(), "").value();
  server.start();
  std::promise<Result<WaitResponse>> waited;
  client->call_async<WaitResponse>(kTest, WaitRequest{"c"}, [&](Result<WaitResponse> answer) {
    EXPECT_TRUE(thread->is_current());
    waited.set_value(std::move(answer));
  });
  auto done = waited.get_future();
  CreateTaskRequest request;
  EXPECT_TRUE(client->call<CreateTaskResponse>(kTest, request, 60s).has_value());
  EXPECT_EQ(done.wait_for(0s), std::future_status::timeout);
  request.id = "c";
  EXPECT_TRUE(client->call<CreateTaskResponse>(kTest, request, 60s).has_value());
  EXPECT_EQ(done.get()->exit_status, 9U);
}

TEST(RpcClient, GivesUpWhenTheTimeIsOver) {
  auto thread = EventThread::start().value();
  ServerThread server;
  auto client = Client::open(*thread, server.connect(), "").value();
  server.start();
  auto answer = client->call<WaitResponse>(kTest, WaitRequest{"c"}, 1ms);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(answer.error().message(), HasSubstr("Wait: no answer within 1 ms"));
  // The late answer disturbs nobody.
  CreateTaskRequest request;
  request.id = "c";
  EXPECT_TRUE(client->call<CreateTaskResponse>(kTest, request, 60s).has_value());
  EXPECT_TRUE(client->call<CreateTaskResponse>(kTest, request, 60s).has_value());
}

TEST(RpcClient, FailsEveryCallWhenThePeerGoes) {
  auto thread = EventThread::start().value();
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  auto client = Client::open(*thread, std::move(pair.first), "").value();
  std::vector<std::promise<Code>> codes(20);
  for (std::promise<Code>& each : codes) {
    client->call_async<WaitResponse>(kTest, WaitRequest{"c"}, [&](Result<WaitResponse> got) {
      each.set_value(got ? Code::kUnknown : got.error().code());
    });
  }
  std::thread blocked([&] {
    auto got = client->call<WaitResponse>(kTest, WaitRequest{"c"}, std::nullopt);
    EXPECT_EQ(got.error().code(), Code::kUnavailable);
  });
  pair.second.reset();
  blocked.join();
  for (std::promise<Code>& each : codes) EXPECT_EQ(each.get_future().get(), Code::kUnavailable);
  auto later = client->call<WaitResponse>(kTest, WaitRequest{"c"}, std::nullopt);
  EXPECT_EQ(later.error().code(), Code::kUnavailable);
}

TEST(RpcClient, FailsEveryCallWhenItGoesItself) {
  auto thread = EventThread::start().value();
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  auto client = Client::open(*thread, std::move(pair.first), "").value();
  std::promise<Code> code;
  client->call_async<WaitResponse>(kTest, WaitRequest{"c"}, [&](Result<WaitResponse> got) {
    code.set_value(got ? Code::kUnknown : got.error().code());
  });
  client.reset();
  EXPECT_EQ(code.get_future().get(), Code::kCancelled);
  char byte;
  while (::read(pair.second.get(), &byte, 1) > 0) {
  }
  EXPECT_EQ(::read(pair.second.get(), &byte, 1), 0);
}

// What a peer may send that is no answer.
TEST(RpcClient, TakesOddAnswersForFailures) {
  struct Case {
    std::string frame;
    Code code;
  };
  using namespace std::string_literals;
  const Case cases[] = {
      {"\0\0\0\0\0\0\0\1\3\0"s, Code::kInternal},             // data on a unary call
      {"\0\0\0\1\0\0\0\1\2\0\xff"s, Code::kDataLoss},         // no Response
      {"\xff\0\0\0\0\0\0\1\2\0"s, Code::kResourceExhausted},  // too long
      {"\0\0\0\4\0\0\0\1\2\0\x0a\2\x08\5"s, Code::kNotFound},
  };
  auto thread = EventThread::start().value();
  for (const Case& each : cases) {
    SocketPair pair = make_socket_pair(SOCK_STREAM).value();
    auto client = Client::open(*thread, std::move(pair.first), "").value();
    std::string stray = "\0\0\0\0\0\0\0\7\2\0"s;  // an answer to nothing is no harm
    ASSERT_TRUE(send_message(pair.second, stray).has_value());
    std::promise<Code> code;
    client->call_async<WaitResponse>(kTest, WaitRequest{"c"}, [&](Result<WaitResponse> got) {
      code.set_value(got ? Code::kUnknown : got.error().code());
    });
    ASSERT_TRUE(send_message(pair.second, each.frame).has_value());
    EXPECT_EQ(code.get_future().get(), each.code);
  }
}

TEST(RpcClient, SendsTheNamespaceAndTheTimeLeft) {
  auto thread = EventThread::start().value();
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  auto client = Client::open(*thread, std::move(pair.first), "moby").value();
  EXPECT_EQ(client->call(kTest, "M", "payload", 1ms).error().code(), Code::kDeadlineExceeded);
  FrameReader reader;
  ASSERT_EQ(read_frames(pair.second, reader), ReadEnd::kMore);
  auto frame = reader.next();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->stream, 1U);
  auto request = decode<Request>(frame->data);
  EXPECT_EQ(request->payload, "payload");
  EXPECT_EQ(request->timeout_nano, 1'000'000);
  ASSERT_EQ(request->metadata.size(), 1U);
  EXPECT_EQ(request->metadata[0].key, kNamespaceKey);
  EXPECT_EQ(request->metadata[0].value, "moby");
}

TEST(RpcClient, DoesNotHoardForAPeerThatDoesNotRead) {
  auto thread = EventThread::start().value();
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  auto client = Client::open(*thread, std::move(pair.first), "").value();
  std::string payload(std::size_t{1} << 20, 'x');
  Code code = Code::kUnknown;
  for (int i = 0; i < 20 && code != Code::kResourceExhausted; ++i) {
    code = client->call(kTest, "M", payload, 0ms).error().code();
  }
  EXPECT_EQ(code, Code::kResourceExhausted);
  auto too_long = client->call(kTest, "M", std::string(kMaxFrameData, 'x'), 0ms);
  EXPECT_EQ(too_long.error().code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace dhow::rpc
