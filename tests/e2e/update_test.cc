// SPDX-License-Identifier: Apache-2.0
// update: each flag, read back from the cgroup's own files.
#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "e2e/support/bundle.h"
#include "e2e/support/cgroup.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

struct Limit {
  const char* name;
  std::vector<std::string> flags;
  const char* controller;
  const char* v1;
  const char* v1_value;
  const char* v2;
  const char* v2_value;
};

void PrintTo(const Limit& limit, std::ostream* out) { *out << limit.name; }

class UpdateFlag : public testing::TestWithParam<Limit> {};

TEST_P(UpdateFlag, IsInTheCgroupsFile) {
  const Limit& limit = GetParam();
  const char* value = unified_cgroups() ? limit.v2_value : limit.v1_value;
  DHOW_NEEDS(has_controller(limit.controller), "no controller " << limit.controller);
  DHOW_NEEDS(value != nullptr, "this version of cgroups has no such limit");
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  if (cgroup_value(container.pid(), limit.controller, limit.v1, limit.v2) == "(none)") {
    GTEST_SKIP() << "this kernel has no such file for " << limit.name;
  }
  Outcome outcome = container.call("update", limit.flags);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(cgroup_value(container.pid(), limit.controller, limit.v1, limit.v2), value);
}

INSTANTIATE_TEST_SUITE_P(
    Cli, UpdateFlag,
    testing::Values(
        Limit{"memory",
              {"--memory", "64m"},
              "memory",
              "memory.limit_in_bytes",
              "67108864",
              "memory.max",
              "67108864"},
        Limit{"memory-reservation",
              {"--memory-reservation", "32MiB"},
              "memory",
              "memory.soft_limit_in_bytes",
              "33554432",
              "memory.low",
              "33554432"},
        Limit{"memory-swap",
              {"--memory", "64m", "--memory-swap", "96m"},
              "memory",
              "memory.memsw.limit_in_bytes",
              "100663296",
              "memory.swap.max",
              "33554432"},
        Limit{"cpu-share", {"--cpu-share", "512"}, "cpu", "cpu.shares", "512", "cpu.weight", "59"},
        Limit{"cpu-quota",
              {"--cpu-quota", "20000"},
              "cpu",
              "cpu.cfs_quota_us",
              "20000",
              "cpu.max",
              "20000 100000"},
        Limit{"cpu-period",
              {"--cpu-period", "50000", "--cpu-quota", "10000"},
              "cpu",
              "cpu.cfs_period_us",
              "50000",
              "cpu.max",
              "10000 50000"},
        Limit{"cpu-burst",
              {"--cpu-quota", "20000", "--cpu-burst", "5000"},
              "cpu",
              "cpu.cfs_burst_us",
              "5000",
              "cpu.max.burst",
              "5000"},
        Limit{"cpu-idle", {"--cpu-idle", "1"}, "cpu", "cpu.idle", "1", "cpu.idle", "1"},
        Limit{"cpuset-cpus",
              {"--cpuset-cpus", "0"},
              "cpuset",
              "cpuset.cpus",
              "0",
              "cpuset.cpus",
              "0"},
        Limit{"cpuset-mems",
              {"--cpuset-mems", "0"},
              "cpuset",
              "cpuset.mems",
              "0",
              "cpuset.mems",
              "0"},
        Limit{"pids-limit", {"--pids-limit", "33"}, "pids", "pids.max", "33", "pids.max", "33"},
        Limit{
            "no-pids-limit", {"--pids-limit", "-1"}, "pids", "pids.max", "max", "pids.max", "max"}),
    [](const testing::TestParamInfo<Limit>& limit) {
      std::string name = limit.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

class Update : public testing::Test {
 protected:
  Update() : bundle_({"/bin/testbox", "wait"}), container_(bundle_) {}
  void SetUp() override {
    DHOW_NEEDS(has_controller("pids") && has_controller("memory"), "no controllers of limits");
    container_.start_detached();
  }
  std::string pids() { return cgroup_value(container_.pid(), "pids", "pids.max", "pids.max"); }
  std::string memory() {
    return cgroup_value(container_.pid(), "memory", "memory.limit_in_bytes", "memory.max");
  }
  Bundle bundle_;
  Container container_;
};

TEST_F(Update, TakesAFileOrTheStandardInput) {
  std::string file = bundle_.path() + "/resources.json";
  write_text(file, R"({"pids": {"limit": 21}, "memory": {"limit": 50331648}})");
  Outcome outcome = container_.call("update", {"--resources", file});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(pids(), "21");
  EXPECT_EQ(memory(), "50331648");
  CommandOptions input;
  input.input = R"({"pids": {"limit": 22}})";
  outcome = container_.call("update", {"-r", "-"}, {}, input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(pids(), "22");
  EXPECT_EQ(memory(), "50331648") << "what is not named stays";
  input.input = R"({"pids": {"limit": "many"}})";
  EXPECT_EQ(container_.call("update", {"-r", "-"}, {}, input).code, 1);
  EXPECT_EQ(container_.call("update", {"-r", file + ".none"}).code, 1);
}

TEST_F(Update, MinusOneTakesTheLimitAway) {
  ASSERT_EQ(container_.call("update", {"--memory", "64m"}).code, 0);
  ASSERT_EQ(container_.call("update", {"--memory", "-1"}).code, 0);
  EXPECT_EQ(memory(), unified_cgroups() ? "max" : "9223372036854771712");
}

TEST_F(Update, WrongValuesChangeNothing) {
  ASSERT_EQ(container_.call("update", {"--pids-limit", "20"}).code, 0);
  for (std::vector<std::string> flags : {std::vector<std::string>{"--memory", "lots"},
                                         {"--memory", "64q"},
                                         {"--pids-limit", "x"},
                                         {"--cpu-share", "-5"},
                                         {"--cpu-idle", "7"}}) {
    EXPECT_NE(container_.call("update", flags).code, 0) << flags[0] << flags[1];
  }
  EXPECT_EQ(pids(), "20");
}

// All that was asked for, or nothing: the limit that is refused comes last.
TEST_F(Update, OneThatIsRefusedTakesTheOthersBack) {
  auto idle = [&] { return cgroup_value(container_.pid(), "cpu", "cpu.idle", "cpu.idle"); };
  auto shares = [&] { return cgroup_value(container_.pid(), "cpu", "cpu.shares", "cpu.weight"); };
  ASSERT_EQ(container_
                .call("update", {"--pids-limit", "20", "--memory", "64m", "--memory-reservation",
                                 "32m", "--cpu-share", "512"})
                .code,
            0);
  std::string idle_before = idle();
  std::string shares_before = shares();
  std::string file = bundle_.path() + "/resources.json";
  write_text(file, std::string(R"({"pids": {"limit": 30},
      "memory": {"limit": 100663296, "reservation": 50331648},
      "cpu": {"shares": 256)") +
                       (idle_before == "0" ? R"(, "idle": 1)" : "") + R"(},
      "hugepageLimits": [{"pageSize": "3MB", "limit": 3145728}]})");
  Outcome outcome = container_.call("update", {"--resources", file});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("hugetlb"));
  EXPECT_EQ(pids(), "20");
  EXPECT_EQ(memory(), "67108864");
  EXPECT_EQ(cgroup_value(container_.pid(), "memory", "memory.soft_limit_in_bytes", "memory.low"),
            "33554432");
  EXPECT_EQ(idle(), idle_before);
  EXPECT_EQ(shares(), shares_before);
}

TEST_F(Update, KernelMemoryIsIgnoredWithAWord) {
  Outcome outcome = container_.call("update", {"--kernel-memory", "10m"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("kernel memory"));
}

// A limit below what is in use: told in words, and the container goes on.
TEST_F(Update, LimitBelowTheUsageIsToldWithTheUsage) {
  Background eater(container_.command_line("exec", {}, {"/bin/testbox", "eat", "32"}));
  eater.wait_for_output("eaten");
  std::string file = bundle_.path() + "/resources.json";
  write_text(file, R"({"memory": {"limit": 4194304, "checkBeforeUpdate": true}})");
  Outcome outcome = container_.call("update", {"--resources", file});
  if (unified_cgroups()) {
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("rejecting memory limit"));
  }
  EXPECT_EQ(container_.status(), "running");
  eater.signal(SIGTERM);
  eater.wait();
}

TEST_F(Update, RealTimeLimitsAreOfVersionOne) {
  DHOW_NEEDS(unified_cgroups(), "has them, where the kernel was built with them");
  EXPECT_EQ(container_.call("update", {"--cpu-rt-runtime", "1000"}).code, 0)
      << "ignored, as by runc";
}

TEST_F(Update, DeviceRulesAreNeverTouched) {
  std::string file = bundle_.path() + "/resources.json";
  write_text(file, R"({"devices": [{"allow": true, "access": "rwm"}], "pids": {"limit": 40}})");
  ASSERT_EQ(container_.call("update", {"--resources", file}).code, 0);
  EXPECT_EQ(pids(), "40");
  Outcome outcome = container_.exec(
      {"/bin/sh", "-c", "busybox mknod /tmp/kmsg c 1 11; true > /tmp/kmsg || echo refused"},
      {"--cap", "CAP_MKNOD"});
  EXPECT_EQ(outcome.out, "refused\n") << "a device that was not allowed can be opened";
}

}  // namespace
}  // namespace dhow::e2e
