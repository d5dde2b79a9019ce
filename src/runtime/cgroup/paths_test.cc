// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/host.h"
#include "runtime/cgroup/make.h"
#include "runtime/cgroup/testing/fake_host.h"

namespace dhow::cgroup {
namespace {

using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;

TEST(Paths, CleaningStaysBelowTheRoot) {
  EXPECT_EQ(clean_path("/a/./b//c/"), "/a/b/c");
  EXPECT_EQ(clean_path("/a/../../b"), "/b");
  EXPECT_EQ(clean_path("../../.."), "/");
  EXPECT_EQ(clean_path(""), "/");
}

TEST(Paths, ContainersAreBelowTheirBase) {
  EXPECT_EQ(container_path("/own", "", "id"), "/own/id");
  EXPECT_EQ(container_path("/own", "a/b", "id"), "/own/a/b");
  EXPECT_EQ(container_path("/own", "/a/b", "id"), "/a/b");
  EXPECT_EQ(container_path("/own", "../../b", "id"), "/own/b");
  EXPECT_EQ(container_path("/own", "/../b", "id"), "/b");
  EXPECT_EQ(container_path("/", "", "id"), "/id");
}

TEST(Paths, UnitsAreNamed) {
  auto unit = parse_unit_path("", "id", "runc");
  ASSERT_TRUE(unit);
  EXPECT_EQ(unit->slice, "");
  EXPECT_EQ(unit->unit(), "runc-id.scope");
  unit = parse_unit_path("a-b.slice:cri:x", "id", "runc");
  ASSERT_TRUE(unit);
  EXPECT_EQ(unit->slice, "a-b.slice");
  EXPECT_EQ(unit->unit(), "cri-x.scope");
  unit = parse_unit_path("system.slice::", "id", "runc");
  ASSERT_TRUE(unit);
  EXPECT_EQ(unit->unit(), "runc-id.scope");
  unit = parse_unit_path(":cri:x.slice", "id", "runc");
  ASSERT_TRUE(unit);
  EXPECT_TRUE(unit->is_slice());
  EXPECT_EQ(unit->unit(), "x.slice");
  auto bad = parse_unit_path("/a/b", "id", "runc");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message(),
              HasSubstr("expected cgroupsPath to be of format \"slice:prefix:name\""));
}

TEST(Paths, SlicesNest) {
  EXPECT_EQ(expand_slice("system.slice").value(), "/system.slice");
  EXPECT_EQ(expand_slice("a-b-c.slice").value(), "/a.slice/a-b.slice/a-b-c.slice");
  EXPECT_EQ(expand_slice("-.slice").value(), "");
  for (const char* bad :
       {"", ".slice", "a.scope", "a/b.slice", "a--b.slice", "-a.slice", "a-.slice", "../x.slice"}) {
    EXPECT_FALSE(expand_slice(bad)) << bad;
  }
}

TEST(Paths, SubCgroupsStayInside) {
  EXPECT_EQ(join_sub_path("/m/box", "").value(), "/m/box");
  EXPECT_EQ(join_sub_path("/m/box", "a/b").value(), "/m/box/a/b");
  EXPECT_EQ(join_sub_path("/m/box", "/a").value(), "/m/box/a");
  EXPECT_EQ(join_sub_path("/m/box", "a/..").value(), "/m/box");
  for (const char* bad : {"..", "../boxes", "a/../../b", "../box2"}) {
    auto refused = join_sub_path("/m/box", bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_THAT(refused.error().message(), HasSubstr("bad sub cgroup path"));
  }
}

TEST(Host, FindsV1MountsAtTheirUsualPlaces) {
  FakeHost host;
  host.folder("cpu,cpuacct");
  host.folder("memory");
  host.folder("systemd");
  host.put("../self_cgroup", "3:cpu,cpuacct:/a\n2:memory:/b\n1:name=systemd:/\n");
  auto layout = detect_layout(host.view);
  ASSERT_TRUE(layout) << layout.error().message();
  EXPECT_EQ(layout->mode, Mode::kLegacy);
  ASSERT_EQ(layout->v1.size(), 3U);
  EXPECT_THAT(layout->v1[0].names, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(layout->v1[0].mount, host.path("cpu,cpuacct"));
  EXPECT_EQ(layout->v1[0].own, "/a");
  EXPECT_EQ(layout->v1[2].mount, host.path("systemd"));
}

TEST(Host, HybridHasAUnifiedTreeBeside) {
  FakeHost host;
  host.folder("memory");
  host.folder("unified");
  host.put("../self_cgroup", "2:memory:/\n0::/x\n");
  auto layout = detect_layout(host.view);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->mode, Mode::kHybrid);
  ASSERT_TRUE(layout->unified);
  EXPECT_EQ(layout->unified->mount, host.path("unified"));
}

TEST(Host, UnifiedIsTheWholeTree) {
  FakeHost host;
  host.put("cgroup.controllers", "cpu memory");
  host.put("../self_cgroup", "0::/user.slice/x\n");
  auto layout = detect_layout(host.view);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->mode, Mode::kUnified);
  EXPECT_EQ(layout->unified->mount, host.view.mount_root);
  EXPECT_EQ(layout->unified->own, "/user.slice/x");
}

TEST(Host, AsksMountinfoForUnusualPlaces) {
  FakeHost host;
  std::string place = host.folder("odd place/mem");
  host.put("../self_cgroup", "2:memory:/docker/abc/sub\n");
  std::string escaped = place;
  escaped.replace(escaped.find(' '), 1, "\\040");
  host.put("../mountinfo", cat("30 25 0:26 / /proc rw - proc proc rw\n", "41 30 0:33 /docker/abc ",
                               escaped, " rw - cgroup cgroup rw,memory\n"));
  auto layout = detect_layout(host.view);
  ASSERT_TRUE(layout) << layout.error().message();
  ASSERT_EQ(layout->v1.size(), 1U);
  EXPECT_EQ(layout->v1[0].mount, place);
  // Only a part of the hierarchy is mounted.
  EXPECT_EQ(own_below_mount(host.view, layout->v1[0]).value(), "/sub");
}

TEST(Host, OwnCgroupOutOfSightIsTheRoot) {
  FakeHost host;
  Hierarchy hierarchy{{"memory"}, host.folder("memory"), "/../../x"};
  EXPECT_EQ(own_below_mount(host.view, hierarchy).value(), "/");
  hierarchy.own = "/not/mounted";
  EXPECT_EQ(own_below_mount(host.view, hierarchy).value(), "/");
  host.folder("memory/here");
  hierarchy.own = "/here";
  EXPECT_EQ(own_below_mount(host.view, hierarchy).value(), "/here");
}

TEST(Host, NoCgroupsAtAllIsAnError) {
  FakeHost host;
  host.put("../self_cgroup", "");
  EXPECT_FALSE(detect_layout(host.view));
}

TEST(Locations, FollowTheKindOfPath) {
  FakeHost host;
  host.folder("cpu/mine");
  host.folder("memory");
  host.folder("unified");
  host.put("../self_cgroup", "3:cpu:/mine\n2:memory:/\n0::/\n");
  Settings settings;
  settings.container_id = "id";
  auto box = make_cgroup(settings, host.view);
  ASSERT_TRUE(box) << box.error().message();
  EXPECT_EQ((*box)->location().paths.at("cpu"), host.path("cpu/mine/id"));
  EXPECT_EQ((*box)->location().paths.at("memory"), host.path("memory/id"));
  EXPECT_EQ((*box)->location().paths.at(""), host.path("unified/id"));
  settings.cgroups_path = "/abs";
  box = make_cgroup(settings, host.view);
  ASSERT_TRUE(box);
  EXPECT_EQ((*box)->location().paths.at("cpu"), host.path("cpu/abs"));
}

TEST(Locations, UnifiedIsBesideTheCaller) {
  FakeHost host;
  host.put("cgroup.controllers", "");
  host.folder("a/b");
  host.put("../self_cgroup", "0::/a/b\n");
  Settings settings;
  settings.container_id = "id";
  auto box = make_cgroup(settings, host.view);
  ASSERT_TRUE(box);
  EXPECT_EQ((*box)->location().paths.at(""), host.path("a/id"));
}

TEST(Locations, CoMountedControllersShareAFolder) {
  FakeHost host;
  host.folder("cpu,cpuacct");
  host.put("../self_cgroup", "3:cpu,cpuacct:/\n");
  Settings settings;
  settings.container_id = "id";
  auto box = make_cgroup(settings, host.view);
  ASSERT_TRUE(box);
  EXPECT_EQ((*box)->location().paths.at("cpu"), (*box)->location().paths.at("cpuacct"));
}

TEST(Locations, DisabledHasNoneAndSaysSo) {
  Settings settings;
  settings.kind = ManagerKind::kDisabled;
  auto box = make_cgroup(settings, HostView{});
  ASSERT_TRUE(box);
  EXPECT_TRUE((*box)->prepare(nullptr));
  EXPECT_TRUE((*box)->destroy());
  EXPECT_FALSE((*box)->exists());
  oci::Resources resources;
  EXPECT_TRUE((*box)->apply(resources));
  resources.pids_limit = 1;
  auto refused = (*box)->apply(resources);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "cannot set limits: cgroups are disabled");
  EXPECT_FALSE((*box)->freeze());
  EXPECT_FALSE((*box)->stats_json());
}

}  // namespace
}  // namespace dhow::cgroup
