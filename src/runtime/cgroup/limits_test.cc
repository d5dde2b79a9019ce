// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/make.h"
#include "runtime/cgroup/testing/fake_host.h"
#include "runtime/cgroup/v1.h"
#include "runtime/cgroup/v2_apply.h"

namespace dhow::cgroup {
namespace {

using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::observe_writes;
using testing::observed_writes;

TEST(Convert, SharesToWeight) {
  EXPECT_EQ(cpu_weight_from_shares(0), 0U);
  EXPECT_EQ(cpu_weight_from_shares(1), 1U);
  EXPECT_EQ(cpu_weight_from_shares(2), 1U);
  EXPECT_EQ(cpu_weight_from_shares(512), 59U);
  EXPECT_EQ(cpu_weight_from_shares(1024), 100U);
  EXPECT_EQ(cpu_weight_from_shares(2048), 174U);
  EXPECT_EQ(cpu_weight_from_shares(262'144), 10'000U);
  EXPECT_EQ(cpu_weight_from_shares(1'000'000), 10'000U);
  for (std::uint64_t shares = 2; shares < 262'144; shares += 97) {
    EXPECT_LE(cpu_weight_from_shares(shares), cpu_weight_from_shares(shares + 97)) << shares;
  }
}

TEST(Convert, BlkioToIoWeight) {
  EXPECT_EQ(io_weight_from_blkio(0), 0U);
  EXPECT_EQ(io_weight_from_blkio(10), 1U);
  EXPECT_EQ(io_weight_from_blkio(1000), 10'000U);
  EXPECT_EQ(io_weight_from_blkio(5), 1U);
}

oci::MemoryLimits memory_of(std::int64_t limit, std::int64_t swap) {
  oci::MemoryLimits memory;
  memory.limit = limit;
  memory.swap = swap;
  return memory;
}

TEST(Convert, SwapAloneFromBoth) {
  EXPECT_EQ(swap_max_text(memory_of(100, 300)).value(), "200");
  EXPECT_EQ(swap_max_text(memory_of(100, 100)).value(), "0");
  EXPECT_EQ(swap_max_text(memory_of(100, -1)).value(), "max");
  EXPECT_EQ(swap_max_text(memory_of(-1, 0)).value(), "max");
  EXPECT_EQ(swap_max_text(memory_of(100, 0)).value(), std::nullopt);
  EXPECT_THAT(swap_max_text(memory_of(100, 50)).error().message(),
              HasSubstr("memory+swap limit should be >= memory limit"));
  EXPECT_THAT(swap_max_text(memory_of(0, 50)).error().message(),
              HasSubstr("unable to set swap limit without memory limit"));
}

TEST(Convert, PidsZeroIsALimit) {
  EXPECT_EQ(pids_max_text(0), "1");
  EXPECT_EQ(pids_max_text(-1), "max");
  EXPECT_EQ(pids_max_text(32'768), "32768");
}

class FolderTest : public ::testing::Test {
 protected:
  Folder open(std::string_view name) {
    auto folder = Folder::open(host_.folder(name), FsKind::kAny);
    EXPECT_TRUE(folder);
    return std::move(*folder);
  }
  void files(std::string_view folder, std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) host_.put(cat(folder, "/", name), "");
  }

  FakeHost host_;
};

TEST_F(FolderTest, RefusesFoldersThatAreNoCgroups) {
  auto refused = Folder::open(host_.folder("x"), FsKind::kV1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kFailedPrecondition);
  EXPECT_FALSE(Folder::open(host_.folder("x"), FsKind::kV2));
  EXPECT_EQ(Folder::open(host_.path("none"), FsKind::kV1).error().code(), Code::kNotFound);
}

TEST_F(FolderTest, FollowsNoLinks) {
  host_.folder("real");
  host_.put("real/file", "1");
  ASSERT_EQ(::symlink("real", host_.path("link").c_str()), 0);
  ASSERT_EQ(::symlink("file", host_.path("real/alias").c_str()), 0);
  EXPECT_FALSE(Folder::open(host_.path("link"), FsKind::kAny));
  Folder real = open("real");
  EXPECT_TRUE(real.read("file"));
  EXPECT_FALSE(real.read("alias"));
  EXPECT_FALSE(real.write("alias", "2"));
}

TEST_F(FolderTest, V1MemoryIsWrittenInTheOrderThatFits) {
  Folder folder = open("memory");
  files("memory", {"memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"});
  oci::Resources resources;
  resources.memory = memory_of(200, 400);
  observe_writes();
  host_.put("memory/memory.limit_in_bytes", "100");
  ASSERT_TRUE(apply_v1("memory", folder, resources));
  EXPECT_THAT(observed_writes(),
              ElementsAre("memory.memsw.limit_in_bytes=400", "memory.limit_in_bytes=200"));
  observe_writes();
  host_.put("memory/memory.limit_in_bytes", "1000");
  ASSERT_TRUE(apply_v1("memory", folder, resources));
  EXPECT_THAT(observed_writes(),
              ElementsAre("memory.limit_in_bytes=200", "memory.memsw.limit_in_bytes=400"));
  observe_writes();
  resources.memory = memory_of(-1, 0);
  ASSERT_TRUE(apply_v1("memory", folder, resources));
  EXPECT_THAT(observed_writes(),
              ElementsAre("memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=-1"));
}

TEST_F(FolderTest, V1SwappinessIsChecked) {
  Folder folder = open("memory");
  files("memory", {"memory.swappiness"});
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->swappiness = 101;
  auto refused = apply_v1("memory", folder, resources);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("invalid memory swappiness value: 101"));
  resources.memory->swappiness = 60;
  EXPECT_TRUE(apply_v1("memory", folder, resources));
  EXPECT_EQ(host_.get("memory/memory.swappiness"), "60");
}

TEST_F(FolderTest, V1CpuOrder) {
  Folder folder = open("cpu");
  files("cpu", {"cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.cfs_burst_us", "cpu.idle",
                "cpu.rt_period_us", "cpu.rt_runtime_us"});
  host_.put("cpu/cpu.shares", "512");
  oci::Resources resources;
  resources.cpu.emplace();
  resources.cpu->shares = 512;
  resources.cpu->period = 100;
  resources.cpu->quota = -1;
  resources.cpu->burst = 0;
  resources.cpu->idle = 0;
  resources.cpu->realtime_period = 7;
  resources.cpu->realtime_runtime = 5;
  observe_writes();
  ASSERT_TRUE(apply_v1("cpu", folder, resources));
  EXPECT_THAT(
      observed_writes(),
      ElementsAre("cpu.idle=0", "cpu.shares=512", "cpu.cfs_period_us=100", "cpu.cfs_burst_us=0",
                  "cpu.cfs_quota_us=-1", "cpu.rt_period_us=7", "cpu.rt_runtime_us=5"));
}

TEST_F(FolderTest, V1BlkioTakesBfqWhenThatIsThere) {
  Folder folder = open("blkio");
  files("blkio", {"blkio.bfq.weight", "blkio.bfq.weight_device", "blkio.throttle.read_bps_device"});
  oci::Resources resources;
  resources.block_io.emplace();
  resources.block_io->weight = 300;
  resources.block_io->weight_device = {{8, 0, 400, std::nullopt}};
  resources.block_io->throttle_read_bps_device = {{8, 16, 1048576}};
  observe_writes();
  ASSERT_TRUE(apply_v1("blkio", folder, resources));
  EXPECT_THAT(observed_writes(),
              ElementsAre("blkio.bfq.weight=300", "blkio.bfq.weight_device=8:0 400",
                          "blkio.throttle.read_bps_device=8:16 1048576"));
}

TEST_F(FolderTest, V1OtherControllers) {
  Folder folder = open("all");
  files("all", {"net_cls.classid", "net_prio.ifpriomap", "rdma.max", "pids.max",
                "hugetlb.2MB.limit_in_bytes"});
  oci::Resources resources;
  resources.network.emplace();
  resources.network->class_id = 0x100001;
  resources.network->priorities = {{"eth0", 5}};
  resources.rdma["mlx5_1"] = {3, 10000};
  resources.pids_limit = 0;
  resources.hugepage_limits = {{"2MB", 4}};
  observe_writes();
  for (std::string_view controller : kControllerOrder) {
    if (wants_v1(controller, resources)) {
      ASSERT_TRUE(apply_v1(controller, folder, resources));
    }
  }
  EXPECT_THAT(observed_writes(), ElementsAre("pids.max=1", "hugetlb.2MB.limit_in_bytes=4",
                                             "hugetlb.2MB.rsvd.limit_in_bytes=4",
                                             "net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5",
                                             "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"));
}

TEST_F(FolderTest, CpusetsAreFilledFromAbove) {
  open("cpuset/a/b");
  for (const char* name : {"cpuset", "cpuset/a", "cpuset/a/b"}) {
    bool top = std::string_view(name) == "cpuset";
    host_.put(cat(name, "/cpuset.cpus"), top ? "0-3\n" : "\n");
    host_.put(cat(name, "/cpuset.mems"), top ? "0\n" : "");
  }
  ASSERT_TRUE(fill_cpuset(open("cpuset/a"), open("cpuset/a/b")));
  EXPECT_EQ(host_.get("cpuset/a/cpuset.cpus").substr(0, 3), "0-3");
  EXPECT_EQ(host_.get("cpuset/a/b/cpuset.cpus").substr(0, 3), "0-3");
  EXPECT_EQ(host_.get("cpuset/a/b/cpuset.mems"), "0");
}

TEST_F(FolderTest, V1RefusesUnifiedAndMissingControllers) {
  host_.folder("memory/id");
  host_.put("../self_cgroup", "2:memory:/\n");
  Settings settings;
  settings.container_id = "id";
  auto box = make_cgroup(settings, host_.view);
  ASSERT_TRUE(box);
  oci::Resources resources;
  resources.unified["memory.high"] = "1";
  auto refused = (*box)->apply(resources);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("cannot use unified on cgroup v1"));
  resources.unified.clear();
  resources.pids_limit = 5;
  refused = (*box)->apply(resources);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "cannot set pids limit: container could not join or create cgroup");
}

TEST_F(FolderTest, V2Limits) {
  Folder folder = open("box");
  files("box", {"pids.max", "memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight",
                "cpu.max.burst", "cpuset.cpus", "cpuset.mems", "io.weight", "io.max",
                "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max", "memory.high"});
  oci::Resources resources;
  resources.pids_limit = 10;
  resources.memory = memory_of(1000, 3000);
  resources.memory->reservation = 500;
  resources.cpu.emplace();
  resources.cpu->shares = 1024;
  resources.cpu->quota = 500;
  resources.cpu->burst = 50;
  resources.cpu->cpus = "0-1";
  resources.cpu->mems = "0";
  resources.block_io.emplace();
  resources.block_io->weight = 1000;
  resources.block_io->throttle_write_iops_device = {{8, 0, 7}};
  resources.hugepage_limits = {{"2MB", 4}};
  resources.rdma["m"] = {std::nullopt, 1};
  resources.unified = {{"memory.high", "900"}, {"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}};
  observe_writes();
  auto done = apply_v2(folder, resources);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_THAT(
      observed_writes(),
      ElementsAre("pids.max=10", "memory.swap.max=2000", "memory.max=1000", "memory.low=500",
                  "io.weight=10000", "io.max=8:0 wiops=7", "cpu.weight=100", "cpu.max.burst=50",
                  "cpu.max=500 100000", "cpuset.cpus=0-1", "cpuset.mems=0", "hugetlb.2MB.max=4",
                  "hugetlb.2MB.rsvd.max=4", "rdma.max=m hca_object=1", "io.max=8:0 rbps=1",
                  "io.max=8:16 rbps=2", "memory.high=900"));
}

TEST_F(FolderTest, V2WritesOnlyWhatIsAskedFor) {
  Folder folder = open("box");
  observe_writes();
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->disable_oom_killer = false;
  resources.cpu.emplace();
  resources.block_io.emplace();
  ASSERT_TRUE(apply_v2(folder, resources));
  EXPECT_THAT(observed_writes(), IsEmpty());
}

TEST_F(FolderTest, V2SwapWithoutAccounting) {
  Folder folder = open("box");
  files("box", {"memory.max"});
  oci::Resources resources;
  resources.memory = memory_of(1000, 1000);
  EXPECT_TRUE(apply_v2(folder, resources));
  resources.memory = memory_of(1000, -1);
  EXPECT_TRUE(apply_v2(folder, resources));
  resources.memory = memory_of(1000, 2000);
  EXPECT_FALSE(apply_v2(folder, resources));
}

TEST_F(FolderTest, V2RejectsLimitsBelowUse) {
  Folder folder = open("box");
  files("box", {"memory.max", "memory.swap.max"});
  host_.put("box/memory.current", "5000\n");
  oci::Resources resources;
  resources.memory = memory_of(5000, 0);
  resources.memory->check_before_update = true;
  auto refused = apply_v2(folder, resources);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "rejecting memory limit 5000 <= usage 5000");
  resources.memory->limit = 4000;
  resources.memory->swap = 4500;
  refused = apply_v2(folder, resources);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "rejecting memory+swap limit 4500 <= usage 5000");
  resources.memory = memory_of(5001, 0);
  resources.memory->check_before_update = true;
  EXPECT_TRUE(apply_v2(folder, resources));
}

TEST_F(FolderTest, V2UnifiedNames) {
  Folder folder = open("box");
  host_.put("box/cgroup.controllers", "cpu memory\n");
  oci::Resources resources;
  resources.unified = {{"nosuch.max", "1"}};
  EXPECT_THAT(apply_v2(folder, resources).error().message(),
              HasSubstr("controller \"nosuch\" not available"));
  resources.unified = {{"memory.nosuch", "1"}};
  EXPECT_THAT(apply_v2(folder, resources).error().message(),
              HasSubstr("no such file or directory"));
  for (const char* name : {"a/b", "..", ""}) {
    resources.unified = {{name, "1"}};
    EXPECT_THAT(apply_v2(folder, resources).error().message(), HasSubstr("must be a file name"));
  }
}

TEST_F(FolderTest, V2MissingControllersAreNamed) {
  Folder folder = open("box");
  oci::Resources resources;
  resources.pids_limit = 5;
  EXPECT_THAT(apply_v2(folder, resources).error().message(),
              HasSubstr("controller \"pids\" is not available"));
}

TEST_F(FolderTest, V2EnablesWhatIsMissingOnTheWay) {
  for (const char* name : {"", "a", "a/b"}) {
    host_.folder(name);
    host_.put(cat(name, "/cgroup.controllers"), "cpu memory pids\n");
    host_.put(cat(name, "/cgroup.subtree_control"),
              std::string_view(name).empty() ? "cpu memory pids\n" : "cpu\n");
  }
  observe_writes();
  auto made = make_v2_folder(host_.view.mount_root, host_.path("a/b/c"), FsKind::kAny);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_FALSE(made->existed);
  EXPECT_THAT(observed_writes(), ElementsAre("cgroup.subtree_control=+memory +pids",
                                             "cgroup.subtree_control=+memory +pids"));
}

}  // namespace
}  // namespace dhow::cgroup
