// SPDX-License-Identifier: Apache-2.0
// A live container attacks the processes that the runtime brings into it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/attack.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const int kWatches = rounds(60);
constexpr unsigned kHostId = 200000;

std::string output(const Bundle& bundle) { return read_text(bundle.path() + "/out"); }

void start_attacker(Container& container, const Bundle& bundle) {
  container.start_detached();
  ASSERT_TRUE(eventually([&] { return output(bundle) == "ready\n"; }))
      << read_text(bundle.path() + "/err");
}

// CVE-2016-9962: processes of the container look into one that is being executed in it.
TEST(AttackExec, CVE_2016_9962_NothingIsSeenOfTheRuntime) {
  for (bool user_namespace : {false, true}) {
    Bundle bundle({"/bin/testbox", "spy"});
    // Where the container has a user namespace, even the right to trace its own doesn't help.
    if (user_namespace) {
      bundle.use_user_namespace(kHostId);
      bundle.add_capabilities({"CAP_SYS_PTRACE"});
    }
    Container container(bundle);
    start_attacker(container, bundle);
    for (int round = 0; round < kWatches && output(bundle) == "ready\n"; ++round) {
      container.exec({"/bin/true"});
    }
    EXPECT_EQ(container.exec({"/bin/true"}).code, 0);
    EXPECT_EQ(output(bundle), "ready\n") << "user namespace: " << user_namespace;
  }
}

// The same with a second container that is created in the pid namespace of the first.
TEST(AttackExec, CVE_2016_9962_NothingIsSeenOfAContainerInTheSamePidNamespace) {
  for (bool user_namespace : {false, true}) {
    Bundle spy({"/bin/testbox", "spy"});
    Bundle victim({"/bin/true"});
    if (user_namespace) {
      spy.use_user_namespace(kHostId);
      spy.add_capabilities({"CAP_SYS_PTRACE"});
      victim.use_user_namespace(kHostId);
    }
    Container container(spy);
    start_attacker(container, spy);
    std::string namespaces = "/proc/" + std::to_string(container.pid()) + "/ns/";
    victim.add_namespace("pid", namespaces + "pid");
    if (user_namespace) {
      victim.add_namespace("user", namespaces + "user");
      victim.linux().erase("uidMappings");
      victim.linux().erase("gidMappings");
    }
    for (int round = 0; round < kWatches && output(spy) == "ready\n"; ++round) {
      Outcome outcome = run_victim(victim, round);
      EXPECT_EQ(outcome.code, 0) << outcome.err;
    }
    EXPECT_EQ(output(spy), "ready\n") << "user namespace: " << user_namespace;
  }
}

// A copy of the runtime that is the one under test until the end of the object.
class RuntimeCopy {
 public:
  RuntimeCopy() : original_(runtime_path()) {
    fs::copy_file(original_, path());
    ::setenv("DHOW_RUNTIME", path().c_str(), 1);
  }
  RuntimeCopy(const RuntimeCopy&) = delete;
  RuntimeCopy& operator=(const RuntimeCopy&) = delete;
  ~RuntimeCopy() { ::setenv("DHOW_RUNTIME", original_.c_str(), 1); }

  bool is_whole() const { return read_text(path()) == read_text(original_); }

 private:
  std::string path() const { return folder_.path() + "/dhow-runtime"; }
  TempDir folder_;
  std::string original_;
};

// CVE-2019-5736, against a copy: the attack would destroy what it is made on. The runtime as the
// program is what gives the attacker a process that it may look into. Its log is a fifo, at which
// it stays until the attacker has its file.
TEST(AttackExec, CVE_2019_5736_RuntimeIsNotOverwrittenByALiveContainer) {
  for (const char* program : {"/proc/self/exe", "/script"}) {
    Bundle bundle({"/bin/testbox", "overwrite"});
    std::string gate = bundle.rootfs() + "/gate";
    ASSERT_EQ(::mkfifo(gate.c_str(), 0666), 0);
    write_text(bundle.rootfs() + "/script", "#!/proc/self/exe --log=/gate\n", 0755);
    // With sanitizers the runtime is linked dynamically.
    for (const char* libraries : {"/lib", "/lib64", "/usr/lib"}) {
      if (exists(libraries)) bundle.add_mount(libraries, "bind", libraries, "rbind,ro");
    }
    Container container(bundle);
    RuntimeCopy copy;
    start_attacker(container, bundle);
    container.exec_detached({program, "--log=/gate", "list"});
    auto attacker_said = [&](std::initializer_list<const char*> words) {
      return eventually([&] {
        return std::ranges::any_of(words, [text = output(bundle)](const char* word) {
          return text.find(word) != std::string::npos;
        });
      });
    };
    EXPECT_TRUE(attacker_said({"found "})) << "the attacker does not see the runtime";
    // What is being executed can't be written to, whoever it belongs to: the process has to end.
    int reader = ::open(gate.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_TRUE(attacker_said({"refused ", "opened "})) << output(bundle);
    EXPECT_THAT(output(bundle), Not(HasSubstr("opened "))) << program;
    EXPECT_TRUE(copy.is_whole()) << program;
    ::close(reader);
  }
}

// CVE-2024-21626: a descriptor that the caller forgot to close leads to the host.
TEST(AttackExec, CVE_2024_21626_DescriptorsOfTheCallerStayOutside) {
  int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(root, 0);
  CommandOptions leaky;
  for (int fd = 3; fd <= 20; ++fd) leaky.descriptors.emplace_back(root, fd);
  Bundle bundle({"/bin/testbox", "fds"});
  Container container(bundle);
  Outcome listed = container.run({}, leaky);
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("2 "));
  EXPECT_THAT(listed.out, Not(HasSubstr("\n3 ")));
  EXPECT_THAT(listed.out, Not(HasSubstr("\n20 ")));
  EXPECT_THAT(listed.out, Not(HasSubstr(" /\n")));
  Bundle live_bundle({"/bin/testbox", "wait"});
  Container live(live_bundle);
  live.start_detached();
  listed = live.exec({"/bin/testbox", "fds"}, {}, leaky);
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, Not(HasSubstr("\n3 ")));
  EXPECT_THAT(listed.out, Not(HasSubstr("\n20 ")));
  for (int fd = 3; fd <= 20; ++fd) {
    constexpr std::array kFolders = {"/proc/self/fd/", "/proc/1/fd/", "/proc/thread-self/fd/"};
    std::string cwd = kFolders[static_cast<std::size_t>(fd) % 3] + std::to_string(fd);
    EXPECT_NE(live.exec({"/bin/ls"}, {"--cwd", cwd}, leaky).code, 0) << cwd;
    bundle.process()["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_NE(container.run({}, leaky).code, 0) << fd;
  }
  ::close(root);
}

// CVE-2023-25809, as root: the container's own cgroups, which are bound where it has no cgroup
// namespace.
TEST(AttackExec, CVE_2023_25809_CgroupMountsAreReadOnly) {
  Bundle bundle;
  bundle.remove_namespace("cgroup");
  bundle.set_script("cd /sys/fs/cgroup && mkdir escaped; for d in */; do mkdir $d/escaped; done");
  Container container(bundle);
  Outcome outcome = container.create();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  ASSERT_EQ(container.start().code, 0);
  EXPECT_TRUE(container.wait_for_status("stopped"));
  EXPECT_THAT(read_text(bundle.path() + "/err"), HasSubstr("Read-only file system"));
  EXPECT_TRUE(cgroup_folders_with("escaped").empty());
}

// CVE-2023-25809: without a cgroup namespace, what the host's user may write to stays read-only.
TEST(AttackExec, CVE_2023_25809_CgroupsOfABoundSysAreReadOnly) {
  std::string below = unified_cgroups() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
  std::string name = "e2e-owned-" + std::to_string(::getpid());
  std::string folder = below + "/" + name;
  ASSERT_EQ(::mkdir(folder.c_str(), 0777), 0);
  ::chmod(folder.c_str(), 0777);
  {
    Bundle bundle;
    bundle.use_user_namespace(kHostId);
    bundle.remove_namespace("network");
    bundle.remove_namespace("cgroup");
    bundle.remove_mount("/sys");
    bundle.remove_mount("/sys/fs/cgroup");
    bundle.add_mount("/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro");
    bundle.set_script("mkdir " + folder + "/escaped; touch " + below + "/escaped-" + name);
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_THAT(outcome.err, HasSubstr("mkdir")) << "the container did not start";
    EXPECT_FALSE(exists(folder + "/escaped"));
  }
  ::rmdir((folder + "/escaped").c_str());
  EXPECT_EQ(::rmdir(folder.c_str()), 0);
}

}  // namespace
}  // namespace dhow::e2e
