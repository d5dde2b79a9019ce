// SPDX-License-Identifier: Apache-2.0
// exec: every flag, and the process file.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/cgroup.h"

namespace dhow::e2e {
namespace {

using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class Exec : public testing::Test {
 protected:
  Exec() : bundle_({"/bin/testbox", "wait"}), container_(bundle_) {}
  void start() { container_.start_detached(); }
  // exec --process FILE
  Outcome exec_process(json::object process) {
    std::string file = bundle_.path() + "/process.json";
    process.emplace("cwd", "/");
    process.emplace("user", json::object{{"uid", 0}, {"gid", 0}});
    write_text(file, json::serialize(process));
    return container_.call("exec", {"--process", file});
  }
  Bundle bundle_;
  Container container_;
};

TEST_F(Exec, WorkingFolderEnvironmentAndUser) {
  start();
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "pwd"}, {"--cwd", "/etc"}).out, "/etc\n");
  Outcome relative = container_.exec({"/bin/true"}, {"--cwd", "etc"});
  EXPECT_EQ(relative.code, 255);
  Outcome env = container_.exec({"/bin/env"}, {"-e", "A=1", "--env", "B=2,3", "--env=A=4"});
  EXPECT_THAT(env.out, HasSubstr("A=4\n"));
  EXPECT_THAT(env.out, HasSubstr("B=2,3\n"));
  EXPECT_THAT(env.out, HasSubstr("PATH="));
  EXPECT_EQ(container_.exec({"/bin/id", "-u"}, {"-u", "1000:1000"}).out, "1000\n");
  EXPECT_EQ(container_.exec({"/bin/id", "-g"}, {"-u", "1000:7"}).out, "7\n");
  EXPECT_EQ(
      container_.exec({"/bin/id", "-G"}, {"--user", "5:6", "-g", "7", "--additional-gids", "8"})
          .out,
      "6 7 8\n");
}

TEST_F(Exec, HomeComesFromTheContainersPasswd) {
  start();
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "echo $HOME"}).out, "/root\n");
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "echo $HOME"}, {"-u", "1000"}).out, "/home\n");
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "echo $HOME"}, {"-u", "77"}).out, "/\n");
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "echo $HOME"}, {"-e", "HOME=/x"}).out, "/x\n");
}

TEST_F(Exec, ExitCodesAreTheCommandsOr255) {
  start();
  EXPECT_EQ(container_.exec({"/bin/testbox", "exit", "1"}).code, 1);
  EXPECT_EQ(container_.exec({"/bin/testbox", "exit", "200"}).code, 200);
  EXPECT_EQ(container_.exec({"/bin/sh", "-c", "kill -15 $$"}).code, 128 + 15);
  Outcome missing = container_.exec({"no-such"});
  EXPECT_EQ(missing.code, 255);
  EXPECT_THAT(missing.err, HasSubstr("exec failed: unable to start container process: exec: "
                                     "\\\"no-such\\\": executable file not found in $PATH"));
  EXPECT_EQ(container_.exec({}).code, 255);
  Outcome folder = container_.exec({"/etc"});
  EXPECT_EQ(folder.code, 255);
  EXPECT_THAT(folder.err, HasSubstr("is a directory"));
}

TEST_F(Exec, DetachedReturnsAndTheProcessLives) {
  start();
  int pid = container_.exec_detached({"/bin/sleep", "1000"});
  EXPECT_TRUE(exists("/proc/" + std::to_string(pid)));
  EXPECT_EQ(json::parse(container_.call("ps", {"-f", "json"}).out).as_array().size(), 2U);
}

TEST_F(Exec, CapabilitiesAndNoNewPrivileges) {
  bundle_.process()["noNewPrivileges"] = false;
  start();
  Outcome plain = container_.exec({"/bin/testbox", "status", "NoNewPrivs", "CapEff"});
  EXPECT_THAT(plain.out, HasSubstr("NoNewPrivs:\t0"));
  Outcome more = container_.exec({"/bin/testbox", "status", "NoNewPrivs", "CapEff", "CapBnd"},
                                 {"--no-new-privs", "-c", "CAP_CHOWN", "--cap", "CAP_FOWNER"});
  EXPECT_THAT(more.out, HasSubstr("NoNewPrivs:\t1"));
  // The default's KILL, NET_BIND_SERVICE and AUDIT_WRITE, and the two.
  EXPECT_THAT(more.out, HasSubstr("CapEff:\t0000000020000429"));
  EXPECT_THAT(more.out, HasSubstr("CapBnd:\t0000000020000429"));
  Outcome unknown = container_.exec({"/bin/true"}, {"--cap", "CAP_FLY"});
  EXPECT_EQ(unknown.code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("CAP_FLY"));
}

TEST_F(Exec, SecurityLabelsOfModulesThatAreOff) {
  DHOW_NEEDS(!exists("/sys/fs/selinux/enforce"), "SELinux is on");
  start();
  Outcome label = container_.exec({"/bin/true"}, {"--process-label", "system_u:object_r:x:s0"});
  EXPECT_EQ(label.code, 255);
  EXPECT_THAT(label.err, HasSubstr("selinux label is specified in config, but selinux is disabled "
                                   "or not supported"));
  DHOW_NEEDS(!read_text("/sys/module/apparmor/parameters/enabled").starts_with('Y'),
             "AppArmor is on");
  Outcome profile = container_.exec({"/bin/true"}, {"--apparmor", "no-such"});
  EXPECT_EQ(profile.code, 255);
  EXPECT_THAT(profile.err, ContainsRegex("/proc/[^ ]*/attr/[a-z/]*exec"));  // podman's expression
  EXPECT_THAT(profile.err, HasSubstr("apparmor"));
}

TEST_F(Exec, ProcessFileSaysItAll) {
  start();
  Outcome outcome =
      exec_process({{"args",
                     {"/bin/sh", "-c",
                      "id -u; id -G; pwd; echo $X; umask; cat /proc/self/oom_score_adj; "
                      "testbox rlimit 7; testbox status NoNewPrivs CapEff"}},
                    {"env", {"PATH=/bin", "X=y"}},
                    {"cwd", "/tmp"},
                    {"user", {{"uid", 3}, {"gid", 4}, {"additionalGids", {5}}, {"umask", 63}}},
                    {"oomScoreAdj", 700},
                    {"noNewPrivileges", true},
                    {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}}}}});
  EXPECT_EQ(outcome.out,
            "3\n4 5\n/tmp\ny\n0077\n700\n100 200\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n")
      << outcome.err;
}

TEST_F(Exec, ProcessFileWithScheduling) {
  start();
  Outcome outcome = exec_process(
      {{"args",
        {"/bin/sh", "-c", "testbox scheduler; testbox ioprio; testbox status Cpus_allowed_list"}},
       {"env", {"PATH=/bin"}},
       {"scheduler", {{"policy", "SCHED_BATCH"}, {"nice", 3}}},
       {"ioPriority", {{"class", "IOPRIO_CLASS_BE"}, {"priority", 6}}},
       {"execCPUAffinity", {{"initial", "0"}, {"final", "0"}}}});
  EXPECT_EQ(outcome.out, "policy 3 nice 3 priority 0\nclass 2 level 6\nCpus_allowed_list:\t0\n")
      << outcome.err;
}

TEST_F(Exec, AffinityOfTheConfigurationIsForExecOnly) {
  DHOW_NEEDS(::sysconf(_SC_NPROCESSORS_ONLN) > 1, "has only one CPU");
  bundle_.process()["execCPUAffinity"] = json::object{{"final", "1"}};
  start();
  EXPECT_EQ(container_.exec({"/bin/testbox", "status", "Cpus_allowed_list"}).out,
            "Cpus_allowed_list:\t1\n");
  std::string init = read_text("/proc/" + std::to_string(container_.pid()) + "/status");
  EXPECT_THAT(init, Not(HasSubstr("Cpus_allowed_list:\t1\n")));
}

TEST_F(Exec, WrongProcessFileNamesItsFault) {
  start();
  Outcome outcome = exec_process({{"args", "no list"}});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_THAT(outcome.err, HasSubstr("$.args"));
  EXPECT_EQ(exec_process({{"args", json::array()}}).code, 255);
  EXPECT_EQ(container_.call("exec", {"--process", "/no/such"}).code, 255);
}

TEST_F(Exec, PreservedDescriptorsAndNoOthers) {
  start();
  CommandOptions options;
  options.descriptors = {{1, 3}, {1, 4}};
  Outcome outcome = container_.exec({"/bin/testbox", "fds"}, {"--preserve-fds", "1"}, options);
  EXPECT_THAT(outcome.out, HasSubstr("\n3 ")) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("\n4 ")));
}

TEST_F(Exec, PausedContainerTakesItWhenToldTo) {
  start();
  ASSERT_EQ(container_.call("pause").code, 0);
  EXPECT_THAT(container_.exec({"/bin/true"}).err,
              HasSubstr("cannot exec in a paused container (use --ignore-paused to override)"));
  Background exec(container_.command_line("exec", {"--ignore-paused"}, {"/bin/echo", "thawed"}));
  // It is frozen with the others, and goes on with them.
  ASSERT_TRUE(eventually([&] {
    Outcome pids = container_.call("ps", {"--format", "json"});
    return pids.code == 0 && json::parse(pids.out).as_array().size() > 1;
  }));
  ASSERT_EQ(container_.call("resume").code, 0);
  Outcome outcome = exec.wait();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "thawed\n");
}

TEST_F(Exec, SubCgroups) {
  DHOW_NEEDS(has_controller("pids"), "no pids controller");
  start();
  std::string folder = cgroup_folder(container_.pid(), "pids") + "/sub";
  ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0) << folder;
  std::string flag = unified_cgroups() ? "sub" : "pids:sub";
  Outcome inside = container_.exec({"/bin/cat", "/proc/self/cgroup"}, {"--cgroup", flag});
  EXPECT_EQ(inside.code, 0) << inside.err;
  EXPECT_THAT(inside.out, HasSubstr("/sub\n"));
  Outcome outside = container_.exec({"/bin/cat", "/proc/self/cgroup"});
  EXPECT_THAT(outside.out, Not(HasSubstr("/sub\n")));
  for (std::string wrong : {"no-such", "../..", "nosuch:sub"}) {
    Outcome refused = container_.exec({"/bin/true"}, {"--cgroup", wrong});
    EXPECT_EQ(refused.code, 255) << wrong;
  }
  EXPECT_THAT(container_.exec({"/bin/true"}, {"--cgroup", "../.."}).err,
              HasSubstr("bad sub cgroup path"));
  if (!unified_cgroups()) {
    EXPECT_THAT(container_.exec({"/bin/true"}, {"--cgroup", "nosuch:sub"}).err,
                HasSubstr("unknown controller"));
  }
}

TEST_F(Exec, IsInEachCgroupOfTheContainer) {
  start();
  std::string init = read_text("/proc/" + std::to_string(container_.pid()) + "/cgroup");
  int pid = container_.exec_detached({"/bin/sleep", "1000"});
  EXPECT_EQ(read_text("/proc/" + std::to_string(pid) + "/cgroup"), init);
}

TEST_F(Exec, SeccompAndPersonalityOfTheContainerHold) {
  json::object rule{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}};
  bundle_.linux()["seccomp"] =
      json::object{{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", json::array{rule}}};
  bundle_.linux()["personality"] = json::object{{"domain", "LINUX32"}};
  start();
  EXPECT_EQ(container_.exec({"/bin/mkdir", "/tmp/x"}).code, 1);
  EXPECT_EQ(container_.exec({"/bin/testbox", "personality"}).out, "8\n");
}

}  // namespace
}  // namespace dhow::e2e
