// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "runtime/cli/testing/cli_fixture.h"

namespace dhow::runtime::cli {
namespace {

using ::testing::ElementsAre;
using testing::fake;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;
using testing::run_cli;

class UpdateTest : public testing::CliTest {
 protected:
  const oci::Resources& update(std::vector<std::string_view> flags, std::string_view input = {}) {
    fake() = {};
    flags.insert(flags.begin(), {"runc", "update"});
    flags.push_back("c1");
    Outcome outcome = run_cli(flags, input);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(fake().calls.empty() ? "" : fake().calls.front(), "update c1");
    return fake().resources;
  }

  std::string refusal(std::vector<std::string_view> flags) {
    fake() = {};
    flags.insert(flags.begin(), {"crun", "update"});
    flags.push_back("c1");
    Outcome outcome = run_cli(flags);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(fake().calls, IsEmpty());
    return outcome.err;
  }
};

TEST_F(UpdateTest, NoFlagChangesNothing) {
  const oci::Resources& resources = update({});
  EXPECT_FALSE(resources.cpu || resources.memory || resources.block_io || resources.pids_limit);
}

TEST_F(UpdateTest, EveryFlag) {
  const oci::Resources& resources = update({"--blkio-weight",
                                            "500",
                                            "--cpu-period",
                                            "50000",
                                            "--cpu-quota=-1",
                                            "--cpu-burst",
                                            "7",
                                            "--cpu-share",
                                            "512",
                                            "--cpu-rt-period",
                                            "8",
                                            "--cpu-rt-runtime",
                                            "9",
                                            "--cpu-idle",
                                            "1",
                                            "--cpuset-cpus",
                                            "0-1",
                                            "--cpuset-mems",
                                            "0",
                                            "--memory",
                                            "64M",
                                            "--memory-reservation",
                                            "32m",
                                            "--memory-swap",
                                            "1GiB",
                                            "--pids-limit",
                                            "0"});
  EXPECT_EQ(resources.block_io->weight, 500);
  EXPECT_EQ(resources.cpu->period, 50000u);
  EXPECT_EQ(resources.cpu->quota, -1);
  EXPECT_EQ(resources.cpu->burst, 7u);
  EXPECT_EQ(resources.cpu->shares, 512u);
  EXPECT_EQ(resources.cpu->realtime_period, 8u);
  EXPECT_EQ(resources.cpu->realtime_runtime, 9);
  EXPECT_EQ(resources.cpu->idle, 1);
  EXPECT_EQ(resources.cpu->cpus, "0-1");
  EXPECT_EQ(resources.cpu->mems, "0");
  EXPECT_EQ(resources.memory->limit, 64 << 20);
  EXPECT_EQ(resources.memory->reservation, 32 << 20);
  EXPECT_EQ(resources.memory->swap, 1 << 30);
  EXPECT_EQ(resources.pids_limit, 0);
}

TEST_F(UpdateTest, OneFlagLeavesTheOtherFieldsAbsent) {
  const oci::Resources& resources = update({"--cpu-share", "512"});
  EXPECT_FALSE(resources.memory || resources.block_io || resources.pids_limit);
  EXPECT_FALSE(resources.cpu->quota || resources.cpu->period || resources.cpu->idle);
}

TEST_F(UpdateTest, UnlimitedMemoryTakesSwapAlong) {
  EXPECT_EQ(update({"--memory", "-1"}).memory->swap, -1);
  EXPECT_EQ(update({"--memory", "-1", "--memory-swap", "5"}).memory->swap, 5);
  EXPECT_EQ(update({"-r", "-"}, R"({"memory": {"limit": -1}})").memory->swap, -1);
  EXPECT_EQ(update({"--memory", "1m"}).memory->swap, std::nullopt);
}

TEST_F(UpdateTest, Refusals) {
  EXPECT_EQ(refusal({"--memory", "abc"}), "invalid value for memory: invalid size: 'abc'\n");
  EXPECT_EQ(refusal({"--memory", "-2"}), "invalid value for memory: invalid size: '-2'\n");
  EXPECT_EQ(refusal({"--memory-swap", "10XB"}),
            "invalid value for memory-swap: invalid size: '10XB'\n");
  EXPECT_EQ(refusal({"--cpu-quota", "abc"}),
            "invalid value for cpu-quota: \"abc\": not a number in range\n");
  EXPECT_EQ(refusal({"--cpu-share", "-1"}),
            "invalid value for cpu-share: \"-1\": not a number in range\n");
  EXPECT_EQ(refusal({"--blkio-weight", "70000"}),
            "invalid value for blkio-weight: \"70000\": not a number in range\n");
  EXPECT_THAT(refusal({"--kernel-memory", "x"}), HasSubstr("invalid value for kernel-memory"));
  EXPECT_THAT(refusal({"-r", "missing"}), HasSubstr("no such file or directory"));
  write_file("broken.json", "{");
  EXPECT_NE(refusal({"-r", "broken.json"}), "");
}

TEST_F(UpdateTest, TheFileWinsOverFlags) {
  write_file("r.json", R"({"pids": {"limit": 7}, "unified": {"cpu.weight": "5"}})");
  const oci::Resources& resources =
      update({"--resources", "r.json", "--memory", "64m", "--l3-cache-schema", "x"});
  EXPECT_EQ(resources.pids_limit, 7);
  EXPECT_EQ(resources.unified.size(), 1u);
  EXPECT_FALSE(resources.memory.has_value());
  EXPECT_THAT(fake().calls, ElementsAre("update c1"));
}

TEST_F(UpdateTest, KernelMemoryIsIgnoredWithAWarning) {
  Outcome outcome = run_cli({"runc", "update", "--kernel-memory", "10M", "c1"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "time=\"T\" level=warning msg=\"kernel memory settings are ignored\"\n");
  EXPECT_FALSE(fake().resources.memory.has_value());
}

TEST_F(UpdateTest, IntelRdt) {
  update({"--l3-cache-schema", "L3:0=f", "--mem-bw-schema", "MB:0=20"});
  EXPECT_THAT(fake().calls, ElementsAre("update c1", "update_rdt c1"));
  EXPECT_EQ(fake().rdt.l3_cache_schema, "L3:0=f");
  EXPECT_EQ(fake().rdt.mem_bw_schema, "MB:0=20");
}

}  // namespace
}  // namespace dhow::runtime::cli
