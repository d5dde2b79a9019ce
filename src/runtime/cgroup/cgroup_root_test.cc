// SPDX-License-Identifier: Apache-2.0
// Processes in the cgroups: joining, freezing, killing, leaving nothing.
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/cgroup/testing/root_fixture.h"
#include "sys/testing/forked.h"

namespace dhow::cgroup {
namespace {

using testing::CgroupRootTest;
using testing::Contained;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST_F(CgroupRootTest, JoinsEveryHierarchyAndLeavesNothing) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  EXPECT_FALSE(box->exists());
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  EXPECT_TRUE(box->exists());
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  auto text = read_file(cat("/proc/", *pid, "/cgroup"));
  ASSERT_DONE(text);
  for (std::string_view line : split(trim(*text), '\n')) {
    EXPECT_TRUE(line.ends_with(cat("/", box.settings().container_id))) << line;
  }
  auto pids = box->pids(true);
  ASSERT_DONE(pids);
  EXPECT_THAT(*pids, ElementsAre(*pid));
  auto paths = box->location().paths;
  ASSERT_DONE(box->destroy());
  EXPECT_EQ(box.reap(*pid), SIGKILL);
  for (const auto& [name, path] : paths) EXPECT_NE(::access(path.c_str(), F_OK), 0) << path;
  EXPECT_FALSE(box->exists());
  ASSERT_DONE(box->destroy());  // gone is success
}

TEST_F(CgroupRootTest, OpensFromItsLocation) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  auto again = open_cgroup(box->location(), box.settings());
  ASSERT_DONE(again);
  auto pids = (*again)->pids(false);
  ASSERT_DONE(pids);
  EXPECT_THAT(*pids, ElementsAre(*pid));
}

TEST_F(CgroupRootTest, RefusesUsedAndFrozenCgroups) {
  Settings settings;
  settings.cgroups_path = cat("dhow-test-", ::getpid(), "/used");
  {
    Contained box(settings);
    ASSERT_TRUE(box) << box.error();
    auto plan = box->prepare(nullptr);
    ASSERT_DONE(plan);
    ASSERT_DONE(box.start(*plan));
    Contained second(settings);
    auto refused = second->prepare(nullptr);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(),
                HasSubstr("container's cgroup is not empty: 1 process(es) found"));
    // Undoing the failed creation must not take the cgroup of the first away.
    ASSERT_DONE(second->destroy());
    EXPECT_TRUE(box->exists());
    box.end_children();
    ASSERT_DONE(box->freeze());
    refused = second->prepare(nullptr);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message(), HasSubstr("container's cgroup unexpectedly frozen"));
    ASSERT_DONE(box->thaw());
    EXPECT_TRUE(second->prepare(nullptr));
  }
  settings.cgroups_path = cat("dhow-test-", ::getpid());
  Contained parent(settings);
  ASSERT_DONE(parent->destroy());
}

TEST_F(CgroupRootTest, FreezesAndThaws) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  auto state = box->freezer_state();
  ASSERT_DONE(state);
  EXPECT_EQ(*state, FreezerState::kThawed);
  ASSERT_DONE(box->freeze());
  state = box->freezer_state();
  ASSERT_DONE(state);
  EXPECT_EQ(*state, FreezerState::kFrozen);
  ASSERT_DONE(box->thaw());
  state = box->freezer_state();
  ASSERT_DONE(state);
  EXPECT_EQ(*state, FreezerState::kThawed);
}

TEST_F(CgroupRootTest, FreezesWhileProcessesFork) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan, [] {
    // A child that forks and reaps for ever, beside the one that waits.
    if (::fork() != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) {
      pid_t child = ::fork();
      if (child == 0) ::_exit(0);
      ::waitpid(child, nullptr, 0);
    }
  });
  ASSERT_DONE(pid);
  for (int i = 0; i < 20; ++i) {
    ASSERT_DONE(box->freeze());
    auto before = box->pids(true);
    auto after = box->pids(true);
    ASSERT_DONE(before);
    ASSERT_DONE(after);
    EXPECT_EQ(*before, *after);
    ASSERT_DONE(box->thaw());
  }
}

TEST_F(CgroupRootTest, KillsEvenWhatForksAndIsFrozenBelow) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto first = box.start(*plan);
  ASSERT_DONE(first);
  // A cgroup below with a process in it, frozen on its own.
  for (const auto& [name, path] : box->location().paths) {
    std::string sub = cat(path, "/sub");
    if (::mkdir(sub.c_str(), 0755) != 0) {
      ASSERT_EQ(errno, EEXIST);
    }
    if (name == "cpuset" && !unified_) {
      auto cpus = read_file(cat(path, "/cpuset.cpus"));
      auto mems = read_file(cat(path, "/cpuset.mems"));
      ASSERT_DONE(cpus);
      ASSERT_DONE(mems);
      ASSERT_DONE(write_existing(cat(sub, "/cpuset.cpus"), *cpus));
      ASSERT_DONE(write_existing(cat(sub, "/cpuset.mems"), *mems));
    }
  }
  auto below = box->plan_join({{"", "sub"}}, 0);
  ASSERT_DONE(below);
  auto second = box.start(*below);
  ASSERT_DONE(second);
  std::string freezer = cat(folder(box, "freezer"), "/sub/");
  ASSERT_DONE(unified_ ? write_existing(cat(freezer, "cgroup.freeze"), "1")
                       : write_existing(cat(freezer, "freezer.state"), "FROZEN"));
  auto all = box->pids(true);
  ASSERT_DONE(all);
  EXPECT_THAT(*all, UnorderedElementsAre(*first, *second));
  auto own = box->pids(false);
  ASSERT_DONE(own);
  EXPECT_THAT(*own, ElementsAre(*first));
  ASSERT_DONE(box->kill_all(SIGKILL));
  EXPECT_EQ(box.reap(*first), SIGKILL);
  EXPECT_EQ(box.reap(*second), SIGKILL);
  ASSERT_DONE(box->destroy());
  EXPECT_FALSE(box->exists());
}

TEST_F(CgroupRootTest, SignalsLeaveAPausedContainerPaused) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  ASSERT_DONE(box->freeze());
  ASSERT_DONE(box->kill_all(SIGTERM));
  auto state = box->freezer_state();
  ASSERT_DONE(state);
  EXPECT_EQ(*state, FreezerState::kFrozen);
  ASSERT_DONE(box->thaw());
  EXPECT_EQ(box.reap(*pid), SIGTERM);
}

TEST_F(CgroupRootTest, SubCgroupsMustExistAndStayInside) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  ASSERT_DONE(box->prepare(nullptr));
  auto outside = box->plan_join({{"", "../elsewhere"}}, 0);
  ASSERT_FALSE(outside);
  EXPECT_THAT(outside.error().message(), HasSubstr("bad sub cgroup path"));
  auto unknown = box->plan_join({{"nosuch", "sub"}}, 0);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("unknown controller"));
  auto missing = box->plan_join({{"", "missing"}}, 0);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message(), HasSubstr("cgroup not exist"));
}

TEST_F(CgroupRootTest, ExecFollowsInitOutOfAControlledCgroup) {
  if (!unified_) GTEST_SKIP() << "v1 cgroups hold processes at every level";
  Contained box;
  ASSERT_TRUE(box) << box.error();
  ASSERT_DONE(box->prepare(nullptr));
  std::string path = box->location().paths.at("");
  ASSERT_EQ(::mkdir(cat(path, "/init").c_str(), 0755), 0);
  auto plan = box->plan_join({{"", "init"}}, 0);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  ASSERT_DONE(write_existing(cat(path, "/cgroup.subtree_control"), "+pids"));
  auto joined = box->plan_join({}, *pid);
  ASSERT_DONE(joined);
  auto second = box.start(*joined);
  ASSERT_DONE(second);
  auto text = read_file(cat("/proc/", *second, "/cgroup"));
  ASSERT_DONE(text);
  EXPECT_TRUE(trim(*text).ends_with("/init")) << *text;
}

// As nobody, who owns no cgroup: runs `body` with the cgroups of a rootless container.
std::string as_nobody(const Settings& settings, const std::function<std::string(Cgroup&)>& body) {
  return dhow::testing::in_child([&]() -> std::string {
    constexpr uid_t kNobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
        ::setresuid(kNobody, kNobody, kNobody) != 0) {
      return "cannot become nobody";
    }
    auto made = make_cgroup(settings);
    return made ? body(**made) : made.error().message();
  });
}

TEST_F(CgroupRootTest, RootlessDoesWithoutWhenNothingIsAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming nobody needs root";
  Settings settings;
  settings.container_id = cat("dhow-test-nobody-", ::getpid());
  settings.rootless = true;
  std::string outcome = as_nobody(settings, [](Cgroup& box) -> std::string {
    auto plan = box.prepare(nullptr);
    if (!plan) return plan.error().message();
    if (plan->unified_dir || !plan->self_join_files.empty()) return "joins a cgroup";
    if (!box.location().paths.empty()) return "has paths";
    oci::Resources resources;
    resources.devices.emplace_back();
    for (auto& applied : {box.apply(resources), box.apply_devices(resources)}) {
      if (!applied) return applied.error().message();
    }
    if (box.freezer_state().value_or(FreezerState::kFrozen) != FreezerState::kUndefined) {
      return "has a freezer";
    }
    return dhow::testing::message_of(box.destroy());
  });
  EXPECT_EQ(outcome, "");
}

TEST_F(CgroupRootTest, RootlessSaysWhatItLacks) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming nobody needs root";
  Settings settings;
  settings.container_id = cat("dhow-test-nobody-", ::getpid());
  settings.rootless = true;
  auto limit = [](Cgroup& box) -> std::string {
    oci::Resources resources;
    resources.pids_limit = 5;
    auto plan = box.prepare(&resources);
    if (!plan) return plan.error().message();
    return dhow::testing::message_of(box.apply(resources));
  };
  constexpr const char* kNoPermission =
      "rootless needs no limits + no cgrouppath when no permission is granted for cgroups";
  EXPECT_THAT(as_nobody(settings, limit),
              HasSubstr(unified_ ? kNoPermission
                                 : "cannot set pids limit: container could not join or create"));
  settings.cgroups_path = "/dhow-test-nobody";
  EXPECT_THAT(
      as_nobody(settings,
                [](Cgroup& box) { return dhow::testing::message_of(box.prepare(nullptr)); }),
      HasSubstr(unified_ ? kNoPermission : "permission denied"));
}

TEST_F(CgroupRootTest, PathsAreBelowTheMountWhateverTheySay) {
  Settings settings;
  settings.cgroups_path = cat("../../../dhow-test-", ::getpid(), "-up");
  Contained box(settings);
  ASSERT_TRUE(box) << box.error();
  for (const auto& [name, path] : box->location().paths) {
    EXPECT_TRUE(path.starts_with("/sys/fs/cgroup/")) << path;
    EXPECT_EQ(path.find(".."), std::string::npos) << path;
  }
  ASSERT_DONE(box->prepare(nullptr));
}

}  // namespace
}  // namespace dhow::cgroup
