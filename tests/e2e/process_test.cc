// SPDX-License-Identifier: Apache-2.0
// The process object of the configuration, as the process itself sees it.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

class Process : public testing::Test {
 protected:
  Outcome run() {
    Container container(bundle_);
    return container.run();
  }
  Outcome run(std::string_view script) {
    bundle_.set_script(script);
    return run();
  }
  std::string fault() { return fault_of_create(bundle_); }
  json::object& process() { return bundle_.process(); }
  Bundle bundle_;
};

TEST_F(Process, UserGroupsAndUmask) {
  EXPECT_EQ(run("umask; id -u; id -G").out, "0022\n0\n0\n");
  process()["user"] =
      json::object{{"uid", 7}, {"gid", 8}, {"additionalGids", {9, 10}}, {"umask", 7}};
  EXPECT_EQ(run("umask; id -u; id -G").out, "0007\n7\n8 9 10\n");
}

TEST_F(Process, AllFiveCapabilitySets) {
  bundle_.set_args({"/bin/testbox", "status", "Cap"});
  process()["user"] = json::object{{"uid", 1000}, {"gid", 1000}};
  process()["capabilities"] = json::object{{"bounding", {"CAP_CHOWN", "CAP_KILL"}},
                                           {"permitted", {"CAP_CHOWN", "CAP_KILL"}},
                                           {"effective", {"CAP_KILL"}},
                                           {"inheritable", {"CAP_KILL"}},
                                           {"ambient", {"CAP_KILL"}}};
  // Of a user's permitted ones only the ambient are left after execve (capabilities(7)).
  EXPECT_EQ(run().out,
            "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
            "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020\n");
}

TEST_F(Process, UnknownCapabilityIsAWarning) {
  process()["capabilities"].as_object()["bounding"].as_array().emplace_back("CAP_FLY");
  Outcome outcome = run("echo runs");
  EXPECT_EQ(outcome.out, "runs\n");
  EXPECT_THAT(outcome.err, HasSubstr("level=warning"));
  EXPECT_THAT(outcome.err, HasSubstr("CAP_FLY"));
}

TEST_F(Process, NoNewPrivileges) {
  for (bool value : {true, false}) {
    process()["noNewPrivileges"] = value;
    bundle_.set_args({"/bin/testbox", "status", "NoNewPrivs"});
    EXPECT_EQ(run().out, value ? "NoNewPrivs:\t1\n" : "NoNewPrivs:\t0\n");
  }
}

TEST_F(Process, ResourceLimits) {
  process()["rlimits"] =
      json::array{json::object{{"type", "RLIMIT_NOFILE"}, {"soft", 64}, {"hard", 128}},
                  json::object{{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 4096}},
                  json::object{{"type", "RLIMIT_CPU"}, {"soft", 1000}, {"hard", 2000}}};
  EXPECT_EQ(run("testbox rlimit 7; testbox rlimit 4; testbox rlimit 0").out,
            "64 128\n0 4096\n1000 2000\n");
  process()["rlimits"].as_array().push_back(
      json::object{{"type", "RLIMIT_CPU"}, {"soft", 1}, {"hard", 1}});
  EXPECT_THAT(fault(), HasSubstr("$.process.rlimits[3]"));
  process()["rlimits"] = json::array{json::object{{"type", "RLIMIT_X"}, {"soft", 1}, {"hard", 1}}};
  EXPECT_THAT(fault(), HasSubstr("$.process.rlimits[0]"));
}

TEST_F(Process, OomScore) {
  process()["oomScoreAdj"] = 321;
  EXPECT_EQ(run("cat /proc/self/oom_score_adj").out, "321\n");
  process()["oomScoreAdj"] = 1001;
  EXPECT_THAT(fault(), HasSubstr("oomScoreAdj"));
}

TEST_F(Process, SchedulerAndIoPriority) {
  process()["scheduler"] = json::object{{"policy", "SCHED_BATCH"}, {"nice", 5}};
  process()["ioPriority"] = json::object{{"class", "IOPRIO_CLASS_BE"}, {"priority", 3}};
  EXPECT_EQ(run("testbox scheduler; testbox ioprio").out,
            "policy 3 nice 5 priority 0\nclass 2 level 3\n");
  process()["scheduler"] = json::object{{"policy", "SCHED_IDLE"}};
  process()["ioPriority"] = json::object{{"class", "IOPRIO_CLASS_IDLE"}};
  Outcome idle = run("testbox scheduler; testbox ioprio");
  EXPECT_THAT(idle.out, HasSubstr("policy 5 "));
  EXPECT_THAT(idle.out, HasSubstr("class 3 "));
  process()["scheduler"] = json::object{{"policy", "SCHED_WILD"}};
  EXPECT_THAT(fault(), HasSubstr("$.process.scheduler.policy"));
  process().erase("scheduler");
  process()["ioPriority"] = json::object{{"class", "IOPRIO_CLASS_BE"}, {"priority", 8}};
  EXPECT_THAT(fault(), HasSubstr("$.process.ioPriority.priority"));
}

TEST_F(Process, Personality) {
  bundle_.linux()["personality"] = json::object{{"domain", "LINUX32"}};
  EXPECT_EQ(run("testbox personality").out, "8\n");
  bundle_.linux()["personality"] = json::object{{"domain", "LINUX"}};
  EXPECT_EQ(run("testbox personality").out, "0\n");
  bundle_.linux()["personality"] = json::object{{"domain", "BSD"}};
  EXPECT_THAT(fault(), HasSubstr("$.linux.personality.domain"));
}

TEST_F(Process, MemoryPolicy) {
  bundle_.linux()["memoryPolicy"] = json::object{{"mode", "MPOL_BEST"}};
  EXPECT_THAT(fault(), HasSubstr("$.linux.memoryPolicy.mode"));
  bundle_.linux()["memoryPolicy"] = json::object{{"mode", "MPOL_BIND"}, {"nodes", "x"}};
  EXPECT_THAT(fault(), HasSubstr("$.linux.memoryPolicy.nodes"));
  bundle_.linux()["memoryPolicy"] = json::object{{"mode", "MPOL_BIND"}, {"nodes", "0"}};
  int mode = 0;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0UL, nullptr, 0UL) != 0 && errno == ENOSYS) {
    EXPECT_THAT(fault(), HasSubstr("not implemented"));
    GTEST_SKIP() << "the kernel has no memory policies: the error was looked at";
  }
  EXPECT_EQ(run("testbox mempolicy").out, "mode 2\n");
}

TEST_F(Process, WorkingFolderIsMadeAndChecked) {
  process()["cwd"] = "/made/for/me";
  EXPECT_EQ(run("pwd").out, "/made/for/me\n");
  process()["cwd"] = "relative";
  EXPECT_THAT(fault(), HasSubstr("$.process.cwd"));
  process()["cwd"] = "/etc/passwd";
  EXPECT_THAT(fault(), HasSubstr("chdir to cwd"));
}

TEST_F(Process, ProgramIsLookedUpInItsOwnPath) {
  write_text(bundle_.rootfs() + "/home/tool", "#!/bin/sh\necho found $0 $1\n", 0755);
  bundle_.set_args({"tool", "arg"});
  process()["env"] = json::array{"PATH=/nowhere:/home:/bin"};
  EXPECT_EQ(run().out, "found /home/tool arg\n");
  process()["env"] = json::array{"PATH=/nowhere"};
  EXPECT_THAT(fault(), HasSubstr("executable file not found in $PATH"));
  process()["env"] = json::array{};
  bundle_.set_args({"testbox", "exit", "9"});
  EXPECT_EQ(run().code, 9) << "without PATH the usual folders are searched";
  process()["cwd"] = "/home";
  bundle_.set_args({"./tool", "arg"});
  EXPECT_EQ(run().out, "found ./tool arg\n");
}

TEST_F(Process, EnvironmentAndHome) {
  process()["env"] = json::array{"PATH=/bin", "A=1", "A=2", "EMPTY="};
  EXPECT_EQ(run("echo $A; echo $HOME; env | grep -c EMPTY").out, "2\n/root\n1\n");
  process()["env"] = json::array{"PATH=/bin", "HOME="};
  EXPECT_EQ(run("echo $HOME").out, "/root\n");
  process()["user"] = json::object{{"uid", 1000}, {"gid", 1000}};
  EXPECT_EQ(run("echo $HOME").out, "/home\n");
  process()["env"] = json::array{"PATH=/bin", "HOME=/mine"};
  EXPECT_EQ(run("echo $HOME").out, "/mine\n");
}

TEST_F(Process, NamesOfTheHostAndSysctls) {
  bundle_.config()["hostname"] = "some-host";
  bundle_.config()["domainname"] = "some.domain";
  bundle_.linux()["sysctl"] =
      json::object{{"net.ipv4.ip_default_ttl", "77"}, {"kernel/msgmax", "4096"}};
  EXPECT_EQ(run("hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_default_ttl "
                "/proc/sys/kernel/msgmax")
                .out,
            "some-host\nsome.domain\n77\n4096\n");
  for (const char* key : {"vm.swappiness", "kernel.hostname", "kernel.no_such"}) {
    bundle_.linux()["sysctl"] = json::object{{key, "1"}};
    EXPECT_THAT(fault(), HasSubstr(key));
  }
  bundle_.linux().erase("sysctl");
  bundle_.remove_namespace("uts");
  EXPECT_THAT(fault(), HasSubstr("$.hostname"));
}

TEST_F(Process, SecurityModulesThatAreOff) {
  DHOW_NEEDS(!exists("/sys/fs/selinux/enforce"), "SELinux is on");
  process()["selinuxLabel"] = "system_u:object_r:x:s0";
  EXPECT_THAT(fault(), HasSubstr("selinux label is specified in config, but selinux is disabled"));
  process().erase("selinuxLabel");
  DHOW_NEEDS(!read_text("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
             "AppArmor is on");
  process()["apparmorProfile"] = "no-such";
  EXPECT_THAT(fault(), HasSubstr("apparmor"));
}

TEST_F(Process, RequiredFields) {
  process().erase("args");
  EXPECT_THAT(fault(), HasSubstr("$.process.args"));
  bundle_.config().erase("process");
  EXPECT_THAT(fault(), HasSubstr("$.process"));
}

class TopLevel : public Process {};

TEST_F(TopLevel, VersionsOfTheSpecification) {
  for (const char* version : {"1.0.0", "1.0.2-dev", "1.2.1", "1.3.0"}) {
    bundle_.config()["ociVersion"] = version;
    EXPECT_EQ(run("true").code, 0) << version;
  }
  for (const char* version : {"0.9.0", "2.0.0", "new", ""}) {
    bundle_.config()["ociVersion"] = version;
    EXPECT_THAT(fault(), HasSubstr("$.ociVersion")) << version;
  }
}

TEST_F(TopLevel, RootPathAndReadonly) {
  bundle_.config()["root"] = json::object{{"path", bundle_.rootfs()}, {"readonly", true}};
  EXPECT_EQ(run("touch /x 2>/dev/null || echo no").out, "no\n");
  bundle_.config()["root"] = json::object{{"path", "rootfs"}};
  EXPECT_EQ(run("touch /x && echo yes").out, "yes\n");
  bundle_.config()["root"] = json::object{{"path", "no-such"}};
  EXPECT_THAT(fault(), HasSubstr("no-such"));
  bundle_.config().erase("root");
  EXPECT_THAT(fault(), HasSubstr("$.root"));
}

TEST_F(TopLevel, SectionsOfOtherSystemsAreIgnored) {
  for (const char* name : {"windows", "solaris", "zos", "freebsd", "vm"}) {
    bundle_.config()[name] = json::object{{"anything", 1}};
  }
  EXPECT_EQ(run("echo runs").out, "runs\n");
}

}  // namespace
}  // namespace dhow::e2e
