// SPDX-License-Identifier: Apache-2.0
// Writes of the runtime into procfs, and reads of the container out of the runtime's processes.
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/attack.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const int kRounds = rounds(60);

// A hook of the container's mount namespace that mounts `source` over a path of the container: it
// stands for a sibling container that has won the race to do so (CVE-2025-52881), every time.
void cover(Bundle& bundle, const std::string& source, const std::string& path) {
  bundle.add_hook("createContainer", {"/bin/sh", "-c", "exec mount --bind \"$1\" \"$2\"", "sh",
                                      source, bundle.rootfs() + path});
}

// A value that a network namespace of its own has, as seen from the host's mount namespace.
std::string sysctl_of(int pid, const std::string& file) {
  return run_command({"nsenter", "--target", std::to_string(pid), "--net", "--", "cat",
                      "/proc/sys/" + file})
      .out;
}

TEST(AttackProc, CVE_2025_52881_SysctlsAreWrittenToTheKernel) {
  DHOW_NEEDS(has_command("nsenter"), "needs nsenter");
  TempDir fake;
  write_text(fake.path() + "/ip_unprivileged_port_start", "untouched");
  std::string host = read_text("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.linux()["sysctl"] = json::object{{"net.ipv4.ip_unprivileged_port_start", "77"}};
  cover(bundle, fake.path(), "/proc/sys/net/ipv4");
  Container container(bundle);
  Outcome created = container.create();
  ASSERT_EQ(created.code, 0) << created.err;
  EXPECT_EQ(sysctl_of(container.pid(), "net/ipv4/ip_unprivileged_port_start"), "77\n");
  EXPECT_EQ(read_text(fake.path() + "/ip_unprivileged_port_start"), "untouched");
  EXPECT_EQ(read_text("/proc/sys/net/ipv4/ip_unprivileged_port_start"), host);
}

// The cover is a file of procfs too, so that the type of the file system tells nothing: it stands
// in for sysrq-trigger or core_pattern, but belongs to the container's network namespace.
TEST(AttackProc, CVE_2025_52881_WritesAreNotRedirectedToOtherFilesOfProc) {
  DHOW_NEEDS(has_command("nsenter"), "needs nsenter");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.linux()["sysctl"] = json::object{{"net.ipv4.ip_unprivileged_port_start", "77"}};
  bundle.process()["oomScoreAdj"] = 78;
  bundle.add_hook("createContainer",
                  {"/bin/sh", "-c",
                   "cd \"$1/proc/\" || exit 1;"
                   "for file in sys/net/ipv4/ip_unprivileged_port_start [0-9]*/oom_score_adj; do"
                   " mount --bind sys/net/ipv4/ip_default_ttl $file || exit 1; done",
                   "sh", bundle.rootfs()});
  Container container(bundle);
  Outcome created = container.create();
  ASSERT_EQ(created.code, 0) << created.err;
  int pid = container.pid();
  EXPECT_EQ(sysctl_of(pid, "net/ipv4/ip_default_ttl"), "64\n");
  EXPECT_EQ(sysctl_of(pid, "net/ipv4/ip_unprivileged_port_start"), "77\n");
  EXPECT_EQ(read_text("/proc/" + std::to_string(pid) + "/oom_score_adj"), "78\n");
}

// The same with the mount made by the runtime itself: a destination that becomes a link into /proc
// between the check and the mount.
TEST(AttackProc, CVE_2025_52881_RacingDestinationsDoNotRedirectSysctls) {
  TempDir volume;
  TempDir fake;
  fs::create_directory(volume.path() + "/a");
  fs::create_symlink("/proc/sys/net/ipv4", volume.path() + "/b");
  write_text(fake.path() + "/ip_unprivileged_port_start", "untouched");
  Racer racer(volume.path(), "a", "b");
  Bundle victim({"/bin/cat", "/proc/self/mountinfo"});
  victim.linux()["sysctl"] = json::object{{"net.ipv4.ip_unprivileged_port_start", "77"}};
  victim.add_mount("/vol", "bind", volume.path(), "rbind,rw");
  victim.add_mount("/vol/a", "bind", fake.path(), "bind,rw");
  int through = 0;
  for (int round = 0; goes_on(round, through, kRounds); ++round) {
    build_among_host_mounts(victim, round % 2 == 0);
    Outcome outcome = run_victim(victim, round);
    EXPECT_EQ(read_text(fake.path() + "/ip_unprivileged_port_start"), "untouched") << round;
    EXPECT_THAT(outcome.out, Not(HasSubstr(" /proc/sys/net/ipv4 "))) << round;
    if (outcome.code == 0) ++through;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// A security label goes to the kernel or the container doesn't start; a file in the way of it is
// neither written to nor taken for the kernel.
TEST(AttackProc, CVE_2019_16884_LabelsAreNotWrittenToFiles) {
  DHOW_NEEDS(!exists("/sys/kernel/security/apparmor") && !exists("/sys/fs/selinux/enforce"),
             "the host has AppArmor or SELinux: an unknown label fails before it is written");
  for (const char* label : {"apparmorProfile", "selinuxLabel"}) {
    TempDir fake;
    fs::create_directories(fake.path() + "/apparmor");
    for (const char* name : {"/exec", "/keycreate", "/current", "/apparmor/exec"}) {
      write_text(fake.path() + name, "untouched");
    }
    Bundle bundle;
    bundle.process()[label] = "evil";
    // "self" of the hook is another process: every process's folder is covered.
    bundle.add_hook("createContainer",
                    {"/bin/sh", "-c",
                     "for attr in \"$2\"/proc/[0-9]*/attr \"$2\"/proc/[0-9]*/task/*/attr; do"
                     " mount --bind \"$1\" $attr || exit 1; done",
                     "sh", fake.path(), bundle.rootfs()});
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_NE(outcome.code, 0) << label;
    // Without SELinux a label doesn't get as far as procfs.
    EXPECT_THAT(outcome.err, AnyOf(HasSubstr("/proc/self/attr/"), HasSubstr("selinux is disabled")))
        << label;
    for (const char* name : {"/exec", "/keycreate", "/current", "/apparmor/exec"}) {
      EXPECT_EQ(read_text(fake.path() + name), "untouched") << label << name;
    }
  }
}

TEST(AttackProc, CVE_2019_16884_ProcIsAProcfs) {
  for (const char* type : {"tmpfs", "bind"}) {
    for (const char* label : {"apparmorProfile", "selinuxLabel", ""}) {
      TempDir fake;
      Bundle bundle;
      bundle.remove_mount("/proc");
      bundle.linux().erase("maskedPaths");
      bundle.linux().erase("readonlyPaths");
      if (*label != '\0') bundle.process()[label] = "evil";
      bundle.add_mount("/proc", type, std::string(type) == "bind" ? fake.path() : "tmpfs", type);
      json::array& options = bundle.config()["mounts"].as_array().back().at("options").as_array();
      if (std::string(type) == "tmpfs") options.clear();
      Container container(bundle);
      Outcome outcome = container.run();
      EXPECT_NE(outcome.code, 0) << type << label;
      EXPECT_THAT(outcome.err, AnyOf(HasSubstr("/proc"), HasSubstr("selinux is disabled")))
          << type << label;
      EXPECT_TRUE(fs::is_empty(fake.path())) << type << label;
    }
  }
}

// A label on exec into a container whose /proc was covered meanwhile.
TEST(AttackProc, CVE_2025_52881_ExecLabelsAreNotWrittenToFiles) {
  DHOW_NEEDS(!exists("/sys/kernel/security/apparmor"), "the host has AppArmor");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.add_capabilities({"CAP_SYS_ADMIN"});
  Container container(bundle);
  container.start_detached();
  Outcome covered = container.exec(
      {"/bin/sh", "-c",
       "mount -t tmpfs fake /proc && mkdir -p /proc/self/attr/apparmor /proc/thread-self/attr &&"
       " echo untouched >/proc/self/attr/apparmor/exec && echo untouched >/proc/self/attr/exec"});
  ASSERT_EQ(covered.code, 0) << covered.err;
  Outcome outcome = container.exec({"/bin/true"}, {"--apparmor", "evil"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("apply apparmor profile"));
  Outcome left =
      container.exec({"/bin/cat", "/proc/self/attr/apparmor/exec", "/proc/self/attr/exec"});
  EXPECT_EQ(left.out, "untouched\nuntouched\n");
}

TEST(AttackProc, CVE_2023_27561_SysMustBeAnOrdinaryFolder) {
  for (const char* top : {"/proc", "/sys"}) {
    TempDir outside;
    for (const std::string& target : {std::string("evil"), outside.path()}) {
      Bundle bundle;
      fs::remove(bundle.rootfs() + top);
      fs::create_directory(bundle.rootfs() + "/evil");
      fs::create_symlink(target, bundle.rootfs() + top);
      Container container(bundle);
      Outcome outcome = container.run();
      EXPECT_EQ(outcome.code, 1) << top << target;
      EXPECT_THAT(outcome.err, HasSubstr("must be mounted on ordinary directory"));
    }
    EXPECT_TRUE(fs::is_empty(outside.path()));
  }
}

}  // namespace
}  // namespace dhow::e2e
