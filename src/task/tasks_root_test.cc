// SPDX-License-Identifier: Apache-2.0
// The contract of Tasks, on our shim and on containerd's.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/cgroup_metrics.h"
#include "sys/file_io.h"
#include "task/tasks.h"
#include "task/testing/task_fixture.h"

namespace dhow::task {
namespace {

using namespace std::chrono_literals;
using rpc::task::ProcessStatus;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class TasksTest : public TaskFixture, public ::testing::WithParamInterface<RuntimeUnderTest> {
 protected:
  void SetUp() override {
    TaskFixture::SetUp();
    use(GetParam());
  }
  // Waits until the file has that many bytes; false after 20 seconds without.
  static bool grows_to(const std::string& path, std::size_t size) {
    auto deadline = std::chrono::steady_clock::now() + 20s;
    while (read_file(path).value_or("").size() < size) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      ::poll(nullptr, 0, 5);
    }
    return true;
  }
};

TEST_P(TasksTest, RunsAContainerToItsEnd) {
  Key key = create("end", "exit 7");
  EXPECT_GT(pid_, 0);
  PidFd shim = shim_of(key);
  auto exit = watch(key);
  auto started = tasks_->start(key);
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(*started, pid_);
  auto ended = exit.get();
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_EQ(ended->status, 7U);
  EXPECT_GT(ended->at.seconds, 1'600'000'000);
  EXPECT_EQ(tasks_->wait(key, "")->status, 7U);  // again, and late
  auto state = tasks_->state(key);
  ASSERT_TRUE(state) << state.error().message();
  EXPECT_EQ(state->status, ProcessStatus::kStopped);
  EXPECT_EQ(state->exit_status, 7U);
  auto removed = tasks_->remove(key);
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(removed->status, 7U);
  EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(key)));
  EXPECT_EQ(shim.wait_exit(60'000).value_or(false), true);
  EXPECT_EQ(tasks_->state(key).error().code(), Code::kNotFound);
}

TEST_P(TasksTest, StreamsGoToFiles) {
  constexpr std::size_t kBothLines = 8;
  Key key_of = key("streams");
  bool ours = GetParam().shim.empty();
  // containerd's shim copies, and a process that ends at once may be faster: one that it has waits
  // until its lines are there. Ours has given the file to the process itself.
  ASSERT_EQ(::mkfifo(at("root/go").c_str(), 0600), 0);
  CreateOptions options =
      create_options(cat("echo out; echo err >&2", ours ? "" : "; read go < /go"));
  options.streams.out = "file://" + at("out");
  // containerd's shim has both in the file of the first.
  options.streams.err = options.streams.out;
  auto pid = tasks_->create(key_of, options);
  ASSERT_TRUE(pid) << pid.error().message();
  ASSERT_TRUE(tasks_->start(key_of).has_value());
  Fd go;
  if (!ours) {
    EXPECT_TRUE(grows_to(at("out"), kBothLines));
    // Both ends: it may not be reading yet.
    go = open_at(kCwd, at("root/go"), O_RDWR).value();
    ASSERT_TRUE(write_all(go, "\n"));
  }
  ASSERT_TRUE(tasks_->wait(key_of, "").has_value());
  ASSERT_TRUE(tasks_->remove(key_of).has_value());
  EXPECT_THAT(read_file(at("out")).value(), AnyOf("out\nerr\n", "err\nout\n"));
}

// An engine that comes back in the middle of a start must not be told that nothing has run yet.
TEST_P(TasksTest, TheStateIsToldWhenAStartIsOver) {
  if (!GetParam().shim.empty()) GTEST_SKIP() << "containerd's shim has no hook in that place";
  ASSERT_EQ(::mkfifo(at("root/go").c_str(), 0600), 0);
  Key key_of = key("starting");
  CreateOptions options = create_options("sleep 1000");
  auto configuration = oci::parse_config(options.config).value();
  oci::Hook hook;
  hook.path = "/bin/sh";
  hook.args = {"sh", "-c", "read go < /go"};
  configuration.hooks.start_container.push_back(hook);
  options.config = oci::config_json(configuration);
  ASSERT_TRUE(tasks_->create(key_of, options).has_value());
  auto started = std::async(std::launch::async, [&] { return tasks_->start(key_of); });
  // Opened once the hook reads: the start is under way.
  Fd go = open_at(kCwd, at("root/go"), O_WRONLY).value();
  auto state = std::async(std::launch::async, [&] { return tasks_->state(key_of); });
  EXPECT_EQ(state.wait_for(100ms), std::future_status::timeout);
  ASSERT_TRUE(write_all(go, "\n"));
  ASSERT_TRUE(started.get().has_value());
  auto told = state.get();
  ASSERT_TRUE(told) << told.error().message();
  EXPECT_EQ(told->status, ProcessStatus::kRunning);
  ASSERT_TRUE(tasks_->kill(key_of, "", SIGKILL).has_value());
  ASSERT_TRUE(tasks_->wait(key_of, "").has_value());
  ASSERT_TRUE(tasks_->remove(key_of).has_value());
}

// An engine that comes back ends what the former one had just begun to make.
TEST_P(TasksTest, AKillWaitsForAContainerThatIsBeingMade) {
  if (!GetParam().shim.empty()) GTEST_SKIP() << "containerd's shim knows it only once it is made";
  ASSERT_EQ(::mkfifo(at("go").c_str(), 0600), 0);
  Key key_of = key("making");
  CreateOptions options = create_options("sleep 1000");
  auto configuration = oci::parse_config(options.config).value();
  oci::Hook hook;
  hook.path = "/bin/sh";
  hook.args = {"sh", "-c", cat("read go < ", at("go"))};
  configuration.hooks.create_runtime.push_back(hook);
  options.config = oci::config_json(configuration);
  auto former = std::move(tasks_);
  cleanup_limit_ = 120s;
  auto created = std::async(std::launch::async, [&] { return former->create(key_of, options); });
  // Opened once the hook reads.
  Fd go = open_at(kCwd, at("go"), O_WRONLY).value();
  open();
  ASSERT_THAT(tasks_->recover().value(), SizeIs(1));
  auto cleaned = std::async(std::launch::async, [&] { return tasks_->cleanup(key_of); });
  EXPECT_EQ(cleaned.wait_for(100ms), std::future_status::timeout);
  ASSERT_TRUE(write_all(go, "\n"));
  EXPECT_EQ(cleaned.wait_for(60s), std::future_status::ready) << "waited for its end in vain";
  auto exit = cleaned.get();
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status, 128U + SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(key_of)));
  std::ignore = created.get();
}

TEST_P(TasksTest, KillsAContainer) {
  Key key = run("kill", "sleep 1000");
  EXPECT_EQ(tasks_->remove(key).error().code(), Code::kFailedPrecondition);
  auto killed = tasks_->kill(key, "", SIGKILL);
  ASSERT_TRUE(killed) << killed.error().message();
  EXPECT_EQ(tasks_->wait(key, "")->status, 137U);
  EXPECT_EQ(tasks_->kill(key, "", SIGTERM).error().code(), Code::kNotFound);
  EXPECT_EQ(tasks_->remove(key)->status, 137U);
}

TEST_P(TasksTest, ExecutesBesideIt) {
  Key key = run("exec", "sleep 1000");
  auto added = tasks_->exec(key, {"e1", process({"/bin/sh", "-c", "exit 5"}), {}});
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_EQ(tasks_->exec(key, {"e1", process({"/bin/true"}), {}}).error().code(),
            Code::kAlreadyExists);
  auto exit = watch(key, "e1");
  auto started = tasks_->start(key, "e1");
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(exit.get()->status, 5U);
  auto removed = tasks_->remove(key, "e1");
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(removed->status, 5U);
  EXPECT_EQ(tasks_->state(key)->status, ProcessStatus::kRunning);
  auto none = tasks_->start(key, "e2");
  EXPECT_EQ(none.error().code(), Code::kNotFound) << none.error().message();
}

TEST_P(TasksTest, TellsOfTheContainer) {
  Key key = run("tells", "sleep 1000");
  auto pids = tasks_->pids(key);
  ASSERT_TRUE(pids) << pids.error().message();
  ASSERT_THAT(*pids, SizeIs(1));
  EXPECT_EQ(pids->front().pid, static_cast<std::uint32_t>(pid_));
  auto stats = tasks_->stats(key);
  ASSERT_TRUE(stats) << stats.error().message();
  if (rpc::is_packed<rpc::cgroup1::Metrics>(*stats)) {
    EXPECT_GE(rpc::unpack<rpc::cgroup1::Metrics>(*stats)->pids->current, 1U);
  } else {
    EXPECT_GE(rpc::unpack<rpc::cgroup2::Metrics>(*stats)->pids->current, 1U);
  }
  ASSERT_TRUE(tasks_->pause(key).has_value());
  EXPECT_EQ(tasks_->state(key)->status, ProcessStatus::kPaused);
  ASSERT_TRUE(tasks_->resume(key).has_value());
  EXPECT_EQ(tasks_->state(key)->status, ProcessStatus::kRunning);
  auto updated = tasks_->update(key, R"({"pids":{"limit":77}})");
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_EQ(tasks_->pids({"dhow-test", "none"}).error().code(), Code::kNotFound);
}

TEST_P(TasksTest, PublishesEvents) {
  Key key = run("events", "exit 0");
  ASSERT_TRUE(tasks_->wait(key, "").has_value());
  ASSERT_TRUE(tasks_->remove(key).has_value());
  await_event("/tasks/delete");
  std::unique_lock lock(mutex_);
  EXPECT_THAT(topics_, ::testing::ElementsAre("/tasks/create", "/tasks/start", "/tasks/exit",
                                              "/tasks/delete"));
}

TEST_P(TasksTest, LeavesNothingOfAFailedCreate) {
  Key key_of = key("fail");
  CreateOptions options = create_options("");
  options.config = config({"/bin/nothing-of-that-name"});
  auto pid = tasks_->create(key_of, options);
  // runc and our runtime look for the program when they create.
  ASSERT_FALSE(pid.has_value());
  EXPECT_THAT(pid.error().message(), HasSubstr("nothing-of-that-name"));
  EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(key_of)));
  EXPECT_EQ(tasks_->state(key_of).error().code(), Code::kNotFound);
  create("fail", "exit 0");  // the key is free
}

TEST_P(TasksTest, RefusesASecondOfTheSameKey) {
  Key key = create("twice", "exit 0");
  EXPECT_EQ(tasks_->create(key, create_options("")).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(tasks_->state(key)->status, ProcessStatus::kCreated);
}

TEST_P(TasksTest, TakesOverFromAnEngineThatWasKilled) {
  Key running = key("running"), ended = key("ended");
  pid_t engine = ::fork();
  ASSERT_GE(engine, 0);
  if (engine == 0) {
    // Threads don't come along: the child has an engine of its own, and is killed with it.
    std::ignore = tasks_.release();
    open();
    run("running", "sleep 1000");
    run("ended", "exit 3");
    bool waited = tasks_->wait(ended, "").has_value();
    ::kill(::getpid(), waited && !HasFailure() ? SIGKILL : SIGTERM);
  }
  ASSERT_EQ(exit_code_from_wait_status(wait_for(engine).value()), 128 + SIGKILL);
  open();
  auto recovered = tasks_->recover();
  ASSERT_TRUE(recovered) << recovered.error().message();
  ASSERT_THAT(*recovered, SizeIs(2));
  EXPECT_EQ((*recovered)[0].key, ended);
  ASSERT_TRUE((*recovered)[0].state.has_value());
  EXPECT_EQ((*recovered)[0].state->status, ProcessStatus::kStopped);
  EXPECT_EQ((*recovered)[0].state->exit_status, 3U);
  ASSERT_TRUE((*recovered)[1].state.has_value());
  EXPECT_EQ((*recovered)[1].state->status, ProcessStatus::kRunning);
  EXPECT_EQ(tasks_->remove(ended)->status, 3U);
  auto exit = watch(running);
  ASSERT_TRUE(tasks_->kill(running, "", SIGKILL).has_value());
  EXPECT_EQ(exit.get()->status, 137U);
  EXPECT_EQ(tasks_->remove(running)->status, 137U);
  EXPECT_THAT(tasks_->recover().value(), SizeIs(0));
}

TEST_P(TasksTest, CleansUpAfterAShimThatWasKilled) {
  Key key = run("orphan", "sleep 1000");
  PidFd container = PidFd::open(pid_).value();
  auto exit = watch(key);
  kill_and_await(shim_of(key));
  EXPECT_EQ(exit.get().error().code(), Code::kUnavailable);
  EXPECT_EQ(tasks_->state(key).error().code(), Code::kUnavailable);
  auto cleaned = tasks_->cleanup(key);
  ASSERT_TRUE(cleaned) << cleaned.error().message();
  EXPECT_EQ(cleaned->status, kLostStatus);
  EXPECT_EQ(container.wait_exit(60'000).value_or(false), true);
  EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(key)));
  EXPECT_EQ(tasks_->cleanup(key)->status, kLostStatus);  // nothing is no failure
}

TEST_P(TasksTest, CleansUpWhatHasNoShimWhenItTakesOver) {
  Key key = run("lost", "sleep 1000");
  PidFd container = PidFd::open(pid_).value();
  kill_and_await(shim_of(key));
  open();
  auto recovered = tasks_->recover();
  ASSERT_TRUE(recovered) << recovered.error().message();
  ASSERT_THAT(*recovered, SizeIs(1));
  EXPECT_FALSE((*recovered)[0].state.has_value());
  ASSERT_TRUE((*recovered)[0].lost.has_value());
  EXPECT_EQ((*recovered)[0].lost->status, kLostStatus);
  EXPECT_EQ(container.wait_exit(60'000).value_or(false), true);
  EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(key)));
}

TEST_P(TasksTest, IsNotHeldUpByAShimThatHangs) {
  state_limit_ = 100ms;
  cleanup_limit_ = 1'000ms;
  open();
  Key hung = run("hung", "sleep 1000");
  Key other = create("other", "exit 0");
  PidFd shim = shim_of(hung);
  stop(shim);
  EXPECT_EQ(tasks_->state(hung).error().code(), Code::kDeadlineExceeded);
  auto exit = watch(hung);
  ASSERT_TRUE(tasks_->start(other).has_value());
  EXPECT_EQ(tasks_->wait(other, "")->status, 0U);
  auto cleaned = tasks_->cleanup(hung);
  ASSERT_TRUE(cleaned) << cleaned.error().message();
  EXPECT_EQ(cleaned->status, kLostStatus);
  EXPECT_EQ(shim.wait_exit(60'000).value_or(false), true);
  EXPECT_THAT(exit.get().error().code(), AnyOf(Code::kUnavailable, Code::kCancelled));
}

INSTANTIATE_TEST_SUITE_P(
    Runtimes, TasksTest,
    ::testing::Values(RuntimeUnderTest{"ours", "", ""},
                      RuntimeUnderTest{"runc", "io.containerd.runc.v2", "runc"},
                      RuntimeUnderTest{"dhow_runtime", "io.containerd.runc.v2", "dhow-runtime"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace dhow::task
