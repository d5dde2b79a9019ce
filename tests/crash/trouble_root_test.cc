// SPDX-License-Identifier: Apache-2.0
// What is broken in one place holds up nothing else: a row that can't be read, a shim or a mount
// that hangs.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>

#include "base/strings.h"
#include "crash/api.h"
#include "crash/daemon.h"
#include "crash/silent_mount.h"
#include "crash/truth.h"
#include "metadata/database.h"
#include "oci/json_value.h"

namespace dhow::crash_test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TroubleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_NE(needed("DHOWD"), "") << "DHOWD is not set";
    daemon_.emplace();
    ASSERT_NO_FATAL_FAILURE(start_daemon());
  }

  void TearDown() override {
    if (!daemon_) return;
    if (daemon_->pid() == 0) std::ignore = daemon_->start();
    if (daemon_->pid() != 0) {
      for (const std::string& id : look_at(*daemon_).folders) remove(id);
      // A shim ends a moment after it has answered that its container is gone.
      Truth truth = look_at(*daemon_);
      for (int i = 0; i < 100 && !truth.shims.empty(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        truth = look_at(*daemon_);
      }
      EXPECT_THAT(truth.shims, IsEmpty());
      EXPECT_THAT(truth.folders, IsEmpty());
      EXPECT_THAT(truth.bundles, IsEmpty());
      EXPECT_THAT(truth.cgroups, IsEmpty());
      EXPECT_EQ(daemon_->stop(), 0);
    }
    if (HasFailure()) std::printf("--- dhowd.log\n%s\n", daemon_->log_end().c_str());
  }

  void start_daemon() {
    auto started = daemon_->start();
    ASSERT_TRUE(started.has_value()) << started.error().message();
  }

  // An answer comes within a minute, whatever it is. `sent` is called when the request is.
  Answer call(
      std::string_view method, const std::string& path, std::string body = {},
      std::function<void()> sent = [] {}) {
    Api api(daemon_->socket(), std::move(sent), [](const std::string& fault) {
      EXPECT_THAT(fault, Not(HasSubstr("within a minute")));
    });
    return api.call(method, path, {}, std::move(body));
  }
  Answer post(const std::string& path, std::string body = {}) {
    return call("POST", path, std::move(body));
  }
  void remove(const std::string& id) {
    std::ignore = call("DELETE", cat("/containers/", id, "?force=1"));
  }

  // The id of one that runs until it is stopped.
  std::string run(const std::string& name, const std::string& bind = "") {
    std::string id = create(name, bind);
    EXPECT_EQ(post(cat("/containers/", id, "/start")).status, 204);
    return id;
  }
  std::string create(const std::string& name, const std::string& bind) {
    std::string binds = bind.empty() ? "" : cat(R"(,"Binds":[")", bind, R"("])");
    Answer made = post(cat("/containers/create?name=", name),
                       cat(R"({"Image":"busybox","Cmd":["sleep","1000"],)",
                           R"("HostConfig":{"NetworkMode":"none")", binds, "}}"));
    EXPECT_EQ(made.status, 201) << made.body;
    auto document = oci::JsonDocument::parse(made.body);
    return std::string(document ? document->root().find("Id").as_string().value_or("") : "");
  }
  std::string phase(const std::string& ref) {
    auto document = oci::JsonDocument::parse(call("GET", cat("/containers/", ref, "/json")).body);
    if (!document) return "";
    return std::string(document->root().find("State").find("Status").as_string().value_or(""));
  }

  std::optional<Daemon> daemon_;
};

TEST_F(TroubleTest, ARowThatCannotBeReadHoldsUpNoOther) {
  std::string good = run("good");
  std::string bad = run("bad");
  EXPECT_EQ(daemon_->stop(), 0);
  auto set_row = [&](const char* change) {
    auto database = metadata::Database::open((daemon_->folder() / "root/dhow.db").string());
    ASSERT_TRUE(database.has_value());
    auto changed = (*database)->write([&](metadata::Transaction& transaction) -> Status {
      TRY(transaction.run(change, {bad}));
      return {};
    });
    ASSERT_TRUE(changed.has_value()) << changed.error().message();
  };
  set_row("UPDATE container SET state = '{\"phase\":' || state WHERE id = ?");
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(daemon_->log_end(), HasSubstr(cat("container ", bad, ": its row")));
  EXPECT_EQ(phase("good"), "running");
  EXPECT_EQ(call("GET", "/containers/bad/json").status, 404);
  EXPECT_EQ(post(cat("/containers/", good, "/stop?t=0")).status, 204);
  EXPECT_EQ(post("/containers/create?name=bad", R"({"Image":"busybox","Cmd":["true"]})").status,
            409);
  // All that it has is there, for when the row is mended.
  Truth truth = look_at(*daemon_);
  EXPECT_THAT(truth.folders, Contains(bad));
  EXPECT_THAT(truth.shims, Contains(bad));
  EXPECT_EQ(daemon_->stop(), 0);
  set_row("UPDATE container SET state = substr(state, 10) WHERE id = ?");
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(phase("bad"), "running");
}

TEST_F(TroubleTest, AShimThatHangsHoldsUpNoOther) {
  std::string stuck = run("stuck");
  std::string other = run("other");
  ASSERT_NE(signal_shim(stuck, SIGSTOP), 0);
  std::mutex mutex;
  std::vector<std::pair<std::string, Answer>> answers;
  std::vector<std::jthread> clients;
  auto ask = [&](const std::string& method, const std::string& what, const std::string& body) {
    clients.emplace_back([&, method, what, body] {
      Answer answer = call(method, cat("/containers/stuck/", what), body);
      std::lock_guard lock(mutex);
      answers.emplace_back(what, std::move(answer));
    });
  };
  ask("POST", "stop?t=0", "");
  ask("POST", "kill", "");
  ask("POST", "pause", "");
  ask("GET", "top", "");
  ask("GET", "stats?stream=0", "");
  ask("POST", "attach?stream=1&stdout=1", "");
  ask("POST", "resize?h=10&w=10", "");
  clients.emplace_back([&] {
    Answer made = post("/containers/stuck/exec", R"({"AttachStdout":true,"Cmd":["true"]})");
    auto document = oci::JsonDocument::parse(made.body);
    ASSERT_TRUE(document.has_value()) << made.body;
    std::string exec(document->root().find("Id").as_string().value_or(""));
    Answer answer = post(cat("/exec/", exec, "/start"), R"({"Detach":false})");
    std::lock_guard lock(mutex);
    answers.emplace_back("exec", std::move(answer));
  });
  // Meanwhile all the rest goes on.
  EXPECT_EQ(phase("stuck"), "running");
  Answer list = call("GET", "/containers/json");
  EXPECT_THAT(list.body, HasSubstr(stuck));
  EXPECT_EQ(post("/containers/other/stop?t=0").status, 204);
  EXPECT_EQ(post("/containers/other/start").status, 204);
  std::string third = run("third");
  EXPECT_EQ(phase("third"), "running");
  remove(third);
  {
    std::lock_guard lock(mutex);
    EXPECT_LT(answers.size(), clients.size()) << "nothing was stuck";
  }
  clients.clear();
  for (const auto& [what, answer] : answers) {
    EXPECT_TRUE(answer.came) << what;
    EXPECT_THAT(answer.body, HasSubstr("shim")) << what;
    // The streams of an exec have begun by then.
    if (what != "exec") {
      EXPECT_GE(answer.status, 400) << what;
    }
  }
  // It can be got rid of.
  EXPECT_EQ(call("DELETE", "/containers/stuck?force=1").status, 204);
  EXPECT_THAT(look_at(*daemon_).bundles, Not(Contains(stuck)));
  EXPECT_EQ(phase("other"), "running");
}

TEST_F(TroubleTest, AMountThatHangsHoldsUpNoOther) {
  std::string place = (daemon_->folder() / "silent").string();
  std::string bind = cat(place, ":/data");
  std::optional<SilentMount> silent(std::in_place, place);
  std::string stuck = run("stuck", bind);
  std::string other = run("other");
  create("late", bind);
  silent->fall_silent();
  constexpr int kLooks = 20;
  std::latch sent(kLooks + 3);
  std::atomic<int> answered = 0;
  std::vector<std::jthread> clients;
  auto ask = [&](const std::string& method, const std::string& path, const std::string& body) {
    clients.emplace_back([&, method, path, body] {
      std::ignore = call(method, path, body, [&] { sent.count_down(); });
      ++answered;
    });
  };
  // More than any fixed number of threads would do.
  for (int i = 0; i < kLooks; ++i) ask("GET", cat("/containers/stuck/archive?path=/data/", i), "");
  ask("PUT", "/containers/stuck/archive?path=/data", std::string(1024, '\0'));
  ask("POST", "/containers/late/start", "");
  ask("POST", "/containers/create?name=later",
      cat(R"({"Image":"busybox","HostConfig":{"Binds":[")", bind, R"("]}})"));
  sent.wait();
  EXPECT_TRUE(silent->await_request());
  // Meanwhile all the rest goes on, of that container, too.
  EXPECT_EQ(phase("stuck"), "running");
  EXPECT_THAT(call("GET", "/containers/json?size=1").body, HasSubstr(stuck));
  EXPECT_EQ(call("GET", "/containers/stuck/stats?stream=0&one-shot=1").status, 200);
  EXPECT_EQ(call("GET", "/containers/stuck/top").status, 200);
  EXPECT_EQ(call("GET", "/system/df").status, 200);
  EXPECT_EQ(post("/containers/other/stop?t=0").status, 204);
  EXPECT_EQ(post("/containers/other/start").status, 204);
  remove(run("third"));
  EXPECT_LE(answered, 1) << "who looks into it does not wait";
  // A new engine takes the container over without looking into it.
  daemon_->kill();
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(phase("stuck"), "running");
  EXPECT_EQ(post("/containers/stuck/kill").status, 204);
  remove(stuck);
  EXPECT_EQ(phase("other"), "running");
  silent.reset();
  clients.clear();
}

TEST_F(TroubleTest, AHandlerThatHangsDoesNotKeepTheDaemonFromEnding) {
  std::string stuck = run("stuck");
  ASSERT_NE(signal_shim(stuck, SIGSTOP), 0);
  std::latch sent(1);
  std::jthread client([&] {
    Api api(daemon_->socket(), [&] { sent.count_down(); }, [](const std::string&) {});
    std::ignore = api.post("/containers/stuck/update", {}, R"({"PidsLimit":50})");
  });
  sent.wait();
  EXPECT_EQ(phase("stuck"), "running");
  EXPECT_EQ(daemon_->stop(), 0);
  client.join();
  // One that starts takes it over as it is, and serves.
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(phase("stuck"), "running");
  run("other");
  ASSERT_NE(signal_shim(stuck, SIGCONT), 0);
  EXPECT_EQ(post("/containers/stuck/stop?t=0").status, 204);
}

}  // namespace
}  // namespace dhow::crash_test
