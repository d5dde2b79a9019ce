// SPDX-License-Identifier: Apache-2.0
// Resources of the configuration, read back from the cgroup's files, and what they do.
#include "e2e/support/cgroup.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cleanup.h"
#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

struct Resource {
  const char* name;
  const char* json;  // of $.linux.resources
  const char* controller;
  const char* v1;
  const char* v1_value;  // nullptr: not there on v1
  const char* v2;
  const char* v2_value;  // nullptr: not there on v2
};

void PrintTo(const Resource& resource, std::ostream* out) { *out << resource.name; }

class ResourceValue : public testing::TestWithParam<Resource> {};

TEST_P(ResourceValue, IsInTheCgroupsFile) {
  const Resource& resource = GetParam();
  const char* value = unified_cgroups() ? resource.v2_value : resource.v1_value;
  DHOW_NEEDS(has_controller(resource.controller), "no controller " << resource.controller);
  DHOW_NEEDS(value != nullptr, "this version of cgroups has no such limit");
  Bundle probe({"/bin/testbox", "wait"});
  {
    Container container(probe);
    container.start_detached();
    if (cgroup_value(container.pid(), resource.controller, resource.v1, resource.v2) == "(none)") {
      GTEST_SKIP() << "this kernel has no such file for " << resource.name;
    }
  }
  const json::value given = json::parse(resource.json);
  for (const auto& member : given.as_object()) {
    probe.resources()[member.key()] = member.value();
  }
  Container container(probe);
  container.start_detached();
  EXPECT_THAT(cgroup_value(container.pid(), resource.controller, resource.v1, resource.v2),
              HasSubstr(value));
}

INSTANTIATE_TEST_SUITE_P(
    Config, ResourceValue,
    testing::Values(
        Resource{"memory_limit", R"({"memory": {"limit": 67108864}})", "memory",
                 "memory.limit_in_bytes", "67108864", "memory.max", "67108864"},
        Resource{"memory_reservation", R"({"memory": {"reservation": 33554432}})", "memory",
                 "memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"},
        Resource{"memory_swap", R"({"memory": {"limit": 67108864, "swap": 100663296}})", "memory",
                 "memory.memsw.limit_in_bytes", "100663296", "memory.swap.max", "33554432"},
        Resource{"memory_swappiness", R"({"memory": {"swappiness": 17}})", "memory",
                 "memory.swappiness", "17", "-", nullptr},
        Resource{"memory_oom_killer", R"({"memory": {"disableOOMKiller": true}})", "memory",
                 "memory.oom_control", "oom_kill_disable 1", "-", nullptr},
        Resource{"memory_deprecated", R"({"memory": {"kernel": 1000000, "kernelTCP": 1000000,
                                          "useHierarchy": true, "limit": 67108864}})",
                 "memory", "memory.limit_in_bytes", "67108864", "memory.max", "67108864"},
        Resource{"cpu_shares", R"({"cpu": {"shares": 2048}})", "cpu", "cpu.shares", "2048",
                 "cpu.weight", "1"},
        Resource{"cpu_quota", R"({"cpu": {"quota": 30000, "period": 60000}})", "cpu",
                 "cpu.cfs_quota_us", "30000", "cpu.max", "30000 60000"},
        Resource{"cpu_period", R"({"cpu": {"period": 70000}})", "cpu", "cpu.cfs_period_us", "70000",
                 "cpu.max", "max 70000"},
        Resource{"cpu_burst", R"({"cpu": {"quota": 30000, "burst": 9000}})", "cpu",
                 "cpu.cfs_burst_us", "9000", "cpu.max.burst", "9000"},
        Resource{"cpu_idle", R"({"cpu": {"idle": 1}})", "cpu", "cpu.idle", "1", "cpu.idle", "1"},
        Resource{"cpuset_cpus", R"({"cpu": {"cpus": "0"}})", "cpuset", "cpuset.cpus", "0",
                 "cpuset.cpus", "0"},
        Resource{"cpuset_mems", R"({"cpu": {"mems": "0"}})", "cpuset", "cpuset.mems", "0",
                 "cpuset.mems", "0"},
        Resource{"pids", R"({"pids": {"limit": 55}})", "pids", "pids.max", "55", "pids.max", "55"},
        Resource{"pids_none", R"({"pids": {"limit": -1}})", "pids", "pids.max", "max", "pids.max",
                 "max"},
        Resource{"blkio_weight", R"({"blockIO": {"weight": 300}})", "blkio", "blkio.bfq.weight",
                 "300", "io.weight", nullptr},
        Resource{"blkio_leaf_weight", R"({"blockIO": {"leafWeight": 300}})", "blkio",
                 "blkio.leaf_weight", "300", "-", nullptr},
        Resource{"io_weight", R"({"blockIO": {"weight": 1000}})", "io", "-", nullptr, "io.weight",
                 "default 10000"},
        Resource{"net_cls", R"({"network": {"classID": 1048577}})", "net_cls", "net_cls.classid",
                 "1048577", "-", nullptr},
        Resource{"net_prio", R"({"network": {"priorities": [{"name": "lo", "priority": 5}]}})",
                 "net_prio", "net_prio.ifpriomap", "lo 5", "-", nullptr},
        Resource{"hugetlb", R"({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})",
                 "hugetlb", "hugetlb.2MB.limit_in_bytes", "4194304", "hugetlb.2MB.max", "4194304"},
        Resource{"unified_high", R"({"unified": {"memory.high": "50331648"}})", "memory", "-",
                 nullptr, "memory.high", "50331648"},
        Resource{"unified_last", R"({"pids": {"limit": 10}, "unified": {"pids.max": "44"}})",
                 "pids", "-", nullptr, "pids.max", "44"}),
    [](const testing::TestParamInfo<Resource>& resource) {
      return std::string(resource.param.name);
    });

class Cgroups : public testing::Test {
 protected:
  std::string fault() {
    Container container(bundle_);
    Outcome outcome = container.create();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_FALSE(exists(container.state_dir()));
    EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
    return outcome.err;
  }
  Bundle bundle_{{"/bin/testbox", "wait"}};
};

TEST_F(Cgroups, UnifiedFaultsAreNamed) {
  bundle_.resources()["unified"] = json::object{{"memory.high", "1000000"}};
  if (!unified_cgroups()) {
    EXPECT_THAT(fault(), HasSubstr("cannot use unified on cgroup v1"));
    return;
  }
  bundle_.resources()["unified"] = json::object{{"nosuch.max", "1"}};
  EXPECT_THAT(fault(), HasSubstr("nosuch"));
  bundle_.resources()["unified"] = json::object{{"../pids.max", "1"}};
  EXPECT_THAT(fault(), HasSubstr("pids.max"));
}

// Huge pages have one hierarchy only, whichever version that is.
TEST_F(Cgroups, HugePagesOnAHybridHost) {
  DHOW_NEEDS(!unified_cgroups() && !has_controller("hugetlb") &&
                 read_text("/sys/fs/cgroup/unified/cgroup.controllers").find("hugetlb") !=
                     std::string::npos,
             "huge pages are not on the second hierarchy of a hybrid host");
  bundle_.resources()["hugepageLimits"] =
      json::array{json::object{{"pageSize", "2MB"}, {"limit", 4194304}}};
  Container container(bundle_);
  container.start_detached();
  EXPECT_EQ(read_text(cgroup_folder(container.pid(), "") + "/hugetlb.2MB.max"), "4194304\n");
}

TEST_F(Cgroups, PathsAreBelowTheMount) {
  DHOW_NEEDS(has_controller("pids"), "no pids controller");
  std::string name = "e2e-path-" + std::to_string(::getpid());
  for (std::string path :
       {"/" + name + "/absolute", name + "/relative", "/" + name + "/../" + name + "-up"}) {
    bundle_.linux()["cgroupsPath"] = path;
    Container container(bundle_);
    container.start_detached();
    EXPECT_THAT(cgroup_folder(container.pid(), "pids"), HasSubstr(name));
    EXPECT_THAT(cgroup_folder(container.pid(), "pids"), testing::Not(HasSubstr("..")));
    container.remove();
  }
  for (const std::string& folder : cgroup_folders_with(name)) ::rmdir(folder.c_str());
  EXPECT_TRUE(cgroup_folders_with(name).empty());
}

TEST_F(Cgroups, UsedAndFrozenOnesAreRefused) {
  bundle_.linux()["cgroupsPath"] = "/e2e-used-" + std::to_string(::getpid());
  Container first(bundle_);
  first.start_detached();
  {
    Container second(bundle_);
    Outcome outcome = second.create();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("container's cgroup is not empty"));
  }
  ASSERT_EQ(first.call("pause").code, 0);
  {
    Container second(bundle_);
    Outcome outcome = second.create();
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("container's cgroup"));
  }
  EXPECT_EQ(first.status(), "paused") << "the other one was left alone";
}

TEST_F(Cgroups, LimitOfProcessesHolds) {
  DHOW_NEEDS(has_controller("pids"), "no pids controller");
  bundle_.resources()["pids"] = json::object{{"limit", 3}};
  bundle_.set_script("for i in 1 2 3 4 5 6; do sleep 1000 & done; echo all");
  Container container(bundle_);
  Outcome outcome = container.run();
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("fork"));
}

TEST_F(Cgroups, LimitOfMemoryHolds) {
  DHOW_NEEDS(has_controller("memory"), "no memory controller");
  bundle_.resources()["memory"] = json::object{{"limit", 16777216}, {"swap", 16777216}};
  bundle_.set_args({"/bin/testbox", "eat", "64"});
  Container container(bundle_);
  EXPECT_EQ(container.run().code, 137);
}

TEST_F(Cgroups, SubCgroupsGoWithTheContainer) {
  DHOW_NEEDS(has_controller("pids"), "no pids controller");
  Container container(bundle_);
  container.start_detached();
  std::string folder = cgroup_folder(container.pid(), "pids");
  ASSERT_EQ(::mkdir((folder + "/a").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((folder + "/a/b").c_str(), 0755), 0);
  EXPECT_EQ(container.remove().code, 0);
  EXPECT_FALSE(exists(folder));
}

// Delegated to the container's root on v2: the kernel names the files that may be written.
TEST_F(Cgroups, WritableCgroupsOfAUserNamespaceAreItsRoots) {
  DHOW_NEEDS(unified_cgroups(), "cgroup v1 is never delegated");
  bundle_.use_user_namespace(100000);
  bundle_.add_namespace("cgroup");
  bundle_.remove_mount("/sys/fs/cgroup");
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw,nosuid,noexec,nodev");
  Container container(bundle_);
  container.start_detached();
  struct stat info{};
  std::string folder = cgroup_folder(container.pid(), "");
  ASSERT_EQ(::stat((folder + "/cgroup.procs").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 100000U);
  Outcome made = container.exec({"/bin/mkdir", "/sys/fs/cgroup/mine"});
  EXPECT_EQ(made.code, 0) << made.err;
}

TEST_F(Cgroups, ViewOfTheContainer) {
  bundle_.set_script(
      "cat /proc/self/cgroup; touch /sys/fs/cgroup/x 2>/dev/null || echo read-only; "
      "ls /sys/fs/cgroup | wc -l");
  if (unified_cgroups()) bundle_.add_namespace("cgroup");
  Container container(bundle_);
  Outcome outcome = container.run();
  EXPECT_THAT(outcome.out, HasSubstr("read-only"));
  if (unified_cgroups()) {
    EXPECT_THAT(outcome.out, testing::StartsWith("0::/\n"));
  }
}

// crun's run.oci.delegate-cgroup: the container manages what is below its root, where no process
// is.
TEST_F(Cgroups, DelegatedOnesAreBelowTheContainers) {
  bundle_.config()["annotations"] = json::object{{"run.oci.delegate-cgroup", "payload"}};
  if (!unified_cgroups()) {
    EXPECT_THAT(fault(), HasSubstr("annotation run.oci.delegate-cgroup: needs cgroup v2"));
    return;
  }
  bundle_.add_namespace("cgroup");
  bundle_.remove_mount("/sys/fs/cgroup");
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw,nosuid,noexec,nodev");
  bundle_.resources()["pids"] = json::object{{"limit", 44}};
  Container container(bundle_);
  container.start_detached();
  std::string folder = cgroup_folder(container.pid(), "");
  EXPECT_TRUE(folder.ends_with("/payload")) << folder;
  EXPECT_FALSE(exists(folder + "/pids.max"));
  EXPECT_EQ(read_text(folder + "/../pids.max"), "44\n");
  Outcome inside = container.exec(
      {"/bin/sh", "-c",
       "cat /proc/self/cgroup; cd /sys/fs/cgroup; echo +pids >cgroup.subtree_control; "
       "cat payload/pids.max"});
  EXPECT_EQ(inside.out, "0::/payload\nmax\n") << inside.err;
  // Now the container's own cgroup takes no process: neither does an exec need it to.
  EXPECT_EQ(container.exec({"/bin/true"}).code, 0);
  EXPECT_EQ(container.remove(true).code, 0);
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
}

TEST_F(Cgroups, DelegatedOnesDoNotClimb) {
  DHOW_NEEDS(unified_cgroups(), "needs cgroup v2");
  for (const char* name : {"../beside", "a/../../b", "/..", ".", ""}) {
    bundle_.config()["annotations"] = json::object{{"run.oci.delegate-cgroup", name}};
    EXPECT_THAT(fault(), HasSubstr("annotation run.oci.delegate-cgroup")) << name;
  }
}

// For a systemd in the container that knows no cgroup v2.
TEST_F(Cgroups, SystemdsOldHierarchyCanBeMounted) {
  bundle_.config()["annotations"] =
      json::object{{"run.oci.systemd.force_cgroup_v1", "/sys/fs/cgroup/"}};
  bundle_.set_script("cat /proc/self/mountinfo; ls /sys/fs/cgroup");
  if (!unified_cgroups()) {
    EXPECT_THAT(fault(), HasSubstr("annotation run.oci.systemd.force_cgroup_v1: needs a cgroup "
                                   "namespace"));
    bundle_.add_namespace("cgroup");
  }
  // The kernel makes a hierarchy for the first cgroup namespace only.
  TempDir host;
  ASSERT_EQ(::mount("cgroup", host.path().c_str(), "cgroup", 0, "none,name=systemd"), 0);
  Cleanup unmount([&] { ::umount2(host.path().c_str(), MNT_DETACH); });
  Container container(bundle_);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              testing::ContainsRegex(" /sys/fs/cgroup/systemd .* - cgroup [^ ]+ .*name=systemd"));
  EXPECT_TRUE(outcome.out.ends_with("\nsystemd\n")) << outcome.out;
}

TEST_F(Cgroups, IntelRdtIsSkippedOrToldWithoutTheHardware) {
  DHOW_NEEDS(!exists("/sys/fs/resctrl/schemata"), "the host has resctrl: see intel_rdt_test");
  bundle_.linux()["intelRdt"] = json::object{{"closID", "some"}, {"l3CacheSchema", "L3:0=ff"}};
  EXPECT_THAT(fault(), HasSubstr("resctrl"));
}

}  // namespace
}  // namespace dhow::e2e
