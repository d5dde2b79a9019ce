// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/init/number_list.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"
#include "sys/testing/deny_syscall.h"
#include "sys/testing/forked.h"

namespace dhow::init {
namespace {

using dhow::testing::deny_syscall;
using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Fd open_proc() { return *open_at(kCwd, "/proc", O_PATH | O_DIRECTORY); }

TEST(NumberListTest, TakesNumbersRangesAndBlanks) {
  EXPECT_THAT(*parse_number_list(""), IsEmpty());
  EXPECT_THAT(*parse_number_list(" , "), IsEmpty());
  EXPECT_THAT(*parse_number_list("0"), ElementsAre(1UL));
  EXPECT_THAT(*parse_number_list("0-3, 7"), ElementsAre(0x8fUL));
  EXPECT_THAT(*parse_number_list("63 - 64"), ElementsAre(1UL << 63, 1UL));
}

TEST(NumberListTest, HoldsNumbersPastTheUsualMaskSizes) {
  auto mask = parse_number_list("1023-1025,8191");
  ASSERT_TRUE(mask);
  ASSERT_EQ(mask->size(), 128U);
  EXPECT_EQ((*mask)[15], 1UL << 63);
  EXPECT_EQ((*mask)[16], 3UL);
  EXPECT_EQ((*mask)[127], 1UL << 63);
  EXPECT_TRUE(parse_number_list(cat(kMaxListNumber)));
}

TEST(NumberListTest, RefusesWhatIsNoList) {
  EXPECT_THAT(message_of(parse_number_list("1,x")), HasSubstr("\"x\" is not a number"));
  EXPECT_THAT(message_of(parse_number_list("3-1")), HasSubstr("ends before it starts"));
  EXPECT_THAT(message_of(parse_number_list("131072")), HasSubstr("too large"));
  EXPECT_THAT(message_of(parse_number_list("4294967296")), HasSubstr("is not a number"));
  EXPECT_FALSE(parse_number_list("-1"));
  EXPECT_FALSE(parse_number_list("1-"));
  EXPECT_FALSE(parse_number_list("1-2-3"));
  EXPECT_FALSE(parse_number_list("+1"));
}

TEST(CapabilitiesTest, KnowsTheNamesUpToTheKernelsLast) {
  auto names = known_capabilities();
  auto last = parse_number<unsigned>(trim(*read_file("/proc/sys/kernel/cap_last_cap")));
  ASSERT_TRUE(last);
  EXPECT_EQ(names.size(), std::min<std::size_t>(*last + 1, 41));
  EXPECT_EQ(names[0], "CAP_CHOWN");
  EXPECT_EQ(names[21], "CAP_SYS_ADMIN");
  EXPECT_EQ(names[29], "CAP_AUDIT_WRITE");
  EXPECT_EQ(names[37], "CAP_AUDIT_READ");
}

TEST(LimitsTest, LowersALimitOfTheCaller) {
  EXPECT_EQ(in_child([]() -> std::string {
              auto status = set_rlimits(0, {{"RLIMIT_NOFILE", 60, 50}, {"RLIMIT_CORE", 0, 0}});
              if (!status) return status.error().message();
              struct rlimit files{};
              struct rlimit core{};
              getrlimit(RLIMIT_NOFILE, &files);
              getrlimit(RLIMIT_CORE, &core);
              return cat(files.rlim_cur, " ", files.rlim_max, " ", core.rlim_max);
            }),
            "50 60 0");
}

TEST(LimitsTest, NamesTheLimitThatIsRefused) {
  EXPECT_EQ(message_of(set_rlimits(0, {{"RLIMIT_FOO", 1, 1}})), "unknown limit \"RLIMIT_FOO\"");
  std::string text = in_child([] { return message_of(set_rlimits(0, {{"RLIMIT_CPU", 5, 6}})); });
  EXPECT_EQ(text,
            "set RLIMIT_CPU to soft 6, hard 5: the soft limit is above the hard one: invalid "
            "argument");
}

TEST(SchedulerTest, SetsPolicyAndNice) {
  EXPECT_EQ(in_child([]() -> std::string {
              oci::Scheduler wanted;
              wanted.policy = "SCHED_BATCH";
              wanted.nice = 5;
              wanted.flags = {"SCHED_FLAG_RESET_ON_FORK"};
              if (auto status = set_scheduler(wanted); !status) return status.error().message();
              return cat(sched_getscheduler(0), " ", getpriority(PRIO_PROCESS, 0));
            }),
            cat(SCHED_BATCH | SCHED_RESET_ON_FORK, " 5"));
}

TEST(SchedulerTest, RefusesUnknownWords) {
  oci::Scheduler wanted;
  wanted.policy = "SCHED_FOO";
  EXPECT_EQ(message_of(set_scheduler(wanted)), "unknown scheduler policy \"SCHED_FOO\"");
  wanted.policy = "SCHED_OTHER";
  wanted.flags = {"SCHED_FLAG_FOO"};
  EXPECT_EQ(message_of(set_scheduler(wanted)), "unknown scheduler flag \"SCHED_FLAG_FOO\"");
  wanted.flags.clear();
  wanted.nice = 20;
  EXPECT_THAT(message_of(set_scheduler(wanted)), HasSubstr("nice 20"));
  wanted.nice = 0;
  wanted.priority = -1;
  EXPECT_THAT(message_of(set_scheduler(wanted)), HasSubstr("priority -1"));
}

TEST(IoPriorityTest, SetsClassAndLevel) {
  EXPECT_EQ(in_child([]() -> std::string {
              auto status = set_io_priority({"IOPRIO_CLASS_BE", 6});
              if (!status) return status.error().message();
              return cat(::syscall(SYS_ioprio_get, 1, 0));
            }),
            cat(2 << 13 | 6));
  EXPECT_THAT(message_of(set_io_priority({"IOPRIO_CLASS_X", 1})), HasSubstr("IOPRIO_CLASS_X"));
  EXPECT_THAT(message_of(set_io_priority({"IOPRIO_CLASS_BE", 8})), HasSubstr("between 0 and 7"));
}

TEST(AffinityTest, PinsAndResets) {
  std::string text = in_child([]() -> std::string {
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    std::size_t first = 0;
    while (!CPU_ISSET(first, &before)) ++first;
    if (auto status = set_cpu_affinity(cat(first)); !status) return status.error().message();
    cpu_set_t pinned;
    sched_getaffinity(0, sizeof pinned, &pinned);
    if (CPU_COUNT(&pinned) != 1 || !CPU_ISSET(first, &pinned)) return "not pinned";
    if (auto status = set_cpu_affinity(""); !status) return status.error().message();
    cpu_set_t after;
    sched_getaffinity(0, sizeof after, &after);
    // The test itself may have been pinned: a reset can only give more.
    cpu_set_t both;
    CPU_AND(&both, &before, &after);
    return CPU_EQUAL(&both, &before) ? "" : "not reset";
  });
  EXPECT_EQ(text, "");
  EXPECT_THAT(message_of(set_cpu_affinity("100000")),
              AllOf(StartsWith("set CPU affinity to \"100000\""), HasSubstr("invalid argument")));
}

TEST(PersonalityTest, SetsTheDomain) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (auto status = set_personality({"LINUX32", {}}); !status) {
                return status.error().message();
              }
              return cat(personality(0xffffffff));
            }),
            cat(static_cast<int>(PER_LINUX32)));
  EXPECT_EQ(message_of(set_personality({"SOLARIS", {}})), "unknown personality \"SOLARIS\"");
  EXPECT_EQ(message_of(set_personality({"LINUX", {"X"}})), "unknown personality flag \"X\"");
}

std::string set_and_read_policy(const oci::MemoryPolicy& policy) {
  return in_child([&]() -> std::string {
    if (auto status = set_memory_policy(policy); !status) return status.error().message();
    int mode = -1;
    unsigned long nodes[512] = {};  // a page, the most that the kernel takes
    if (::syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, nullptr, 0UL) != 0) {
      return cat("get_mempolicy: errno ", errno);
    }
    return cat(mode, " ", nodes[0]);
  });
}

TEST(MemoryPolicyTest, SetsModesFlagsAndNodes) {
  int mode = -1;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0UL, nullptr, 0UL) != 0) {
    GTEST_SKIP() << "the kernel has no memory policies, or they are filtered";
  }
  EXPECT_EQ(set_and_read_policy({"MPOL_BIND", "0", {}}), "2 1");
  EXPECT_EQ(set_and_read_policy({"MPOL_INTERLEAVE", "0", {"MPOL_F_STATIC_NODES"}}),
            cat(3 | 1 << 15, " 1"));
  EXPECT_EQ(set_and_read_policy({"MPOL_BIND", "0", {"MPOL_F_NUMA_BALANCING"}}),
            cat(2 | 1 << 13, " 1"));
  EXPECT_EQ(set_and_read_policy({"MPOL_PREFERRED", "0", {}}), "1 1");
  EXPECT_EQ(set_and_read_policy({"MPOL_LOCAL", "", {}}), "4 0");
  EXPECT_EQ(set_and_read_policy({"MPOL_DEFAULT", "", {}}), "0 0");
}

TEST(MemoryPolicyTest, NamesWhatIsRefused) {
  EXPECT_EQ(set_and_read_policy({"MPOL_FOO", "0", {}}), "unknown memory policy mode \"MPOL_FOO\"");
  EXPECT_EQ(set_and_read_policy({"MPOL_BIND", "0", {"F"}}), "unknown memory policy flag \"F\"");
  EXPECT_THAT(set_and_read_policy({"MPOL_BIND", "0-", {}}), StartsWith("memory policy nodes: "));
  EXPECT_EQ(set_and_read_policy({"MPOL_BIND", "", {}}),
            "set memory policy MPOL_BIND on nodes \"\": invalid argument");
  EXPECT_THAT(set_and_read_policy({"MPOL_BIND", "5000", {}}), HasSubstr("invalid argument"));
  EXPECT_THAT(known_memory_policy_modes(), Contains("MPOL_PREFERRED_MANY"));
  EXPECT_THAT(known_memory_policy_flags(), Contains("MPOL_F_RELATIVE_NODES"));
}

TEST(NoNewPrivilegesTest, IsSet) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (auto status = set_no_new_privileges(); !status) return status.error().message();
              return cat(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
            }),
            "1");
}

TEST(OomScoreTest, RaisesAndIsReadBack) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (auto status = set_oom_score_adj(open_proc(), 777); !status) {
                return status.error().message();
              }
              return std::string(trim(*read_file("/proc/self/oom_score_adj")));
            }),
            "777");
  EXPECT_THAT(in_child([] { return message_of(set_oom_score_adj(open_proc(), 1001)); }),
              AllOf(StartsWith("set oom_score_adj to 1001"), HasSubstr("invalid argument")));
}

TEST(KeyringTest, IsNamedAndSearchable) {
  std::string text = in_child([]() -> std::string {
    auto status = join_session_keyring(open_proc(), "test-1", "");
    if (!status) return status.error().message();
    char description[256] = {};
    long size = ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, description,
                          sizeof description);
    return size < 0 ? cat("no keyring: errno ", errno) : description;
  });
  if (text == cat("no keyring: errno ", ENOSYS)) GTEST_SKIP() << "the kernel has no keyrings";
  auto fields = split(text, ';');
  ASSERT_EQ(fields.size(), 5U) << text;
  EXPECT_EQ(fields[0], "keyring");
  EXPECT_EQ(fields[4], "_ses.test-1");
  EXPECT_NE(*parse_number<std::uint32_t>(fields[3], 16) & 0x00080000U, 0U) << text;
}

oci::Config with_namespaces(std::vector<oci::Namespace> namespaces, const char* key) {
  oci::Config config;
  config.linux.namespaces = std::move(namespaces);
  config.linux.sysctl[key] = "1";
  return config;
}

TEST(SysctlCheckTest, RefusesTheHostsNamespaceByPath) {
  using enum oci::NamespaceType;
  struct Case {
    oci::NamespaceType type;
    const char* path;
    const char* key;
    const char* name;
  };
  for (const Case& c : {Case{kNetwork, "/proc/self/ns/net", "net.ipv4.ip_forward", "network"},
                        Case{kIpc, "/proc/self/ns/ipc", "kernel/shmmax", "ipc"},
                        Case{kIpc, "/proc/thread-self/ns/ipc", "fs.mqueue.msg_max", "ipc"},
                        Case{kUts, "/proc/self/ns/uts", "kernel.domainname", "uts"},
                        Case{kUser, "/proc/self/ns/user", "user.max_user_namespaces", "user"}}) {
    EXPECT_EQ(message_of(check_sysctls(with_namespaces({{c.type, c.path}}, c.key))),
              cat("sysctl \"", c.key, "\" is not allowed in the host's ", c.name, " namespace"));
    EXPECT_EQ(message_of(check_sysctls(with_namespaces({{c.type, ""}}, c.key))), "");
    // What isn't there fails when it is joined, which says more.
    EXPECT_EQ(message_of(check_sysctls(with_namespaces({{c.type, "/nope"}}, c.key))), "");
  }
}

// A folder that is made to look like a procfs, with links where a container would put them.
class FakeProcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dhow-fake-proc-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    ASSERT_TRUE(make_dirs(cat(path_, "/7/attr/apparmor"), 0755));
    ASSERT_EQ(symlink("7", cat(path_, "/self").c_str()), 0);
    for (const char* file : {"/7/attr/exec", "/7/attr/apparmor/exec", "/7/oom_score_adj"}) {
      Fd made = *open_at(kCwd, cat(path_, file), O_CREAT | O_WRONLY, 0644);
    }
  }
  void TearDown() override {
    std::string_view name = path_;
    EXPECT_TRUE(remove_tree(*open_at(kCwd, "/tmp", O_PATH), name.substr(5)));
  }
  Fd open() { return *open_at(kCwd, path_, O_PATH | O_DIRECTORY); }

  std::string path_;
};

TEST_F(FakeProcTest, IsRefusedAndNotWritten) {
  EXPECT_THAT(message_of(set_apparmor_exec_profile(open(), "x")),
              HasSubstr("not a file of procfs"));
  EXPECT_THAT(message_of(set_selinux_exec_label(open(), "x")), HasSubstr("not a file of procfs"));
  EXPECT_THAT(message_of(set_oom_score_adj(open(), 7)), HasSubstr("not a file of procfs"));
  for (const char* file : {"/7/attr/exec", "/7/attr/apparmor/exec", "/7/oom_score_adj"}) {
    EXPECT_EQ(*read_file(cat(path_, file)), "") << file;
  }
}

TEST_F(FakeProcTest, SelfThatLeadsElsewhereIsRefused) {
  ASSERT_EQ(unlink(cat(path_, "/self").c_str()), 0);
  ASSERT_EQ(symlink("../x", cat(path_, "/self").c_str()), 0);
  EXPECT_THAT(message_of(set_selinux_exec_label(open(), "x")), HasSubstr("is not a process"));
}

TEST(SafeProcTest, FollowsNoLinks) {
  // "self" and "net" are links of procfs itself.
  EXPECT_THAT(message_of(open_proc_for_write(open_proc(), "self/oom_score_adj")),
              HasSubstr("too many levels of symbolic links"));
  EXPECT_FALSE(open_proc_for_write(open_proc(), "../etc/passwd"));
  EXPECT_FALSE(open_proc_for_write(open_proc(), "/proc/sys/kernel/sysrq"));
  EXPECT_TRUE(open_own_proc_for_write(open_proc(), "oom_score_adj"));
}

TEST(SafeProcTest, WorksTheSameWithoutOpenat2) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (!deny_syscall(SYS_openat2, ENOSYS)) return "seccomp failed";
              if (auto s = set_oom_score_adj(open_proc(), 555); !s) return s.error().message();
              return cat(
                  trim(*read_file("/proc/self/oom_score_adj")), "|",
                  int{open_proc_for_write(open_proc(), "self/oom_score_adj").has_value()},
                  int{open_proc_for_write(open_proc(), "../etc/passwd").has_value()},
                  int{open_proc_for_write(open_proc(), "/proc/sys/kernel/sysrq").has_value()});
            }),
            "555|000");
}

TEST(SecurityModuleTest, FailureNamesTheFileAsCallersExpect) {
  if (apparmor_enabled() || selinux_enabled()) GTEST_SKIP() << "the host has a security module";
  EXPECT_THAT(
      in_child([] { return message_of(set_selinux_exec_label(open_proc(), "u:r:t:s0")); }),
      AllOf(StartsWith("set selinux label \"u:r:t:s0\""), HasSubstr("`/proc/self/attr/exec`")));
  EXPECT_THAT(
      in_child([] { return message_of(set_apparmor_exec_profile(open_proc(), "no-such")); }),
      AllOf(StartsWith("apply apparmor profile \"no-such\""), HasSubstr("exec`: ")));
}

}  // namespace
}  // namespace dhow::init
