// SPDX-License-Identifier: Apache-2.0
// What needs root: ids, capabilities, namespaces. Everything is done in children.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"
#include "sys/mount_fd.h"
#include "sys/testing/deny_syscall.h"
#include "sys/testing/forked.h"

namespace dhow::init {
namespace {

using dhow::testing::deny_syscall;
using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint32_t kUser = 12345;

class ProcessRootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
};

Result<Fd> private_proc() {
  TRY_ASSIGN(FsContext context, FsContext::open("proc"));
  TRY(context.create());
  TRY_ASSIGN(MountFd mount, context.mount(0));
  return mount.fd().duplicate();
}

// The value of a line of /proc/self/status.
std::string status_of(std::string_view name) {
  auto text = read_file("/proc/self/status");
  if (!text) return text.error().message();
  for (std::string_view line : split(*text, '\n')) {
    if (line.starts_with(cat(name, ":"))) return std::string(trim(line.substr(name.size() + 1)));
  }
  return "no such line";
}

std::string all_sets() {
  return cat(status_of("CapBnd"), " ", status_of("CapPrm"), " ", status_of("CapEff"), " ",
             status_of("CapInh"), " ", status_of("CapAmb"));
}

// As init does it: bounding, ids, the other sets.
Status become(const oci::Capabilities* capabilities, std::uint32_t id) {
  auto sets = CapabilitySets::from(capabilities);
  TRY_ASSIGN(Fd proc, private_proc());
  TRY(sets.drop_bounding());
  TRY(sets.keep_over_setuid());
  oci::User user;
  user.uid = id;
  user.gid = id;
  TRY(set_user(proc, user));
  return sets.apply();
}

std::string sets_after(const oci::Capabilities* capabilities, std::uint32_t id) {
  return in_child([&]() -> std::string {
    if (auto status = become(capabilities, id); !status) return status.error().message();
    return all_sets();
  });
}

TEST_F(ProcessRootTest, UserKeepsExactlyTheConfiguredSets) {
  oci::Capabilities wanted;
  wanted.bounding = {"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  wanted.permitted = {"CAP_KILL", "CAP_NET_BIND_SERVICE"};
  wanted.effective = {"CAP_KILL"};
  wanted.inheritable = {"CAP_NET_BIND_SERVICE"};
  wanted.ambient = {"CAP_NET_BIND_SERVICE"};
  EXPECT_EQ(sets_after(&wanted, kUser),
            "0000000000000421 0000000000000420 0000000000000020 0000000000000400 "
            "0000000000000400");
  EXPECT_EQ(sets_after(&wanted, 0),
            "0000000000000421 0000000000000420 0000000000000020 0000000000000400 "
            "0000000000000400");
}

TEST_F(ProcessRootTest, NothingIsInheritableUnlessAskedFor) {
  oci::Capabilities wanted;
  wanted.bounding = wanted.permitted = wanted.effective = {"CAP_KILL"};
  EXPECT_EQ(sets_after(&wanted, kUser),
            "0000000000000020 0000000000000020 0000000000000020 0000000000000000 "
            "0000000000000000");
}

TEST_F(ProcessRootTest, NoCapabilitiesMeansNone) {
  constexpr const char* kNone =
      "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000";
  EXPECT_EQ(sets_after(nullptr, kUser), kNone);
  EXPECT_EQ(sets_after(nullptr, 0), kNone);
}

TEST_F(ProcessRootTest, UnknownCapabilitiesAreSkipped) {
  oci::Capabilities wanted;
  wanted.bounding = wanted.permitted =
      wanted.effective = {"CAP_KILL", "CAP_FOO", "KILL", "cap_kill"};
  EXPECT_THAT(sets_after(&wanted, 0), StartsWith("0000000000000020 0000000000000020"));
}

TEST_F(ProcessRootTest, AmbientThatIsNotInheritableIsSkipped) {
  oci::Capabilities wanted;
  wanted.bounding = wanted.permitted = wanted.effective = {"CAP_KILL", "CAP_CHOWN"};
  wanted.inheritable = {"CAP_CHOWN"};
  wanted.ambient = {"CAP_CHOWN", "CAP_KILL"};
  EXPECT_EQ(sets_after(&wanted, kUser),
            "0000000000000021 0000000000000021 0000000000000021 0000000000000001 "
            "0000000000000001");
}

TEST_F(ProcessRootTest, CapabilitiesThatCanNotBeGivenAreNamed) {
  oci::Capabilities wanted;
  wanted.permitted = {"CAP_KILL"};
  wanted.effective = {"CAP_KILL", "CAP_CHOWN"};
  EXPECT_EQ(sets_after(&wanted, 0),
            "set capabilities: effective but not permitted are CAP_CHOWN: operation not permitted");
}

TEST_F(ProcessRootTest, CapabilitiesOfARestrictedRuntimeAreLeftOut) {
  EXPECT_THAT(in_child([]() -> std::string {
                // As on a restricted host: the runtime itself has but two, and is asked for
                // another.
                oci::Capabilities host;
                host.bounding = host.permitted = host.effective = {"CAP_KILL", "CAP_SETPCAP"};
                auto less = CapabilitySets::from(&host);
                if (auto s = less.drop_bounding(); !s) return s.error().message();
                if (auto s = less.apply(); !s) return s.error().message();
                oci::Capabilities wanted;
                wanted.bounding = {"CAP_KILL", "CAP_SYS_TIME"};
                wanted.permitted = wanted.effective = wanted.inheritable = wanted.bounding;
                auto sets = CapabilitySets::from(&wanted);
                if (auto s = sets.drop_bounding(); !s) return s.error().message();
                if (auto s = sets.apply(); !s) return s.error().message();
                return all_sets();
              }),
              "0000000000000020 0000000000000020 0000000000000020 0000000000000020 "
              "0000000000000000");
}

TEST_F(ProcessRootTest, DroppingNothingNeedsNoCapability) {
  EXPECT_EQ(in_child([]() -> std::string {
              auto none = CapabilitySets::from(nullptr);
              if (auto status = none.drop_bounding(); !status) return status.error().message();
              if (auto status = none.apply(); !status) return status.error().message();
              return message_of(none.drop_bounding());
            }),
            "");
}

TEST_F(ProcessRootTest, SetsIdsAndGroups) {
  EXPECT_EQ(in_child([]() -> std::string {
              oci::User user{kUser, kUser + 1, {}, {7, 99}};
              if (auto status = set_user(*private_proc(), user); !status) {
                return status.error().message();
              }
              return cat(status_of("Uid"), "|", status_of("Gid"), "|", status_of("Groups"));
            }),
            "12345\t12345\t12345\t12345|12346\t12346\t12346\t12346|7 99");
}

// In a user namespace of its own, with one id mapped and setgroups denied, as rootless has it.
std::string in_user_namespace(const std::function<std::string()>& body) {
  return in_child([&]() -> std::string {
    if (setgroups(0, nullptr) != 0) return "setgroups failed";
    if (unshare(CLONE_NEWUSER) != 0) return cat("unshare: ", errno_text(errno));
    for (auto [file, text] :
         {std::pair{"/proc/self/setgroups", "deny"}, std::pair{"/proc/self/uid_map", "0 0 1"},
          std::pair{"/proc/self/gid_map", "0 0 1"}}) {
      if (auto status = write_existing(file, text); !status) return status.error().message();
    }
    return body();
  });
}

TEST_F(ProcessRootTest, DeniedSetgroupsMattersOnlyWithGroups) {
  auto proc = open_at(kCwd, "/proc", O_PATH | O_DIRECTORY);
  EXPECT_EQ(in_user_namespace([&] { return message_of(set_user(*proc, oci::User{})); }), "");
  EXPECT_EQ(
      in_user_namespace([&] { return message_of(set_user(*proc, oci::User{0, 0, {}, {0}})); }),
      "set additional groups: the user namespace denies setgroups: operation not permitted");
}

TEST_F(ProcessRootTest, UnmappedIdsAreExplained) {
  auto proc = open_at(kCwd, "/proc", O_PATH | O_DIRECTORY);
  EXPECT_EQ(in_user_namespace([&] { return message_of(set_user(*proc, oci::User{5, 0, {}, {}})); }),
            "set uid 5: not mapped in the user namespace: invalid argument");
  EXPECT_EQ(in_user_namespace([&] { return message_of(set_user(*proc, oci::User{0, 6, {}, {}})); }),
            "set gid 6: not mapped in the user namespace: invalid argument");
}

TEST_F(ProcessRootTest, StandardStreamsChangeHandsExceptNull) {
  EXPECT_EQ(in_child([]() -> std::string {
              int ends[2];
              if (pipe(ends) != 0) return "pipe failed";
              dup2(ends[1], 1);
              Fd null = *open_at(kCwd, "/dev/null", O_RDWR);
              dup2(null.get(), 2);
              close(0);
              if (auto status = give_stdio_to(kUser); !status) return status.error().message();
              struct stat out{};
              struct stat error{};
              fstat(1, &out);
              fstat(2, &error);
              return cat(out.st_uid, " ", error.st_uid);
            }),
            "12345 0");
}

TEST_F(ProcessRootTest, HostAndDomainNameOfOwnNamespace) {
  struct utsname before{};
  uname(&before);
  EXPECT_EQ(
      in_child([]() -> std::string {
        if (unshare(CLONE_NEWUTS) != 0) return "unshare failed";
        if (auto status = set_hostname("box"); !status) return status.error().message();
        if (auto status = set_domainname("example.org"); !status) {
          return status.error().message();
        }
        struct utsname names{};
        uname(&names);
        return cat(&names.nodename[0], " ", &names.domainname[0], " ",
                   message_of(set_hostname(std::string(65, 'x'))));
      }),
      cat("box example.org set hostname to \"", std::string(65, 'x'), "\": invalid argument"));
  struct utsname after{};
  uname(&after);
  EXPECT_STREQ(before.nodename, after.nodename);
}

TEST_F(ProcessRootTest, SysctlsOfOwnNamespaces) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (unshare(CLONE_NEWNET | CLONE_NEWIPC) != 0) return "unshare failed";
              auto proc = private_proc();
              if (!proc) return proc.error().message();
              auto status = write_sysctls(*proc, {{"net.ipv4.ip_forward", "1"},
                                                  {"net/ipv4/conf/lo/forwarding", "0"},
                                                  {"kernel.shmmni", "77"}});
              if (!status) return status.error().message();
              return cat(trim(*read_file(*proc, "sys/net/ipv4/ip_forward")),
                         trim(*read_file(*proc, "sys/net/ipv4/conf/lo/forwarding")), " ",
                         trim(*read_file(*proc, "sys/kernel/shmmni")));
            }),
            "10 77");
}

TEST_F(ProcessRootTest, SysctlsLeadNowhereElse) {
  EXPECT_EQ(in_child([]() -> std::string {
              return message_of(write_sysctls(*private_proc(), {{"net/../kernel/sysrq", "0"}}));
            }),
            "write sysctl \"net/../kernel/sysrq\" = \"0\": not a valid name");
}

TEST_F(ProcessRootTest, SysctlFailuresNameKeyAndValue) {
  EXPECT_EQ(in_child([]() -> std::string {
              if (unshare(CLONE_NEWNET) != 0) return "unshare failed";
              return message_of(write_sysctls(*private_proc(), {{"net.foo", "1"}}));
            }),
            "write sysctl \"net.foo\" = \"1\": open \"sys/net/foo\": no such file or directory");
  EXPECT_EQ(in_child([]() -> std::string {
              if (unshare(CLONE_NEWNET) != 0) return "unshare failed";
              return message_of(write_sysctls(*private_proc(), {{"net.ipv4.ip_forward", "abc"}}));
            }),
            "write sysctl \"net.ipv4.ip_forward\" = \"abc\": write: invalid argument");
}

// Binds a folder of procfs over another one, and opens a file below: one file system all along.
std::string open_over_a_mount(bool openat2_works) {
  return in_child([openat2_works]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0) return "unshare failed";
    if (mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0) return "private failed";
    if (mount("/proc/sys/kernel", "/proc/sys/net", "", MS_BIND, nullptr) != 0) {
      return "bind failed";
    }
    if (!openat2_works && !deny_syscall(SYS_openat2, ENOSYS)) return "seccomp failed";
    auto proc = open_at(kCwd, "/proc", O_PATH | O_DIRECTORY);
    return message_of(open_proc_for_write(*proc, "sys/net/sysrq"));
  });
}

TEST_F(ProcessRootTest, MountsOverProcAreNotEntered) {
  EXPECT_THAT(open_over_a_mount(true), HasSubstr("invalid cross-device link"));
  EXPECT_THAT(open_over_a_mount(false), HasSubstr("invalid cross-device link"));
}

TEST_F(ProcessRootTest, AppArmorProfileIsForTheNextExec) {
  if (!apparmor_enabled()) GTEST_SKIP() << "the host has no AppArmor";
  EXPECT_THAT(in_child([]() -> std::string {
                auto proc = private_proc();
                auto status = set_apparmor_exec_profile(*proc, "unconfined");
                if (!status) return status.error().message();
                return *read_file("/proc/self/attr/apparmor/exec");
              }),
              StartsWith("unconfined"));
  EXPECT_EQ(in_child([] {
              return message_of(set_apparmor_exec_profile(*private_proc(), "dhow-no-such"));
            }),
            "apply apparmor profile \"dhow-no-such\": write \"exec dhow-no-such\" to "
            "`/proc/self/attr/apparmor/exec`: no such file or directory");
}

TEST_F(ProcessRootTest, RaisingALimitWithoutTheCapabilityIsExplained) {
  std::string text = in_child([]() -> std::string {
    oci::Capabilities none;
    if (auto status = set_rlimits(0, {{"RLIMIT_NOFILE", 100, 100}}); !status) {
      return status.error().message();
    }
    if (auto status = CapabilitySets::from(&none).apply(); !status) {
      return status.error().message();
    }
    return message_of(set_rlimits(0, {{"RLIMIT_NOFILE", 200, 200}}));
  });
  EXPECT_EQ(text,
            "set RLIMIT_NOFILE to soft 200, hard 200: raising the hard limit above 100 needs "
            "CAP_SYS_RESOURCE, and at most fs.nr_open is allowed: operation not permitted");
}

TEST_F(ProcessRootTest, RaisesLimitsAndLowersOomScoreWithTheCapability) {
  if (prctl(PR_CAPBSET_READ, CAP_SYS_RESOURCE, 0, 0, 0) != 1) {
    GTEST_SKIP() << "the test runs without CAP_SYS_RESOURCE";
  }
  EXPECT_EQ(in_child([]() -> std::string {
              if (auto status = set_rlimits(0, {{"RLIMIT_NPROC", 100, 100}}); !status) {
                return status.error().message();
              }
              auto status = set_rlimits(0, {{"RLIMIT_NPROC", RLIM64_INFINITY, 200}});
              if (!status) return status.error().message();
              if (status = set_oom_score_adj(*private_proc(), -900); !status) {
                return status.error().message();
              }
              return std::string(trim(*read_file("/proc/self/oom_score_adj")));
            }),
            "-900");
}

TEST_F(ProcessRootTest, LimitsOfAnotherProcess) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    char byte;
    ssize_t got = read(ends[0], &byte, 1);  // until the parent has set the limit
    struct rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    _exit(got == 1 && files.rlim_cur == 33 && files.rlim_max == 44 ? 0 : 1);
  }
  EXPECT_EQ(message_of(set_rlimits(pid, {{"RLIMIT_NOFILE", 44, 33}})), "");
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  close(ends[0]);
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(ProcessRootTest, RealTimeAndDeadlinePolicies) {
  oci::Scheduler wanted;
  wanted.policy = "SCHED_FIFO";
  wanted.priority = 3;
  auto policy_after = [&wanted] {
    return in_child([&]() -> std::string {
      if (auto status = set_scheduler(wanted); !status) return status.error().message();
      return cat(sched_getscheduler(0));
    });
  };
  std::string fifo = policy_after();
  wanted.policy = "SCHED_DEADLINE";
  wanted.priority = 0;
  wanted.runtime = 1'000'000;
  wanted.deadline = 5'000'000;
  wanted.period = 10'000'000;
  std::string deadline = policy_after();
  // A cgroup v1 cpu folder without a real-time share, or a cpuset, makes the kernel refuse both.
  if (fifo.ends_with("operation not permitted")) {
    GTEST_SKIP() << "real-time policies are not permitted here: " << fifo;
  }
  EXPECT_EQ(fifo, "1");
  if (deadline.ends_with("operation not permitted")) {
    GTEST_SKIP() << "SCHED_DEADLINE is not permitted here: " << deadline;
  }
  EXPECT_EQ(deadline, "6");
}

}  // namespace
}  // namespace dhow::init
