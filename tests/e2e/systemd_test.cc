// SPDX-License-Identifier: Apache-2.0
// The systemd driver, where systemd is process 1: root's containers by the system's manager, an
// ordinary user's by its own.
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/cgroup.h"
#include "e2e/support/rootless.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

class SystemdDriver : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_systemd()) GTEST_SKIP() << "systemd is not process 1 here";
    if (!is_root() && ::getenv("DBUS_SESSION_BUS_ADDRESS") == nullptr) {
      GTEST_SKIP() << "this user has no session bus";
    }
  }

  // A bundle that waits, for whoever runs the tests.
  static void make_waiting(Bundle& bundle) {
    bundle.set_args({"/bin/testbox", "wait"});
    if (!is_root()) make_rootless(bundle);
    bundle.linux()["resources"] = json::object{};
  }

  static void use(Container& container, Bundle& bundle) {
    container.set_global({"--systemd-cgroup"});
    bundle.linux()["cgroupsPath"] =
        std::string(is_root() ? "system.slice" : "user.slice") + ":e2e:" + container.id();
  }

  static std::string scope_of(const Container& container) {
    return "e2e-" + container.id() + ".scope";
  }

  // A property of the scope, without its name; with the manager's own formatting.
  static std::string property(const Container& container, const std::string& name) {
    std::vector<std::string> line{"systemctl"};
    if (!is_root()) line.emplace_back("--user");
    for (const std::string& part :
         {std::string("show"), "--property=" + name, std::string("--value"), scope_of(container)}) {
      line.push_back(part);
    }
    std::string text = run_command(line).out;
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
  }

  static std::string limit(const Container& container, const std::string& file) {
    return read_text("/sys/fs/cgroup" + property(container, "ControlGroup") + "/" + file);
  }
};

TEST_F(SystemdDriver, LivesFromCreateToDelete) {
  Bundle bundle;
  make_waiting(bundle);
  Container container(bundle);
  use(container, bundle);
  Outcome created = container.create();
  ASSERT_EQ(created.code, 0) << created.err;
  EXPECT_EQ(property(container, "ActiveState"), "active");
  EXPECT_EQ(property(container, "Delegate"), "yes");
  EXPECT_EQ(property(container, "Slice"), is_root() ? "system.slice" : "user.slice");
  EXPECT_THAT(property(container, "Description"), HasSubstr(container.id()));
  EXPECT_THAT(limit(container, "cgroup.procs"), HasSubstr(std::to_string(container.pid())));
  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(container.status(), "running");
  Outcome outcome = container.exec({"/bin/sh", "-c", "cat /proc/self/cgroup; exit 3"});
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  // In a cgroup namespace of its own the scope is the root.
  EXPECT_EQ(outcome.out, "0::/\n");
  EXPECT_EQ(container.call("kill", {}, {"KILL"}).code, 0);
  EXPECT_TRUE(container.wait_for_status("stopped"));
  Outcome removed = container.remove(false);
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_EQ(property(container, "LoadState"), "not-found");
}

TEST_F(SystemdDriver, RunLeavesNoScope) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.set_script("echo out; exit 7");
  Container container(bundle);
  use(container, bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 7) << outcome.err;
  EXPECT_EQ(outcome.out, "out\n");
  EXPECT_EQ(property(container, "LoadState"), "not-found");
}

TEST_F(SystemdDriver, LimitsAreTheScopesToo) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.linux()["resources"] = {{"pids", {{"limit", 40}}},
                                 {"memory", {{"limit", 64 << 20}}},
                                 {"cpu", {{"quota", 50000}, {"period", 100000}}}};
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  EXPECT_EQ(property(container, "TasksMax"), "40");
  EXPECT_EQ(property(container, "MemoryMax"), "67108864");
  EXPECT_EQ(property(container, "CPUQuotaPerSecUSec"), "500ms");
  EXPECT_EQ(limit(container, "memory.max"), "67108864\n");
  EXPECT_EQ(limit(container, "cpu.max"), "50000 100000\n");
  Outcome updated =
      container.call("update", {"--pids-limit", "30", "--memory", "32M", "--cpu-quota", "20000"});
  EXPECT_EQ(updated.code, 0) << updated.err;
  EXPECT_EQ(property(container, "TasksMax"), "30");
  EXPECT_EQ(property(container, "MemoryMax"), "33554432");
  EXPECT_EQ(property(container, "CPUQuotaPerSecUSec"), "200ms");
  EXPECT_EQ(limit(container, "pids.max"), "30\n");
  EXPECT_EQ(limit(container, "memory.max"), "33554432\n");
  EXPECT_EQ(limit(container, "cpu.max"), "20000 100000\n");
}

TEST_F(SystemdDriver, PausesAndResumes) {
  Bundle bundle;
  make_waiting(bundle);
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  Outcome outcome = container.call("pause");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "paused");
  EXPECT_THAT(limit(container, "cgroup.events"), HasSubstr("frozen 1"));
  outcome = container.call("resume");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "running");
  outcome = container.exec({"/bin/true"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(SystemdDriver, AnnotationsSetProperties) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.config()["annotations"] = {{"org.systemd.property.TimeoutStopUSec", "uint64 7000000"},
                                    {"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                                    {"org.systemd.property.Documentation", "['man:dhow(1)']"}};
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  EXPECT_EQ(property(container, "TimeoutStopUSec"), "7s");
  EXPECT_EQ(property(container, "CollectMode"), "inactive-or-failed");
  EXPECT_EQ(property(container, "Documentation"), "\"man:dhow(1)\"");
}

TEST_F(SystemdDriver, TheDefaultPathIsAScopeOfTheId) {
  Bundle bundle;
  make_waiting(bundle);
  Container container(bundle);
  container.set_global({"--systemd-cgroup"});
  container.start_detached();
  std::vector<std::string> folders = cgroup_folders_with(container.id());
  ASSERT_FALSE(folders.empty());
  EXPECT_TRUE(folders.front().ends_with("-" + container.id() + ".scope")) << folders.front();
}

TEST_F(SystemdDriver, DevicesStayDeniedAfterAReload) {
  if (!is_root()) GTEST_SKIP() << "a user's manager sets no device rules";
  Bundle bundle;
  make_waiting(bundle);
  bundle.linux()["resources"] = {{"devices", {{{"allow", false}, {"access", "rwm"}}}}};
  bundle.add_capabilities({"CAP_MKNOD"});
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  EXPECT_EQ(run_command({"systemctl", "daemon-reload"}).code, 0);
  Outcome outcome = container.exec({"/bin/sh", "-c", "echo text >/dev/null && echo null"});
  EXPECT_EQ(outcome.out, "null\n") << outcome.err;
  // The node may be made, as everywhere, but not be opened.
  outcome = container.exec({"/bin/busybox", "mknod", "/dev/other", "c", "10", "229"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  outcome = container.exec({"/bin/sh", "-c", "exec 3<>/dev/other"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("Operation not permitted"));
}

TEST_F(SystemdDriver, DelegatedCgroupsAreBelowTheSubgroup) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.config()["annotations"] = json::object{{"run.oci.systemd.subgroup", "container"},
                                                {"run.oci.delegate-cgroup", "payload"}};
  bundle.add_namespace("cgroup");
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  std::string folder = cgroup_folder(container.pid(), "");
  EXPECT_TRUE(folder.ends_with(".scope/container/payload")) << folder;
  EXPECT_EQ(container.exec({"/bin/cat", "/proc/self/cgroup"}).out, "0::/payload\n");
  EXPECT_EQ(container.remove(true).code, 0);
  EXPECT_FALSE(exists(folder));
}

TEST_F(SystemdDriver, AWrongPathIsRefused) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.linux()["cgroupsPath"] = "/not/of/systemd";
  Container container(bundle);
  container.set_global({"--systemd-cgroup"});
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("slice:prefix:name"));
}

TEST_F(SystemdDriver, DeleteByForceTakesTheWholeScope) {
  Bundle bundle;
  make_waiting(bundle);
  bundle.set_script("sleep 1000 & sleep 1000 & echo up; wait");
  Container container(bundle);
  use(container, bundle);
  container.start_detached();
  Outcome removed = container.remove(true);
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_EQ(property(container, "LoadState"), "not-found");
}

}  // namespace
}  // namespace dhow::e2e
