// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/mount_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/rootfs/mountinfo.h"

namespace dhow::rootfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

oci::Mount mount_of(std::string destination, std::string type, std::string source,
                    std::vector<std::string> options = {}) {
  oci::Mount mount;
  mount.destination = std::move(destination);
  mount.type = std::move(type);
  mount.source = std::move(source);
  mount.options = std::move(options);
  return mount;
}

Result<PlannedMount> plan(const oci::Mount& mount, const oci::Config& config = {}) {
  return plan_mount(mount, config, "/bundle");
}

std::string error_of(const oci::Mount& mount, const oci::Config& config = {}) {
  auto planned = plan(mount, config);
  return planned ? "" : planned.error().message();
}

TEST(MountPlan, DestinationsAreCleanedAsWritten) {
  EXPECT_EQ(clean_destination("/a/../b//./c/"), "/b/c");
  EXPECT_EQ(clean_destination("data"), "/data");
  EXPECT_EQ(clean_destination("../../etc"), "/etc");
  EXPECT_EQ(clean_destination("/"), "/");
  EXPECT_EQ(clean_destination("/.."), "/");
}

TEST(MountPlan, Kinds) {
  auto kind = [](const oci::Mount& mount) { return plan(mount)->kind; };
  EXPECT_EQ(kind(mount_of("/a", "bind", "/b")), MountKind::kBind);
  EXPECT_EQ(kind(mount_of("/a", "none", "/b", {"rbind"})), MountKind::kBind);
  EXPECT_EQ(kind(mount_of("/a", "", "/b", {"bind"})), MountKind::kBind);
  EXPECT_EQ(kind(mount_of("/proc", "proc", "proc")), MountKind::kProc);
  EXPECT_EQ(kind(mount_of("/a", "tmpfs", "tmpfs")), MountKind::kTmpfs);
  EXPECT_EQ(kind(mount_of("/a", "cgroup", "cgroup")), MountKind::kCgroup);
  EXPECT_EQ(kind(mount_of("/a", "cgroup2", "cgroup")), MountKind::kCgroup);
  EXPECT_EQ(kind(mount_of("/a", "overlay", "overlay")), MountKind::kOther);
  EXPECT_EQ(kind(mount_of("/a", "tmpfs", "tmpfs", {"remount", "ro"})), MountKind::kRemount);
}

TEST(MountPlan, RelativeSourcesAreInTheBundle) {
  EXPECT_EQ(plan(mount_of("/a", "bind", "data/x"))->source, "/bundle/data/x");
  EXPECT_EQ(plan(mount_of("/a", "tmpfs", "data"))->source, "data");
}

TEST(MountPlan, NothingBelowProcButWhatIsEmulated) {
  EXPECT_EQ(error_of(mount_of("/proc/self/attr", "tmpfs", "x")),
            "\"/proc/self/attr\" cannot be mounted because it is inside /proc");
  EXPECT_EQ(error_of(mount_of("/foo/../proc/sys", "bind", "/x")),
            "\"/proc/sys\" cannot be mounted because it is inside /proc");
  EXPECT_EQ(error_of(mount_of("/proc/cpuinfo/x", "bind", "/x")),
            "\"/proc/cpuinfo/x\" cannot be mounted because it is inside /proc");
  for (const char* path : {"/proc/cpuinfo", "/proc/meminfo", "/proc/net/dev", "/proc/uptime",
                           "/proc/sys/kernel/ns_last_pid", "/processes", "/proc"}) {
    EXPECT_EQ(error_of(mount_of(path, "bind", "/x")), "") << path;
  }
  EXPECT_EQ(check_proc_root(*plan(mount_of("/proc", "tmpfs", "x"))).error().message(),
            "\"/proc\" cannot be mounted because it is not of type proc");
  EXPECT_TRUE(check_proc_root(*plan(mount_of("/proc", "proc", "proc"))));
}

TEST(MountPlan, WhatNoKernelCouldDoIsRefused) {
  EXPECT_THAT(error_of(mount_of("", "tmpfs", "x")), HasSubstr("empty destination"));
  EXPECT_THAT(error_of(mount_of("/a", "", "x")), HasSubstr("no type"));
  EXPECT_THAT(error_of(mount_of("/a", "bind", "")), HasSubstr("without a source"));
  EXPECT_THAT(error_of(mount_of(std::string("/a\0b", 4), "tmpfs", "x")), HasSubstr("NUL"));
  EXPECT_THAT(error_of(mount_of("/a", "bind", "/" + std::string(70000, 'x'))),
              HasSubstr("file name too long"));
  EXPECT_THAT(error_of(mount_of("/" + std::string(70000, 'x'), "tmpfs", "x")),
              HasSubstr("too long"));
}

TEST(MountPlan, MappedIds) {
  oci::Mount mount = mount_of("/a", "bind", "/b");
  mount.uid_mappings = {{0, 1000, 1}};
  EXPECT_THAT(error_of(mount), HasSubstr("need both uidMappings and gidMappings"));
  mount.gid_mappings = {{0, 1000, 1}};
  EXPECT_EQ(plan(mount)->options.idmap, IdmapMode::kSingle);
  mount.type = "tmpfs";
  EXPECT_THAT(error_of(mount), HasSubstr("only supported for bind mounts"));

  oci::Config config;
  EXPECT_THAT(error_of(mount_of("/a", "bind", "/b", {"idmap"}), config),
              HasSubstr("need a user namespace"));
  config.linux.namespaces.push_back({oci::NamespaceType::kUser, ""});
  config.linux.uid_mappings = {{0, 100000, 10}, {10, 200000, 10}};
  config.linux.gid_mappings = {{0, 100000, 20}};
  EXPECT_EQ(plan(mount_of("/a", "bind", "/b", {"idmap"}), config)->uid_mappings,
            config.linux.uid_mappings);
  auto relative = plan(mount_of("/a", "bind", "/b", {"idmap=uids=@5-8-4;gids=7-8-9"}), config);
  ASSERT_TRUE(relative) << relative.error().message();
  EXPECT_THAT(relative->uid_mappings,
              ElementsAre(oci::IdMapping{5, 100008, 2}, oci::IdMapping{7, 200000, 2}));
  EXPECT_THAT(relative->gid_mappings, ElementsAre(oci::IdMapping{7, 8, 9}));
  EXPECT_THAT(error_of(mount_of("/a", "bind", "/b", {"idmap=uids=@0-25-1;gids=0-0-1"}), config),
              HasSubstr("id 25 is not mapped"));
  EXPECT_THAT(error_of(mount_of("/a", "bind", "/b", {"idmap=uids=0-0-1"}), config),
              HasSubstr("need both uids and gids"));
}

TEST(Mountinfo, LinesWithAndWithoutTags) {
  auto mounts = parse_mountinfo(
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "36 35 98:0 /mnt1 /a\\040b\\011c\\134 rw,noatime shared:1 master:2 - ext3 /dev/r rw,x=y\n");
  ASSERT_TRUE(mounts) << mounts.error().message();
  ASSERT_EQ(mounts->size(), 2U);
  EXPECT_EQ((*mounts)[0].mount_point, "/proc");
  EXPECT_TRUE((*mounts)[0].tags.empty());
  EXPECT_EQ((*mounts)[1].mount_point, "/a b\tc\\");
  EXPECT_THAT((*mounts)[1].tags, ElementsAre("shared:1", "master:2"));
  EXPECT_EQ((*mounts)[1].type, "ext3");
  EXPECT_EQ((*mounts)[1].super_options, "rw,x=y");
  EXPECT_EQ((*mounts)[1].parent, 35U);
}

TEST(Mountinfo, MalformedLinesAreErrors) {
  for (const char* line : {"x", "1 2 0:1 / / rw", "1 2 0:1 / / rw - proc", "a 2 0:1 / / rw - a b c",
                           "1 2 0:1 / / rw shared:1 proc proc rw"}) {
    auto mounts = parse_mountinfo(line);
    ASSERT_FALSE(mounts) << line;
    EXPECT_EQ(mounts.error().code(), Code::kDataLoss);
  }
  auto cut = parse_mountinfo("1 2 0:1 / /a\\04 rw - t s o");
  ASSERT_TRUE(cut);
  EXPECT_EQ((*cut)[0].mount_point, "/a\\04");
}

}  // namespace
}  // namespace dhow::rootfs
