// SPDX-License-Identifier: Apache-2.0
// checkpoint and restore, with the criu of the machine: what fails, and what an image holds. Where
// criu can't work (a kernel that is too new for it, no root), only the ways to fail are tested.
#include "e2e/support/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

using CheckpointRefusal = Checkpoint;

TEST_F(CheckpointRefusal, NoSuchContainerOrImage) {
  Container container(bundle_);
  Outcome missing = save(container);
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("container does not exist"));
  bundle_.write();
  Outcome no_image = bring_back(container);
  EXPECT_EQ(no_image.code, 1);
  EXPECT_THAT(no_image.err, HasSubstr("image path: open \\\"" + image() + "\\\": no such file"));
}

TEST_F(CheckpointRefusal, NotRunning) {
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Outcome created = save(container);
  EXPECT_EQ(created.code, 1);
  EXPECT_THAT(created.err, HasSubstr("cannot checkpoint a container in the created state"));
  ASSERT_EQ(container.call("kill", {}, {"KILL"}).code, 0);
  ASSERT_TRUE(container.wait_for_status("stopped"));
  EXPECT_THAT(save(container).err, HasSubstr("container not running"));
}

TEST_F(CheckpointRefusal, WithoutCriu) {
  Container container(bundle_);
  start_counting(container, 1);
  CommandOptions nothing_there;
  nothing_there.environment = {{"PATH", folder_.path()}};
  Outcome outcome = container.call("checkpoint", {"--image-path", image()}, {}, nothing_there);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("criu: executable file not found in $PATH"));
  expect_count(container, output(), 2);
}

TEST_F(CheckpointRefusal, WrongValues) {
  Container container(bundle_);
  start_counting(container, 0);
  EXPECT_THAT(save(container, {"--empty-ns", "mount"}).err,
              HasSubstr("namespace \\\"mount\\\" is not supported"));
  EXPECT_THAT(save(container, {"--network-lock", "door"}).err,
              HasSubstr("invalid network-lock \\\"door\\\""));
  EXPECT_THAT(save(container, {"--status-fd", "99"}).err, HasSubstr("status-fd 99: bad file"));
  EXPECT_THAT(save(container, {"--parent-path", "../none"}).err,
              HasSubstr("parent path: open \\\"../none\\\": no such file"));
  expect_count(container, output(), 1);
}

// No Landlock policy can be read back from the kernel, so none is in the image.
TEST_F(CheckpointRefusal, OfALandlockPolicy) {
  bundle_.config()["annotations"] =
      json::object{{"dhow.landlock", R"({"paths":[{"paths":["/"],"access":["rw","exec"]}]})"}};
  Container container(bundle_);
  Outcome created = container.create();
  DHOW_NEEDS(created.code == 0, "no Landlock here: " << created.err);
  ASSERT_EQ(container.start().code, 0);
  EXPECT_THAT(save(container).err, HasSubstr("Landlock policy"));
  std::filesystem::create_directory(image());
  Container other(bundle_);
  EXPECT_THAT(bring_back(other).err, HasSubstr("Landlock policy"));
}

// Here criu is there and can't do it: its own reason is what counts.
TEST_F(CheckpointRefusal, ShowsCriusReason) {
  DHOW_NEEDS(is_root() && has_command("criu"), "needs root and criu");
  DHOW_NEEDS(!criu_complaint().empty(), "criu works here: other tests look at its failures");
  Container container(bundle_);
  start_counting(container, 1);
  Outcome dumped = save(container);
  EXPECT_EQ(dumped.code, 1);
  EXPECT_THAT(dumped.err, HasSubstr("criu dump failed: Error (criu/"));
  EXPECT_THAT(dumped.err, HasSubstr("log file: " + image() + "/dump.log"));
  expect_count(container, output(), 2);
  Container other(bundle_);
  Outcome restored = bring_back(other, {"--work-path", folder_.path() + "/logs"});
  EXPECT_EQ(restored.code, 1);
  EXPECT_THAT(restored.err, HasSubstr("criu restore failed: Error (criu/"));
  EXPECT_THAT(restored.err, HasSubstr("log file: " + folder_.path() + "/logs/restore.log"));
  EXPECT_EQ(other.state(), nullptr);
}

TEST_F(Checkpoint, MemorySurvives) {
  NEEDS_CRIU();
  bundle_.resources()["pids"] = json::object{{"limit", 77}};
  Container container(bundle_);
  start_counting(container, 3);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(container.state(), nullptr) << "it is still there";
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());

  std::string pid_file = folder_.path() + "/pid";
  Outcome restored = bring_back(container, {"--pid-file", pid_file});
  ASSERT_EQ(restored.code, 0) << restored.err;
  EXPECT_EQ(container.status(), "running");
  EXPECT_EQ(read_text(pid_file), std::to_string(container.pid()));
  expect_count(container, restored_output(), 4);
  EXPECT_THAT(read_text(output()), Not(HasSubstr("count 4")));
  auto folders = cgroup_folders_with(container.id());
  ASSERT_FALSE(folders.empty());
  EXPECT_TRUE(std::ranges::any_of(folders, [](const std::string& folder) {
    return read_text(folder + "/pids.max") == "77\n";
  }));
  EXPECT_EQ(container.exec({"/bin/true"}).code, 0);
  ASSERT_EQ(container.call("kill", {}, {"TERM"}).code, 0);
  EXPECT_TRUE(container.wait_for_status("stopped"));
}

// criu takes mounts with the same options for copies of one another and forgets the options of the
// copies: two read-only volumes must both come back read-only, and masks must not be writable.
TEST_F(Checkpoint, MountsKeepTheirOptions) {
  NEEDS_CRIU();
  TempDir volume;
  std::string first = volume.path() + "/1", second = volume.path() + "/2";
  for (const std::string& folder : {first, second}) std::filesystem::create_directory(folder);
  write_text(first + "/file", "first");
  bundle_.add_mount("/one", "bind", first, "rbind,ro");
  bundle_.add_mount("/two", "bind", second, "rbind,ro");
  bundle_.add_mount("/open", "bind", volume.path(), "rbind,rw");
  Container container(bundle_);
  start_counting(container, 1);
  ASSERT_EQ(save(container).code, 0);
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 2);
  EXPECT_EQ(container.exec({"/bin/cat", "/one/file"}).out, "first");
  EXPECT_THAT(container.exec({"/bin/touch", "/one/x"}).err, HasSubstr("Read-only"));
  EXPECT_THAT(container.exec({"/bin/touch", "/two/x"}).err, HasSubstr("Read-only"));
  EXPECT_EQ(container.exec({"/bin/touch", "/open/x"}).code, 0);
  EXPECT_TRUE(exists(volume.path() + "/x"));
  for (const char* masked : {"/proc/kcore", "/proc/keys", "/proc/timer_list"}) {
    Outcome changed = container.exec({"/bin/chmod", "0600", masked});
    EXPECT_THAT(changed.err, HasSubstr("Read-only")) << masked;
  }
}

TEST_F(Checkpoint, LeaveRunningAndASecondId) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 2);
  Outcome saved = save(container, {"--leave-running", "--work-path", folder_.path() + "/logs"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_TRUE(exists(folder_.path() + "/logs/dump.log"));
  EXPECT_EQ(container.status(), "running");
  expect_count(container, output(), 3);
  Container second(bundle_);
  Outcome restored = bring_back(second);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(second, restored_output(), 3);
  expect_count(container, output(), 4);
  for (const Container* each : {&container, &second}) {
    json::value pids = json::parse(each->call("ps", {"--format", "json"}).out);
    EXPECT_EQ(pids, json::array{each->pid()}) << "each has a cgroup of its own";
  }
}

// Each image holds only what changed since the one before.
TEST_F(Checkpoint, PreDumpAndParent) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 1);
  Outcome early =
      container.call("checkpoint", {"--pre-dump", "--image-path", folder_.path() + "/early"});
  ASSERT_EQ(early.code, 0) << early.err;
  EXPECT_EQ(container.status(), "running");
  EXPECT_FALSE(exists(folder_.path() + "/early/core-1.img"));
  expect_count(container, output(), 2);
  Outcome saved = save(container, {"--parent-path", "../early"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_TRUE(exists(image() + "/parent"));
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 3);
}

TEST_F(Checkpoint, OfAPausedContainer) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 1);
  ASSERT_EQ(container.call("pause").code, 0);
  Outcome saved = save(container, {"--leave-running"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(container.status(), "paused");
  saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(container.state(), nullptr);
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  EXPECT_EQ(container.status(), "running");
  expect_count(container, restored_output(), 2);
}

TEST_F(Checkpoint, InAUserNamespace) {
  NEEDS_CRIU();
  bundle_.use_user_namespace(100000);
  Container container(bundle_);
  start_counting(container, 1);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 2);
  EXPECT_THAT(read_text("/proc/" + std::to_string(container.pid()) + "/uid_map"),
              HasSubstr("100000"));
  EXPECT_THAT(container.exec({"/bin/chmod", "0600", "/proc/keys"}).err, HasSubstr("chmod"));
}

// Locks make a dump fail unless they are asked for, and a failed dump changes nothing.
TEST_F(Checkpoint, FileLocks) {
  NEEDS_CRIU();
  bundle_.set_args({"/bin/testbox", "counter", "lock", "/tmp/lock"});
  Container container(bundle_);
  start_counting(container, 1);
  Outcome refused = save(container);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("criu dump failed: Error (criu/"));
  EXPECT_THAT(refused.err, HasSubstr("locks"));
  EXPECT_THAT(refused.err, HasSubstr("log file: " + image() + "/dump.log"));
  expect_count(container, output(), 2);
  Outcome saved = save(container, {"--file-locks"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container, {"--file-locks"});
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 3);
  EXPECT_EQ(container.exec({"/bin/testbox", "trylock", "/tmp/lock"}).code, 1);
}

}  // namespace
}  // namespace dhow::e2e
