// SPDX-License-Identifier: Apache-2.0
// Hooks: where they run, what they get, and what their failures do.
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

class HooksTest : public testing::Test {
 protected:
  std::string log() const { return bundle_.path() + "/hooks.log"; }
  // Appends "KIND STATE" in the runtime's namespaces.
  void add_logger(const std::string& kind) {
    bundle_.add_hook(kind,
                     {"/bin/sh", "-c", "read -r state; echo " + kind + " $state >> " + log()});
  }
  // What the hook of this kind read.
  json::object state_for(const std::string& kind) {
    std::string text = read_text(log());
    std::size_t at = text.find(kind + " {");
    if (at == std::string::npos) return {};
    at += kind.size() + 1;
    return json::parse(text.substr(at, text.find('\n', at) - at)).as_object();
  }
  json::object& hook(const char* kind) {
    return bundle_.config()["hooks"].at(kind).as_array()[0].as_object();
  }
  Bundle bundle_{{"/bin/testbox", "wait"}};
};

TEST_F(HooksTest, GetTheStateOfTheirMoment) {
  bundle_.config()["annotations"] = json::object{{"key", "value"}};
  for (const char* kind :
       {"prestart", "createRuntime", "createContainer", "poststart", "poststop"}) {
    add_logger(kind);
  }
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  json::object created = state_for("createRuntime");
  EXPECT_EQ(text_of(created["id"]), container.id());
  EXPECT_EQ(text_of(created["bundle"]), bundle_.path());
  EXPECT_EQ(created["pid"], container.pid());
  EXPECT_EQ(created["status"], "creating");
  EXPECT_EQ(created["annotations"].at("key"), "value");
  EXPECT_EQ(state_for("prestart")["status"], "creating");
  EXPECT_EQ(state_for("createContainer")["status"], "creating");
  EXPECT_THAT(read_text(log()), Not(HasSubstr("poststart")));
  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(state_for("poststart")["status"], "running");
  EXPECT_THAT(read_text(log()), Not(HasSubstr("poststop")));
  ASSERT_EQ(container.remove().code, 0);
  EXPECT_EQ(state_for("poststop")["status"], "stopped");
}

TEST_F(HooksTest, RunInTheirNamespaces) {
  std::string runtime_log = bundle_.path() + "/runtime";
  bundle_.add_hook("createRuntime",
                   {"/bin/sh", "-c", "readlink /proc/self/ns/mnt > " + runtime_log});
  // Before the change of the root: the host's paths, but the container's mounts and other spaces.
  bundle_.add_hook("createContainer", {"/bin/sh", "-c",
                                       "readlink /proc/self/ns/uts > " + bundle_.path() +
                                           "/container; "
                                           "test -d " +
                                           bundle_.rootfs() + "/dev/shm && echo mounts >> " +
                                           bundle_.path() + "/container"});
  bundle_.add_hook("startContainer", {"/bin/sh", "-c", "echo $PWD $0 $HOOKED > /started", "name"});
  bundle_.process()["env"].as_array().emplace_back("HOOKED=inherited");
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  EXPECT_FALSE(exists(bundle_.rootfs() + "/started"));
  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(read_text(bundle_.rootfs() + "/started"), "/ name inherited\n");
  std::string own(64, '\0');
  ssize_t size = ::readlink("/proc/self/ns/mnt", own.data(), own.size());
  own.resize(static_cast<std::size_t>(size));
  EXPECT_EQ(read_text(runtime_log), own + "\n");
  std::string pid = std::to_string(container.pid());
  std::string uts(64, '\0');
  size = ::readlink(("/proc/" + pid + "/ns/uts").c_str(), uts.data(), uts.size());
  uts.resize(static_cast<std::size_t>(size));
  EXPECT_EQ(read_text(bundle_.path() + "/container"), uts + "\nmounts\n");
}

TEST_F(HooksTest, HaveTheirOwnArgumentsAndEnvironmentAlone) {
  std::string out = bundle_.path() + "/env";
  bundle_.add_hook("createRuntime",
                   {"/bin/sh", "-c", "echo $0 $A ${SECRET-unset} > " + out, "zero"});
  hook("createRuntime")["args"].as_array()[0] = "not-the-path";
  hook("createRuntime")["env"] = json::array{"A=1"};
  CommandOptions options;
  options.environment = {{"SECRET", "of the caller"}};
  Container container(bundle_);
  ASSERT_EQ(container.create({}, options).code, 0);
  EXPECT_EQ(read_text(out), "zero 1 unset\n");
}

TEST_F(HooksTest, SeveralRunInOrder) {
  for (const char* name : {"a", "b", "c"}) {
    bundle_.add_hook("createRuntime",
                     {"/bin/sh", "-c", std::string("echo ") + name + " >> " + log()});
  }
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  EXPECT_EQ(read_text(log()), "a\nb\nc\n");
}

TEST_F(HooksTest, FailuresBeforeTheStartUndoTheCreate) {
  for (const char* kind : {"prestart", "createRuntime", "createContainer"}) {
    bundle_.config().erase("hooks");
    bundle_.add_hook(kind, {"/bin/sh", "-c", "echo why >&2; exit 4"});
    add_logger("poststop");
    Container container(bundle_);
    Outcome outcome = container.create();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("error running " + std::string(kind) +
                                       " hook #0: exit status 4, stdout: , stderr: why"));
    EXPECT_FALSE(exists(container.state_dir()));
    EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
  }
}

TEST_F(HooksTest, FailureOfStartContainerFailsTheStart) {
  bundle_.add_hook("startContainer", {"/bin/sh", "-c", "exit 5"});
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Outcome outcome = container.start();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("error running startContainer hook #0: exit status 5"));
  EXPECT_TRUE(container.wait_for_status("stopped"));
}

TEST_F(HooksTest, FailureOfPoststartFailsTheOperationAndEndsTheContainer) {
  bundle_.add_hook("poststart", {"/bin/sh", "-c", "exit 6"});
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Outcome outcome = container.start();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("error running poststart hook #0: exit status 6"));
  EXPECT_TRUE(container.wait_for_status("stopped"));
  Container ran(bundle_);
  EXPECT_EQ(ran.run({"--detach"}).code, 1);
  EXPECT_FALSE(exists(ran.state_dir()));
}

TEST_F(HooksTest, FailureOfPoststopIsAWarning) {
  bundle_.add_hook("poststop", {"/bin/sh", "-c", "exit 7"});
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Outcome outcome = container.remove();
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("level=warning"));
  EXPECT_THAT(outcome.err, HasSubstr("error running poststop hook #0: exit status 7"));
  EXPECT_FALSE(exists(container.state_dir()));
}

TEST_F(HooksTest, TimeoutsAndPathsAreChecked) {
  bundle_.add_hook("createRuntime", {"/bin/sh", "-c", "true"});
  hook("createRuntime")["timeout"] = 0;
  Container container(bundle_);
  EXPECT_THAT(container.create().err, HasSubstr("$.hooks.createRuntime[0].timeout"));
  hook("createRuntime").erase("timeout");
  hook("createRuntime")["path"] = "bin/sh";
  EXPECT_THAT(container.create().err, HasSubstr("$.hooks.createRuntime[0].path"));
  hook("createRuntime")["path"] = "/no/such/hook";
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("error running createRuntime hook #0"));
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/hook"));
}

TEST_F(HooksTest, TimeoutsOfSlowHooksNameTheTime) {
  bundle_.add_hook("createContainer", {"/bin/sleep", "600"});
  hook("createContainer")["timeout"] = 1;
  Container container(bundle_);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("hook ran past timeout of 1"));
}

// Annotations of crun.
TEST_F(HooksTest, OutputMayGoToFiles) {
  bundle_.config()["annotations"] = json::object{{"run.oci.hooks.stdout", bundle_.path() + "/o"},
                                                 {"run.oci.hooks.stderr", bundle_.path() + "/e"}};
  bundle_.add_hook("createRuntime", {"/bin/sh", "-c", "echo to-out; echo to-err >&2"});
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  EXPECT_EQ(read_text(bundle_.path() + "/o"), "to-out\n");
  EXPECT_EQ(read_text(bundle_.path() + "/e"), "to-err\n");
}

}  // namespace
}  // namespace dhow::e2e
