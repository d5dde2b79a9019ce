// SPDX-License-Identifier: Apache-2.0
// Parts of config.json as a container sees them.
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

TEST(Config, WrongFieldNamesItsPath) {
  Bundle bundle;
  bundle.process()["user"].as_object()["uid"] = "zero";
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("$.process.user.uid"));
}

TEST(Config, UnknownFieldIsIgnored) {
  Bundle bundle;
  bundle.config()["someday"] = 1;
  Container container(bundle);
  EXPECT_EQ(container.run().code, 0);
}

TEST(Config, MissingProgramIsToldByCreate) {
  Bundle bundle({"no-such-program"});
  Container container(bundle);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("executable file not found in $PATH"));
}

TEST(Config, UserNamespaceMapsRoot) {
  DHOW_NEEDS(is_root(), "maps a range of ids, which needs root");
  Bundle bundle;
  bundle.use_user_namespace(100000);
  bundle.set_script("id -u; cat /proc/self/uid_map");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("0\n"));
  EXPECT_THAT(outcome.out, HasSubstr("100000"));
}

TEST(Config, HooksRunInOrderWithTheStateOnTheirInput) {
  Bundle bundle;
  std::string log = bundle.path() + "/hooks.log";
  for (const char* kind :
       {"prestart", "createRuntime", "createContainer", "poststart", "poststop"}) {
    bundle.add_hook(kind, {"/bin/sh", "-c",
                           std::string("read -r state; echo ") + kind + " ${#state} >> " + log});
  }
  Container container(bundle);
  Outcome outcome = container.run();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::string text = read_text(log);
  std::size_t last = 0;
  for (const char* kind :
       {"prestart", "createRuntime", "createContainer", "poststart", "poststop"}) {
    std::size_t at = text.find(std::string(kind) + " ");
    ASSERT_NE(at, std::string::npos) << kind << " is missing in:\n" << text;
    EXPECT_GE(at, last) << text;
    last = at;
  }
}

TEST(Config, FailingHookStopsTheCreateAndLeavesNothing) {
  Bundle bundle;
  bundle.add_hook("createRuntime", {"/bin/sh", "-c", "echo no >&2; exit 3"});
  Container container(bundle);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("error running createRuntime hook #0: exit status 3"));
  EXPECT_FALSE(exists(container.state_dir()));
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
}

TEST(Config, HookThatRunsPastItsTimeoutIsKilled) {
  Bundle bundle;
  bundle.add_hook("createRuntime", {"/bin/sleep", "600"});
  bundle.config()["hooks"].at("createRuntime").as_array()[0].as_object()["timeout"] = 1;
  Container container(bundle);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("timeout"));
}

TEST(Config, SeccompRuleIsEnforced) {
  Bundle bundle;
  bundle.set_script("mkdir /tmp/x; echo $?");
  json::object rule{{"names", json::array{"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}};
  rule["errnoRet"] = 95;
  json::object profile{{"defaultAction", "SCMP_ACT_ALLOW"}};
  profile["syscalls"] = json::array{rule};
  bundle.linux()["seccomp"] = profile;
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "1\n") << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("not supported"));
}

TEST(Config, ReadonlyRootAndMaskedPaths) {
  Bundle bundle;
  bundle.config()["root"].as_object()["readonly"] = true;
  bundle.linux()["maskedPaths"] = json::array{"/etc/passwd", "/home"};
  bundle.set_script("touch /x 2>/dev/null; echo $?; wc -c < /etc/passwd; ls /home | wc -l");
  write_text(bundle.rootfs() + "/home/secret", "s");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "1\n0\n0\n") << outcome.err;
}

TEST(Config, PreservedDescriptorsAndNoOthers) {
  Bundle bundle({"/bin/testbox", "fds"});
  Container container(bundle);
  CommandOptions options;
  options.descriptors = {{1, 3}, {1, 4}};
  Outcome outcome = container.run({"--preserve-fds", "1"}, options);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\n3 "));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("\n4 ")));
}

TEST(Config, UserCanOpenItsStandardOutputAgain) {
  Bundle bundle;
  bundle.process()["user"] = json::object{{"uid", 1000}, {"gid", 1000}};
  bundle.set_script("echo again > /proc/self/fd/1");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "again\n") << outcome.err;
}

TEST(Config, AffinityAndIgnoredSignalsOfTheCallerAreNotInherited) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  DHOW_NEEDS(CPU_COUNT(&before) > 1, "has only one CPU");
  std::string all = read_text("/proc/self/status");
  all = all.substr(all.find("Cpus_allowed_list:"));
  all = all.substr(0, all.find('\n') + 1);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  ::signal(SIGRTMIN + 1, SIG_IGN);
  Bundle bundle({"/bin/testbox", "status", "Cpus_allowed_list", "SigIgn"});
  Container container(bundle);
  Outcome outcome = container.run();
  ::signal(SIGRTMIN + 1, SIG_DFL);
  ::sched_setaffinity(0, sizeof before, &before);
  EXPECT_THAT(outcome.out, HasSubstr(all)) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("SigIgn:\t0000000000000000\n"));
}

TEST(Config, SysctlOfTheHostsOwnNamespaceIsRefused) {
  std::string file = "/proc/sys/net/ipv4/ip_default_ttl";
  std::string before = read_text(file);
  Bundle bundle;
  bundle.add_namespace("network", "/proc/" + std::to_string(::getpid()) + "/ns/net");
  bundle.linux()["sysctl"] = json::object{{"net.ipv4.ip_default_ttl", "33"}};
  Container container(bundle);
  EXPECT_EQ(container.run().code, 1);
  std::string after = read_text(file);
  if (after != before) write_text(file, before);
  EXPECT_EQ(after, before);
}

TEST(Config, LandlockPolicyHoldsAndHomeIsKnown) {
  DHOW_NEEDS(
      exists("/sys/kernel/security") && ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) > 0,
      "the kernel has no Landlock");
  Bundle bundle;
  bundle.config()["annotations"] = json::object{
      {"dhow.landlock",
       R"({"paths":[{"paths":["/bin"],"access":["ro","exec"]},{"paths":["/tmp"],"access":["rw"]}]})"}};
  bundle.set_script("echo $HOME; echo x > /tmp/x && echo wrote; cat /etc/passwd || echo denied");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "/root\nwrote\ndenied\n") << outcome.err;
}

}  // namespace
}  // namespace dhow::e2e
