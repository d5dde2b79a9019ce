// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "engine/testing/containers_fixture.h"
#include "oci/config_codec.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ContainersTest, LiveFromCreateToRemove) {
  std::string id = create(R"({"Image": "busybox", "Cmd": ["true"], "Labels": {"a": "b"}})", "boat");
  EXPECT_EQ(containers_->find("boat").value(), id);
  EXPECT_EQ(containers_->find("/boat").value(), id);
  EXPECT_EQ(containers_->find(id.substr(0, 7)).value(), id);
  EXPECT_EQ(state(id).phase, Phase::kCreated);
  start(id);
  EXPECT_EQ(state(id).phase, Phase::kRunning);
  EXPECT_NE(state(id).pid, 0);
  EXPECT_EQ(containers_->start(id).value(), true);
  EXPECT_EQ(end(id, [&] { shims_.end(id, 3); }), 3);
  EXPECT_EQ(state(id).phase, Phase::kExited);
  EXPECT_EQ(state(id).exit_code, 3);
  EXPECT_FALSE(shims_.has(id));
  EXPECT_EQ(containers_->stop(id).value(), true);
  start(id);
  auto refused = containers_->remove(id);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("stop the container before removing"));
  ASSERT_TRUE(containers_->remove(id, {.force = true, .volumes = false}));
  auto gone = containers_->inspect(id);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().message(), "No such container: " + id);
  EXPECT_EQ(shims_.size(), 0U);
  EXPECT_FALSE(fs::exists(options_.root + "/containers/" + id));
  EXPECT_FALSE(snapshots_->stat("container/" + id).has_value());
  EXPECT_THAT(actions(), ElementsAre("create", "start", "die", "start", "kill", "die", "destroy"));
  EXPECT_EQ(number("SELECT count(*) FROM lease WHERE id LIKE 'container/%'"), 0);
}

TEST_F(ContainersTest, TakeTheImagesConfiguration) {
  std::string id = create(R"({"Image": "hello"})");
  auto inspection = containers_->inspect(id);
  ASSERT_TRUE(inspection.has_value());
  EXPECT_EQ(inspection->path, "/hello");
  EXPECT_THAT(inspection->image_id, ::testing::StartsWith("sha256:"));
  EXPECT_EQ(inspection->config.config.hostname, id.substr(0, 12));
  EXPECT_EQ(inspection->config.host.runtime, "dhow");
  start(id);
  auto config = oci::parse_config(shims_.get(id).config);
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_THAT(config->process->args, ElementsAre("/hello"));
  EXPECT_EQ(config->linux.cgroups_path, "/docker/" + id);
}

TEST_F(ContainersTest, RefuseInDockersWords) {
  create(R"({"Image": "busybox"})", "boat");
  for (auto [json, name, code, words] :
       std::initializer_list<std::tuple<const char*, const char*, Code, const char*>>{
           {R"({"Image": "none"})", "", Code::kNotFound, "No such image: none:latest"},
           {R"({"Image": "busybox"})", "boat", Code::kAlreadyExists,
            "Conflict. The container name \"/boat\" is already in use by container"},
           {R"({"Image": "busybox"})", "b t", Code::kInvalidArgument,
            "Invalid container name (b t)"},
           {R"({"Image": "busybox", "HostConfig": {"NetworkMode": "nets"}})", "", Code::kNotFound,
            "network nets not found"},
           {R"({"Image": "busybox", "HostConfig": {"Runtime": "fun"}})", "", Code::kInvalidArgument,
            "unknown or invalid runtime name: fun"},
           // Not "not found", which the command line takes to be said of the image.
           {R"({"Image": "busybox", "HostConfig": {"NetworkMode": "container:x"}})", "",
            Code::kInvalidArgument, "No such container: x"}}) {
    auto made = try_create(json, name);
    ASSERT_FALSE(made.has_value()) << json;
    EXPECT_EQ(made.error().code(), code) << made.error().message();
    EXPECT_THAT(made.error().message(), HasSubstr(words));
  }
  EXPECT_THAT(*containers_->list({.all = true, .filters = {}}), SizeIs(1));
  EXPECT_EQ(number("SELECT count(*) FROM snapshot WHERE name LIKE 'container/%'"), 1);
}

TEST_F(ContainersTest, TellOfAStartThatFails) {
  std::string id = create(R"({"Image": "busybox", "Cmd": ["nope"]})");
  shims_.create_fault = "exec: \"nope\": executable file not found in $PATH";
  auto started = containers_->start(id);
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message(),
              HasSubstr("failed to create task for container: failed to create shim task: OCI "
                        "runtime create failed: exec: \"nope\": executable file not found"));
  EXPECT_EQ(started.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(state(id).exit_code, 127);
  EXPECT_EQ(state(id).phase, Phase::kCreated);
  start(id);
  EXPECT_EQ(state(id).error, "");
}

TEST_F(ContainersTest, RestartAsThePolicySays) {
  std::string always =
      create(R"({"Image": "busybox", "HostConfig": {"RestartPolicy": {"Name": "always"}}})");
  start(always);
  EXPECT_EQ(end(always, [&] { shims_.end(always, 0); }), 0);
  wait_event("start", 2);
  EXPECT_EQ(containers_->inspect(always)->restart_count, 1);
  ASSERT_TRUE(containers_->stop(always));
  EXPECT_EQ(state(always).phase, Phase::kExited);
  EXPECT_EQ(shims_.made(), 2);

  std::string twice = create(
      R"({"Image": "busybox",
          "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}}})");
  start(twice);
  end(twice, [&] { shims_.end(twice, 7); });
  wait_event("start", 4);
  end(twice, [&] { shims_.end(twice, 7); });
  EXPECT_EQ(state(twice).phase, Phase::kExited);
  EXPECT_EQ(shims_.made(), 4);
}

TEST_F(ContainersTest, AreStoppedBySignals) {
  std::string id = create(R"({"Image": "busybox", "StopTimeout": 0})");
  start(id);
  shims_.obeys_term = false;
  EXPECT_EQ(containers_->stop(id).value(), false);
  EXPECT_EQ(state(id).exit_code, 137);
  shims_.obeys_term = true;
  start(id);
  EXPECT_EQ(containers_->stop(id).value(), false);
  EXPECT_EQ(state(id).exit_code, 143);
  auto killed = containers_->kill(id, "HUP");
  ASSERT_FALSE(killed.has_value());
  EXPECT_EQ(killed.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(killed.error().message(), HasSubstr("is not running"));
  EXPECT_FALSE(containers_->kill(id, "FUN").has_value());
  start(id);
  ASSERT_TRUE(containers_->kill(id, "USR1"));
  EXPECT_THAT(shims_.get(id).signals, ElementsAre(SIGUSR1));
  ASSERT_TRUE(containers_->pause(id));
  EXPECT_EQ(state(id).phase, Phase::kPaused);
  EXPECT_FALSE(containers_->pause(id).has_value());
  ASSERT_TRUE(containers_->unpause(id));
  ASSERT_TRUE(containers_->restart(id, {}));
  EXPECT_EQ(state(id).phase, Phase::kRunning);
}

TEST_F(ContainersTest, GoByThemselvesWithRm) {
  std::string id = create(R"({"Image": "busybox", "HostConfig": {"AutoRemove": true}})");
  start(id);
  EXPECT_EQ(when(id, WaitCondition::kRemoved, [&] { shims_.end(id, 5); }), 5);
  EXPECT_FALSE(containers_->find(id).has_value());
  id = create(R"({"Image": "busybox", "HostConfig": {"AutoRemove": true}})");
  start(id);
  ASSERT_TRUE(containers_->restart(id, {}));
  EXPECT_EQ(state(id).phase, Phase::kRunning);
}

TEST_F(ContainersTest, AreTakenOverByTheNextEngine) {
  std::string runs = create(R"({"Image": "busybox"})", "runs");
  std::string ends = create(R"({"Image": "busybox"})", "ends");
  std::string lost = create(R"({"Image": "busybox"})", "lost");
  std::string idle = create(R"({"Image": "busybox"})", "idle");
  std::string again =
      create(R"({"Image": "busybox", "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}}})",
             "again");
  for (const std::string& id : {runs, ends, lost, again}) start(id);
  containers_.reset();
  shims_.end(ends, 9);
  shims_.lose(lost);
  shims_.end(again, 0);
  open();
  EXPECT_EQ(state(runs).phase, Phase::kRunning);
  EXPECT_EQ(containers_->wait(ends, WaitCondition::kNotRunning, {})->exit_code, 9);
  EXPECT_EQ(state(lost).exit_code, 137);
  EXPECT_EQ(state(idle).phase, Phase::kCreated);
  wait_event("start", 5);
  EXPECT_EQ(containers_
                ->wait(runs, WaitCondition::kNextExit,
                       [] {
                         std::stop_source stop;
                         stop.request_stop();
                         return stop.get_token();
                       }())
                .error()
                .code(),
            Code::kCancelled);
  EXPECT_EQ(end(runs, [&] { shims_.end(runs, 0); }), 0);
}

// The row has the end before the shim forgets it: a death in between loses no exit code.
TEST_F(ContainersTest, KeepAnExitCodeWhoseTaskIsStillThere) {
  std::string id = create(R"({"Image": "busybox"})");
  start(id);
  containers_.reset();
  shims_.end(id, 4);
  run({"UPDATE container SET state = '{\"phase\":\"exited\",\"code\":4,\"finished\":1}'"});
  open();
  EXPECT_EQ(state(id).phase, Phase::kExited);
  EXPECT_EQ(state(id).exit_code, 4);
  EXPECT_FALSE(shims_.has(id));
}

// A death while it is cleaned up leaves a process that was killed: nobody may take that for its
// end.
TEST_F(ContainersTest, HaveNoTaskInTheRowBeforeOneThatNeverRanIsKilled) {
  std::string id = create(R"({"Image": "busybox"})");
  start(id);
  containers_.reset();
  shims_.make_unstarted(id);
  run({"UPDATE container SET state = '{\"phase\":\"created\",\"task\":true}'"});
  std::int64_t with_task = -1;
  shims_.on_cleanup = [&] {
    with_task = number("SELECT count(*) FROM container WHERE state LIKE '%\"task\":true%'");
  };
  open();
  EXPECT_EQ(with_task, 0);
  EXPECT_FALSE(shims_.has(id));
  EXPECT_EQ(state(id).phase, Phase::kCreated);
  EXPECT_EQ(state(id).exit_code, 0);
}

TEST_F(ContainersTest, LeaveNothingOfACreateThatDied) {
  // What a death between the steps of a create leaves.
  snapshot::NewSnapshot stray;
  stray.key = "container/" + std::string(64, 'a');
  ASSERT_TRUE(snapshots_->prepare(stray).has_value());
  fs::create_directories(options_.root + "/containers/" + std::string(64, 'a'));
  open();
  EXPECT_FALSE(snapshots_->stat(stray.key).has_value());
  EXPECT_TRUE(fs::is_empty(options_.root + "/containers"));
}

TEST_F(ContainersTest, AreListedByFilters) {
  std::string first = create(R"({"Image": "busybox", "Labels": {"colour": "red"}})", "first");
  std::string second = create(R"({"Image": "hello"})", "second");
  start(first);
  auto names = [&](const ListOptions& options) {
    std::vector<std::string> result;
    auto list = containers_->list(options);
    EXPECT_TRUE(list.has_value()) << list.error().message();
    if (list) {
      for (const ContainerSummary& one : *list) result.push_back(one.name);
    }
    return result;
  };
  auto with = [&](const std::string& key, const std::string& value) {
    return names({.all = true, .filters = {{key, {value}}}});
  };
  EXPECT_THAT(names({.filters = {}}), ElementsAre("first"));
  EXPECT_THAT(names({.all = true, .filters = {}}), ElementsAre("second", "first"));
  EXPECT_THAT(names({.limit = 1, .filters = {}}), ElementsAre("second"));
  EXPECT_THAT(with("label", "colour"), ElementsAre("first"));
  EXPECT_THAT(with("label", "colour=blue"), IsEmpty());
  EXPECT_THAT(with("name", "^/sec"), ElementsAre("second"));
  EXPECT_THAT(with("id", first.substr(0, 5)), ElementsAre("first"));
  EXPECT_THAT(with("ancestor", "hello"), ElementsAre("second"));
  EXPECT_THAT(with("before", "second"), ElementsAre("first"));
  EXPECT_THAT(with("status", "created"), ElementsAre("second"));
  auto wrong = containers_->list({.filters = {{"colour", {"red"}}}});
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message(), "invalid filter 'colour'");
  auto list = containers_->list({.filters = {}});
  EXPECT_THAT(list->front().status, HasSubstr("Up "));
  EXPECT_EQ(list->front().image, "busybox");
  auto pruned = containers_->prune({});
  ASSERT_TRUE(pruned.has_value());
  EXPECT_THAT(pruned->removed, ElementsAre(second));
  ASSERT_TRUE(containers_->rename("first", "third"));
  EXPECT_EQ(containers_->find("third").value(), first);
  EXPECT_FALSE(containers_->find("first").has_value());
}

TEST_F(ContainersTest, GiveAndTakeFilesWhileStopped) {
  std::string id = create(R"({"Image": "busybox"})");
  auto stat = containers_->stat_path(id, "/etc/passwd");
  ASSERT_TRUE(stat.has_value()) << stat.error().message();
  EXPECT_EQ(stat->name, "passwd");
  auto none = containers_->stat_path(id, "/etc/none");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().message(), "Could not find the file /etc/none in container " + id);
  EXPECT_THAT(*containers_->changes(id), IsEmpty());
}

}  // namespace
}  // namespace dhow::engine
