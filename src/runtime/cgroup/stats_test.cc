// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/testing/fake_host.h"

namespace dhow::cgroup {
namespace {

using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(StatsParse, Lists) {
  EXPECT_THAT(parse_list("0-2,7\n"), ElementsAre(0, 1, 2, 7));
  EXPECT_THAT(parse_list(""), IsEmpty());
  EXPECT_THAT(parse_list("3-1,x,0-99999999999"), IsEmpty());
}

TEST(StatsParse, Pressure) {
  auto pressure = parse_pressure(
      "some avg10=0.00 avg60=1.50 avg300=12.05 total=1234\n"
      "full avg10=0.10 avg60=x avg300=0.00 total=5\n");
  ASSERT_TRUE(pressure);
  EXPECT_EQ(pressure->some.avg10, "0");
  EXPECT_EQ(pressure->some.avg60, "1.5");
  EXPECT_EQ(pressure->some.avg300, "12.05");
  EXPECT_EQ(pressure->some.total, 1234U);
  EXPECT_EQ(pressure->full.avg10, "0.1");
  EXPECT_EQ(pressure->full.avg60, "0");
  EXPECT_FALSE(parse_pressure(""));
}

TEST(StatsParse, KeyedNumbers) {
  EXPECT_THAT(parse_keyed("a 1\nb\nc x\nd 4"), ElementsAre(Pair("a", 1), Pair("d", 4)));
  EXPECT_EQ(keyed_number("oom 1\noom_kill 2\n", "oom_kill"), 2U);
  EXPECT_EQ(keyed_number("oom_kill 2\n", "oom"), std::nullopt);
}

TEST(StatsText, LeavesOutWhatRuncLeavesOut) {
  EXPECT_EQ(stats_text({}),
            R"({"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},)"
            R"("cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,)"
            R"("memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,)"
            R"("sched_load_balance":0,"sched_relax_domain_level":0},)"
            R"("memory":{"usage":{"limit":0,"failcnt":0},"swap":{"limit":0,"failcnt":0},)"
            R"("kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0}},)"
            R"("pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null})");
}

class StatsFilesTest : public ::testing::Test {
 protected:
  Folder with(std::initializer_list<std::pair<const char*, const char*>> files) {
    std::string path = host_.folder("box");
    for (auto [name, content] : files) host_.put(cat("box/", name), content);
    auto folder = Folder::open(path, FsKind::kAny);
    EXPECT_TRUE(folder);
    return std::move(*folder);
  }
  FakeHost host_;
};

TEST_F(StatsFilesTest, V1) {
  Folder folder =
      with({{"cpuacct.usage", "9000\n"},
            {"cpuacct.stat", "user 2\nsystem 1\n"},
            {"cpuacct.usage_percpu", "4000 5000 \n"},
            {"cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4\n"},
            {"cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 77\n"},
            {"cpuset.cpus", "0-1\n"},
            {"cpuset.mems", "0\n"},
            {"cpuset.sched_load_balance", "1\n"},
            {"cpuset.sched_relax_domain_level", "-1\n"},
            {"memory.stat", "cache 4096\nrss 10\n"},
            {"memory.usage_in_bytes", "100\n"},
            {"memory.max_usage_in_bytes", "200\n"},
            {"memory.limit_in_bytes", "300\n"},
            {"memory.failcnt", "4\n"},
            {"pids.current", "3\n"},
            {"pids.max", "max\n"},
            {"blkio.bfq.io_serviced_recursive", "Total 0\n"},
            {"blkio.throttle.io_serviced_recursive", "8:0 Read 7\n8:0 Total 7\nTotal 7\n"},
            {"hugetlb.2MB.usage_in_bytes", "1\n"},
            {"hugetlb.2MB.max_usage_in_bytes", "2\n"},
            {"hugetlb.2MB.failcnt", "3\n"}});
  Stats stats;
  ASSERT_TRUE(add_cpuacct_v1(folder, stats));
  ASSERT_TRUE(add_cpu_v1(folder, stats));
  ASSERT_TRUE(add_cpuset_v1(folder, stats));
  ASSERT_TRUE(add_memory_v1(folder, stats));
  ASSERT_TRUE(add_pids(folder, stats));
  ASSERT_TRUE(add_blkio_v1(folder, stats));
  ASSERT_TRUE(add_hugetlb(folder, false, stats));
  EXPECT_EQ(
      stats_text(stats),
      R"({"cpu":{"usage":{"total":9000,"percpu":[4000,5000],"percpu_kernel":[2,4],)"
      R"("percpu_user":[1,3],"kernel":10000000,"user":20000000},)"
      R"("throttling":{"periods":5,"throttledPeriods":2,"throttledTime":77}},)"
      R"("cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,)"
      R"("memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,)"
      R"("sched_load_balance":1,"sched_relax_domain_level":-1},)"
      R"("memory":{"cache":4096,"usage":{"limit":300,"usage":100,"max":200,"failcnt":4},)"
      R"("swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},)"
      R"("kernelTCP":{"limit":0,"failcnt":0},"raw":{"cache":4096,"rss":10}},)"
      R"("pids":{"current":3},)"
      R"("blkio":{"ioServicedRecursive":[{"major":8,"op":"Read","value":7},)"
      R"({"major":8,"op":"Total","value":7}]},)"
      R"("hugetlb":{"2MB":{"usage":1,"max":2,"failcnt":3}},)"
      R"("intel_rdt":{},"network_interfaces":null})");
}

TEST_F(StatsFilesTest, V2) {
  Folder folder = with({{"cpu.stat",
                         "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 1\n"
                         "nr_throttled 1\nthrottled_usec 2\n"},
                        {"cpu.pressure", "some avg10=0.00 avg60=0.25 avg300=0.00 total=9\n"},
                        {"memory.stat", "anon 5\nfile 6\nkernel 7\n"},
                        {"memory.current", "1000\n"},
                        {"memory.max", "max\n"},
                        {"memory.peak", "1500\n"},
                        {"memory.events", "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n"},
                        {"memory.swap.current", "24\n"},
                        {"memory.swap.max", "max\n"},
                        {"pids.current", "2\n"},
                        {"pids.max", "10\n"},
                        {"io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"},
                        {"hugetlb.1GB.current", "0\n"},
                        {"hugetlb.1GB.events", "max 8\n"},
                        {"hugetlb.1GB.rsvd.current", "4\n"}});
  Stats stats;
  ASSERT_TRUE(add_stats_v2(folder, stats));
  EXPECT_EQ(stats.cpu.total, 30'000U);
  EXPECT_EQ(stats.cpu.kernel, 20'000U);
  EXPECT_EQ(stats.cpu.throttled_time, 2'000U);
  EXPECT_EQ(stats.memory.cache, 6U);
  EXPECT_EQ(stats.memory.usage.max, 1500U);
  EXPECT_EQ(stats.memory.usage.failcnt, 3U);
  EXPECT_EQ(stats.memory.swap.usage, 1024U);
  EXPECT_EQ(stats.memory.swap.limit, UINT64_MAX);
  EXPECT_EQ(stats.pids_limit, 10U);
  EXPECT_EQ(stats.hugetlb.at("1GB").usage, 4U);
  EXPECT_EQ(stats.hugetlb.at("1GB").failcnt, 8U);
  EXPECT_EQ(stats.block.tables.at("ioServicedRecursive").size(), 2U);
  std::string text = stats_text(stats);
  EXPECT_THAT(text,
              ::testing::HasSubstr(R"("psi":{"some":{"avg10":0,"avg60":0.25,"avg300":0,"total":9},)"
                                   R"("full":{"avg10":0,"avg60":0,"avg300":0,"total":0}})"));
  EXPECT_THAT(text, ::testing::HasSubstr(R"("usage":{"limit":18446744073709551615,"usage":1000)"));
}

}  // namespace
}  // namespace dhow::cgroup
