// SPDX-License-Identifier: Apache-2.0
// Containers of an ordinary user: with its own id alone or with subordinate ids, with and without a
// delegated cgroup.
#include "e2e/support/rootless.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

#define NEEDS_NO_REASON(expression)                                        \
  do {                                                                     \
    if (std::string why = (expression); !why.empty()) GTEST_SKIP() << why; \
  } while (false)

TEST(Rootless, TheBundleOfSpecRuns) {
  Bundle bundle;
  bundle.set_script("id -u; hostname; echo made >/file; exit 7");
  make_rootless(bundle);
  RootlessContainer container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_EQ(outcome.out, "0\ndhow\n");
  struct stat info{};
  ASSERT_EQ(::stat((bundle.rootfs() + "/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, ordinary_user());
}

TEST(Rootless, OneIdNeedsNoHelper) {
  Bundle bundle;
  bundle.set_script("cat /proc/self/uid_map /proc/self/setgroups");
  make_rootless(bundle);
  RootlessContainer container(bundle);
  Outcome outcome = container.run({{"PATH", "/nonexistent"}});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(std::to_string(ordinary_user()) + "          1\ndeny\n"));
}

TEST(Rootless, SubordinateIdsAreMapped) {
  Bundle bundle;
  bundle.set_script("id -u; id -g; touch /tmp/file; cat /proc/self/uid_map");
  make_rootless(bundle);
  bundle.process()["user"] = {{"uid", 5}, {"gid", 6}};
  RootlessContainer container(bundle);
  NEEDS_NO_REASON(container.use_subordinate_ids());
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::StartsWith("5\n6\n"));
  EXPECT_THAT(outcome.out, HasSubstr("1     100000      65536\n"));
  struct stat info{};
  ASSERT_EQ(::stat((bundle.rootfs() + "/tmp/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 100004U);
  EXPECT_EQ(info.st_gid, 100005U);
  ::unlink((bundle.rootfs() + "/tmp/file").c_str());
}

TEST(Rootless, OtherIdsNeedTheHelper) {
  Bundle bundle;
  make_rootless(bundle);
  bundle.linux()["gidMappings"].as_array()[0].as_object()["hostID"] = 12345;
  RootlessContainer container(bundle);
  Outcome outcome = container.run({{"PATH", "/nonexistent"}});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("newgidmap"));
}

TEST(Rootless, LivesFromCreateToDelete) {
  Bundle bundle({"/bin/testbox", "wait"});
  make_rootless(bundle);
  RootlessContainer container(bundle);
  Outcome started = container.start();
  ASSERT_EQ(started.code, 0) << started.err;
  EXPECT_EQ(container.status(), "running");
  Outcome outcome = container.call("exec", {}, {"/bin/sh", "-c", "id -u; hostname; exit 3"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_EQ(outcome.out, "0\ndhow\n");
  outcome = container.call("delete");
  EXPECT_EQ(outcome.code, 1);
  outcome = container.call("kill", {}, {"KILL"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(eventually([&] { return container.status() == "stopped"; }));
  outcome = container.call("delete");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "");
}

TEST(Rootless, ExecWorksWithSubordinateIds) {
  Bundle bundle({"/bin/testbox", "wait"});
  make_rootless(bundle);
  RootlessContainer container(bundle);
  NEEDS_NO_REASON(container.use_subordinate_ids());
  Outcome started = container.start();
  ASSERT_EQ(started.code, 0) << started.err;
  Outcome outcome = container.call("exec", {"--user", "7:8"}, {"/bin/sh", "-c", "id -u; id -g"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "7\n8\n");
}

TEST(Rootless, PausesInADelegatedCgroup) {
  Bundle bundle({"/bin/testbox", "wait"});
  make_rootless(bundle);
  RootlessContainer container(bundle);
  NEEDS_NO_REASON(container.delegate());
  Outcome started = container.start();
  ASSERT_EQ(started.code, 0) << started.err;
  Outcome outcome = container.call("pause");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "paused");
  outcome = container.call("resume");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "running");
  outcome = container.call("exec", {}, {"/bin/true"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Rootless, LimitsHoldInADelegatedCgroup) {
  Bundle bundle({"/bin/testbox", "wait"});
  make_rootless(bundle);
  bundle.linux()["resources"] = {{"pids", {{"limit", 40}}}};
  RootlessContainer container(bundle);
  NEEDS_NO_REASON(container.delegate());
  Outcome started = container.start();
  ASSERT_EQ(started.code, 0) << started.err;
  auto limit = [&] {
    for (const std::string& folder : cgroup_folders_with(container.id())) {
      if (folder.ends_with("/" + container.id()) && exists(folder + "/pids.max")) {
        return read_text(folder + "/pids.max");
      }
    }
    return std::string("no pids.max");
  };
  EXPECT_EQ(limit(), "40\n");
  Outcome updated = container.call("update", {"--pids-limit", "30"});
  EXPECT_EQ(updated.code, 0) << updated.err;
  EXPECT_EQ(limit(), "30\n");
}

// runc's words for each version of cgroups.
TEST(Rootless, LimitsWithoutPermissionAreRefused) {
  Bundle bundle;
  make_rootless(bundle);
  bundle.linux()["resources"] = {{"pids", {{"limit", 40}}}};
  if (unified_cgroups()) bundle.linux()["cgroupsPath"] = "/dhow-e2e-of-root";
  RootlessContainer container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err,
              HasSubstr(unified_cgroups()
                            ? "rootless needs no limits + no cgrouppath when no permission is "
                              "granted for cgroups"
                            : "cannot set pids limit: container could not join or create cgroup"));
}

TEST(Rootless, PauseWithoutACgroupSaysSo) {
  if (!is_root()) GTEST_SKIP() << "this user may have a cgroup; tested where root drops to nobody";
  Bundle bundle({"/bin/testbox", "wait"});
  make_rootless(bundle);
  RootlessContainer container(bundle);
  Outcome started = container.start();
  ASSERT_EQ(started.code, 0) << started.err;
  Outcome outcome = container.call("pause");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cgroup"));
  EXPECT_EQ(container.status(), "running");
}

}  // namespace
}  // namespace dhow::e2e
