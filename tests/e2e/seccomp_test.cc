// SPDX-License-Identifier: Apache-2.0
// Seccomp profiles in force: every action, comparison and flag, and the agent.
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/peer.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

constexpr int kKilledBySigsys = 128 + 31;

class SeccompTest : public testing::Test {
 protected:
  SeccompTest() {
    bundle_.linux()["seccomp"] =
        json::object{{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", json::array{}}};
  }
  json::object& profile() { return bundle_.linux()["seccomp"].as_object(); }
  json::object& add_rule(const char* name, const char* action) {
    json::array& rules = profile()["syscalls"].as_array();
    rules.push_back(json::object{{"names", json::array{name}}, {"action", action}});
    return rules.back().as_object();
  }
  Outcome run(const std::vector<std::string>& args) {
    bundle_.set_args(args);
    Container container(bundle_);
    return container.run();
  }
  std::string call(long number, const std::string& argument = "0") {
    Outcome outcome = run({"/bin/testbox", "syscall", std::to_string(number), argument});
    return outcome.code == 0 ? outcome.out : std::to_string(outcome.code) + outcome.err;
  }
  std::string fault() { return fault_of_create(bundle_); }
  Bundle bundle_;
};

TEST_F(SeccompTest, Errno) {
  add_rule("getppid", "SCMP_ACT_ERRNO");
  EXPECT_EQ(call(SYS_getppid), "errno 1\n") << "EPERM by default";
  profile()["syscalls"].as_array()[0].as_object()["errnoRet"] = 95;
  EXPECT_EQ(call(SYS_getppid), "errno 95\n");
}

TEST_F(SeccompTest, KillAndTrap) {
  for (const char* action :
       {"SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"}) {
    profile()["syscalls"] = json::array{};
    add_rule("getppid", action);
    EXPECT_EQ(run({"/bin/testbox", "syscall", std::to_string(SYS_getppid)}).code, kKilledBySigsys)
        << action;
  }
}

TEST_F(SeccompTest, LogAllowAndTrace) {
  add_rule("getppid", "SCMP_ACT_LOG");
  EXPECT_EQ(call(SYS_getppid), "result 0\n");
  profile()["syscalls"] = json::array{};
  add_rule("getppid", "SCMP_ACT_TRACE");
  EXPECT_EQ(call(SYS_getppid), "errno 38\n") << "ENOSYS without a tracer";
}

TEST_F(SeccompTest, DefaultActionAndNewSystemCalls) {
  profile()["defaultAction"] = "SCMP_ACT_LOG";
  EXPECT_EQ(call(SYS_getppid), "result 0\n");
  profile()["defaultAction"] = "SCMP_ACT_ERRNO";
  profile()["defaultErrnoRet"] = 77;
  // What a static program needs, and getppid not among it.
  for (const char* name : {"execve",
                           "brk",
                           "arch_prctl",
                           "set_tid_address",
                           "set_robust_list",
                           "rseq",
                           "prlimit64",
                           "readlinkat",
                           "readlink",
                           "getrandom",
                           "mprotect",
                           "fstat",
                           "newfstatat",
                           "write",
                           "exit_group",
                           "mmap",
                           "munmap",
                           "ioctl",
                           "uname",
                           "access",
                           "statx",
                           "futex",
                           "clock_gettime",
                           "read",
                           "close",
                           "chdir",
                           "getcwd",
                           "capset",
                           "capget",
                           "setresuid",
                           "setresgid",
                           "setgroups",
                           "prctl",
                           "openat",
                           "faccessat",
                           "faccessat2",
                           "stat",
                           "rt_sigaction",
                           "rt_sigprocmask",
                           "sendmsg",
                           "recvmsg",
                           "close_range",
                           "fcntl",
                           "seccomp",
                           "fchown",
                           "setuid",
                           "setgid",
                           "openat2"}) {
    add_rule(name, "SCMP_ACT_ALLOW");
  }
  EXPECT_EQ(call(SYS_getppid), "errno 77\n");
  EXPECT_EQ(call(1000), "errno 38\n") << "newer than the profile: not there";
}

struct Comparison {
  const char* op;
  const char* value;
  const char* value_two;
  const char* matches;  // an argument that is caught
  const char* passes;   // one that isn't
};

class Comparisons : public SeccompTest, public testing::WithParamInterface<Comparison> {};

TEST_P(Comparisons, OfArguments) {
  const Comparison& test = GetParam();
  json::object& rule = add_rule("sched_get_priority_max", "SCMP_ACT_ERRNO");
  rule["errnoRet"] = 99;
  json::object argument{{"index", 0}, {"op", test.op}};
  argument["value"] = std::stoll(test.value);
  argument["valueTwo"] = std::stoll(test.value_two);
  rule["args"] = json::array{argument};
  EXPECT_EQ(call(SYS_sched_get_priority_max, test.matches), "errno 99\n");
  EXPECT_THAT(call(SYS_sched_get_priority_max, test.passes), testing::Not("errno 99\n"));
}

INSTANTIATE_TEST_SUITE_P(Config, Comparisons,
                         testing::Values(Comparison{"SCMP_CMP_EQ", "1", "0", "1", "2"},
                                         Comparison{"SCMP_CMP_NE", "1", "0", "2", "1"},
                                         Comparison{"SCMP_CMP_LT", "2", "0", "1", "2"},
                                         Comparison{"SCMP_CMP_LE", "2", "0", "2", "3"},
                                         Comparison{"SCMP_CMP_GT", "2", "0", "3", "2"},
                                         Comparison{"SCMP_CMP_GE", "2", "0", "2", "1"},
                                         Comparison{"SCMP_CMP_MASKED_EQ", "6", "2", "3", "5"}),
                         [](const testing::TestParamInfo<Comparison>& test) {
                           return std::string(test.param.op);
                         });

TEST_F(SeccompTest, WithAndWithoutNoNewPrivileges) {
  add_rule("getppid", "SCMP_ACT_ERRNO");
  for (bool value : {true, false}) {
    bundle_.process()["noNewPrivileges"] = value;
    EXPECT_EQ(call(SYS_getppid), "errno 1\n") << value;
  }
}

TEST_F(SeccompTest, Flags) {
  add_rule("getppid", "SCMP_ACT_ERRNO");
  for (json::array flags :
       {json::array{}, json::array{"SECCOMP_FILTER_FLAG_LOG"},
        json::array{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"}}) {
    profile()["flags"] = flags;
    EXPECT_EQ(call(SYS_getppid), "errno 1\n") << json::serialize(flags);
  }
  profile()["flags"] = json::array{"SECCOMP_FILTER_FLAG_NEW"};
  EXPECT_THAT(fault(), HasSubstr("SECCOMP_FILTER_FLAG_NEW"));
}

// An empty list is none at all; without a list speculation stays as it is.
TEST_F(SeccompTest, EmptyFlagsAreNotTheDefault) {
  const char* key = "Speculation_Store_Bypass";
  std::string host = read_text("/proc/self/status");
  DHOW_NEEDS(host.find("Speculation_Store_Bypass:\tthread vulnerable") != std::string::npos,
             "this CPU or kernel doesn't let a process choose");
  add_rule("getppid", "SCMP_ACT_ERRNO");
  EXPECT_THAT(run({"/bin/testbox", "status", key}).out, HasSubstr("thread vulnerable"));
}

TEST_F(SeccompTest, ArchitecturesAndUnknownNames) {
  profile()["architectures"] =
      json::array{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"};
  add_rule("no_such_system_call", "SCMP_ACT_ERRNO");
  add_rule("getppid", "SCMP_ACT_ERRNO");
  EXPECT_EQ(call(SYS_getppid), "errno 1\n");
  profile()["architectures"] = json::array{"SCMP_ARCH_PDP11"};
  EXPECT_THAT(fault(), HasSubstr("$.linux.seccomp.architectures[0]"));
  profile()["architectures"] = json::array{};
  add_rule("getpid", "SCMP_ACT_FLY");
  EXPECT_THAT(fault(), HasSubstr("$.linux.seccomp.syscalls[2].action"));
}

// Answers one call with this errno.
void answer(int listener, int error) {
  struct seccomp_notif request{};
  ASSERT_EQ(::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
  struct seccomp_notif_resp response{};
  response.id = request.id;
  response.error = -error;
  ASSERT_EQ(::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
}

TEST_F(SeccompTest, AgentGetsTheListenerAndTheState) {
  Peer agent;
  add_rule("getppid", "SCMP_ACT_NOTIFY");
  profile()["listenerPath"] = agent.path();
  profile()["listenerMetadata"] = "some=metadata";
  for (bool no_new_privileges : {true, false}) {
    bundle_.process()["noNewPrivileges"] = no_new_privileges;
    bundle_.set_args({"/bin/testbox", "syscall", std::to_string(SYS_getppid)});
    bundle_.write();
    Container container(bundle_);
    Background run(container.command_line("run", {"--bundle", bundle_.path()}));
    Received received = agent.receive();
    ASSERT_EQ(received.fds.size(), 1U);
    json::object state = json::parse(received.payload).as_object();
    EXPECT_EQ(state["metadata"], "some=metadata");
    EXPECT_EQ(json::serialize(state["fds"]), "[\"seccompFd\"]");
    EXPECT_TRUE(state["ociVersion"].is_string());
    EXPECT_TRUE(exists("/proc/" + std::to_string(state["pid"].as_int64())));
    EXPECT_EQ(text_of(state["state"].at("id")), container.id());
    answer(received.fds[0].get(), EBADF);
    Outcome outcome = run.wait();
    EXPECT_EQ(outcome.out, "errno 9\n") << outcome.err;
  }
}

TEST_F(SeccompTest, AgentOfAnExec) {
  Peer agent;
  add_rule("getppid", "SCMP_ACT_NOTIFY");
  profile()["listenerPath"] = agent.path();
  bundle_.set_args({"/bin/testbox", "wait"});
  Container container(bundle_);
  container.start_detached();
  agent.receive();
  Background exec(
      container.command_line("exec", {}, {"/bin/testbox", "syscall", std::to_string(SYS_getppid)}));
  Received received = agent.receive();
  ASSERT_EQ(received.fds.size(), 1U);
  answer(received.fds[0].get(), EEXIST);
  EXPECT_EQ(exec.wait().out, "errno 17\n");
}

TEST_F(SeccompTest, AgentThatIsMissingAndCallsThatMayNotBeAsked) {
  add_rule("getppid", "SCMP_ACT_NOTIFY");
  profile()["listenerPath"] = "/no/such/agent";
  EXPECT_THAT(fault(), HasSubstr("failed to connect with seccomp agent"));
  add_rule("write", "SCMP_ACT_NOTIFY");
  EXPECT_THAT(fault(), HasSubstr("SCMP_ACT_NOTIFY cannot be used for the write syscall"));
}

}  // namespace
}  // namespace dhow::e2e
