// SPDX-License-Identifier: Apache-2.0
// What an engine makes of shims that it finds, of which this test plays the part.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "rpc/server.h"
#include "sys/file_io.h"
#include "sys/testing/temp_dir.h"
#include "sys/unix_socket.h"
#include "task/bundle.h"
#include "task/tasks.h"

namespace dhow::task {
namespace {

using namespace std::chrono_literals;
using rpc::task::ProcessStatus;
using rpc::task::StateRequest;
using rpc::task::StateResponse;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// One server on the sockets of all bundles: what it answers is by the id that it is asked for.
class RecoveryTest : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    bundles_.emplace(Bundles::open(path_).value());
    service_.on<StateRequest>([this](const StateRequest& request, rpc::Reply reply) {
      if (request.id == "hung") return waiting_.push_back(std::move(reply));
      if (request.id == "odd") return reply.fail(Error(Code::kInternal, "oops"));
      if (request.id == "empty") return reply.fail(Error(Code::kNotFound, "no such task"));
      StateResponse response;
      response.id = request.id;
      response.status = ProcessStatus::kRunning;
      reply.send(response);
    });
    server_ = rpc::Server::make().value();
    server_->add(rpc::task::kServiceV3, service_);
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  }
  void TearDown() override {
    tasks_.reset();
    if (thread_.joinable()) {
      std::uint64_t one = 1;
      EXPECT_EQ(::write(stop_.get(), &one, sizeof one), 8);
      thread_.join();
    }
    waiting_.clear();
    TempDirTest::TearDown();
  }

  Fd make_bundle(const std::string& id) {
    Key key{"default", id};
    Fd bundle = bundles_->make(key).value();
    Bootstrap bootstrap;
    bootstrap.address = cat("unix://", bundles_->path(key), "/", kShimSocket);
    bootstrap.protocol = "ttrpc";
    EXPECT_TRUE(replace_file(bundle, kBootstrapFile, bootstrap_json(bootstrap), 0600).has_value());
    return bundle;
  }
  // Only one socket can be listened on: the bundles of all shims have links to it.
  void make_shim(const std::string& id) {
    Fd bundle = make_bundle(id);
    if (!std::filesystem::exists(at("shim.sock"))) {
      ASSERT_TRUE(
          server_->listen(listen_unix(dir_, kShimSocket, SOCK_STREAM, 0600).value()).has_value());
    }
    std::filesystem::create_symlink(at("shim.sock"),
                                    bundles_->path({"default", id}) + "/shim.sock");
  }
  std::vector<Recovered> recover() {
    thread_ = std::thread([this] {
      struct pollfd fds[2] = {{server_->fd().get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      while (::poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
        if (!server_->dispatch()) break;
      }
    });
    TasksOptions options;
    options.state = path_;
    options.limits.load = load_limit_;
    options.limits.cleanup = 20'000ms;
    tasks_ = Tasks::open(std::move(options)).value();
    auto recovered = tasks_->recover();
    EXPECT_TRUE(recovered) << recovered.error().message();
    return recovered ? std::move(*recovered) : std::vector<Recovered>();
  }

  std::optional<Bundles> bundles_;
  std::chrono::milliseconds load_limit_ = 20'000ms;
  rpc::Service service_;
  std::unique_ptr<rpc::Server> server_;
  std::vector<rpc::Reply> waiting_;
  std::unique_ptr<Tasks> tasks_;
  Fd stop_;
  std::thread thread_;
};

TEST_F(RecoveryTest, FindsNothing) { EXPECT_THAT(recover(), IsEmpty()); }

TEST_F(RecoveryTest, FindsThoseThatLive) {
  // No more than the backlog of their one socket takes.
  for (int i = 10; i < 22; ++i) make_shim(cat("c", i));
  auto found = recover();
  ASSERT_THAT(found, SizeIs(12));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].key.id, cat("c", i + 10));
    ASSERT_TRUE(found[i].state.has_value());
    EXPECT_EQ(found[i].state->status, ProcessStatus::kRunning);
    EXPECT_FALSE(found[i].lost.has_value());
  }
  EXPECT_EQ(tasks_->state({"default", "c10"})->id, "c10");
}

TEST_F(RecoveryTest, TakesWhatIsNotKnownForAlive) {
  load_limit_ = 100ms;
  make_shim("hung");
  make_shim("odd");
  auto found = recover();
  ASSERT_THAT(found, SizeIs(2));
  for (const Recovered& each : found) {
    ASSERT_TRUE(each.state.has_value()) << each.key.id;
    EXPECT_EQ(each.state->status, ProcessStatus::kUnknown);
    EXPECT_TRUE(std::filesystem::exists(tasks_->bundle(each.key)));
  }
}

TEST_F(RecoveryTest, CleansAwayWhatHasNoShimOrNoTask) {
  make_bundle("dead");
  make_shim("empty");
  ASSERT_TRUE(bundles_->make({"default", "unfinished"}).has_value());
  auto found = recover();
  ASSERT_THAT(found, SizeIs(3));
  for (const Recovered& each : found) {
    EXPECT_FALSE(each.state.has_value()) << each.key.id;
    ASSERT_TRUE(each.lost.has_value()) << each.key.id;
    EXPECT_EQ(each.lost->status, kLostStatus);
    EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(each.key)));
  }
}

}  // namespace
}  // namespace dhow::task
