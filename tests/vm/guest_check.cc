// SPDX-License-Identifier: Apache-2.0
//
// dhow-guest-check: asserts that a guest of tests/vm is what the end-to-end suite counts on, so
// that a failure there speaks of dhow and not of the guest. It runs in the guests only, where
// DHOW_VM_GUEST names the guest and DHOW_E2E_TMP a scratch folder on a real disk.

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_systemd_guest() { return env("DHOW_VM_GUEST") == "systemd"; }
bool is_root() { return geteuid() == 0; }

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> words_of(const std::string& path) {
  std::istringstream in(read_file(path));
  return {std::istream_iterator<std::string>(in), {}};
}

bool write_file(const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

// The exit status of a shell command; its output goes to the log of the test.
int run(const std::string& command) {
  std::fflush(nullptr);
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Runs `body` in a child, as namespaces and mounts must not outlive a test. `body` returns an
// empty string or what went wrong; the caller gets that string.
std::string in_child(const std::function<std::string()>& body) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return "pipe";
  const pid_t pid = fork();
  if (pid == 0) {
    const std::string what = body();
    if (!what.empty() && write(pipe_fds[1], what.data(), what.size()) < 0) _exit(2);
    _exit(what.empty() ? 0 : 1);
  }
  close(pipe_fds[1]);
  std::string text(256, '\0');
  const ssize_t got = read(pipe_fds[0], text.data(), text.size());
  close(pipe_fds[0]);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || (status != 0 && text.empty())) return "the child died";
  return text;
}

std::string failed(const char* step) { return std::string(step) + ": " + strerror(errno); }

// Enters new namespaces; an ordinary user needs a user namespace first, and becomes root in it.
std::string enter_namespaces(int flags) {
  if (is_root()) return unshare(flags) == 0 ? "" : failed("unshare");
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER) != 0) return failed("unshare user");
  if (!write_file("/proc/self/setgroups", "deny")) return failed("setgroups");
  if (!write_file("/proc/self/uid_map", "0 " + uid + " 1")) return failed("uid_map");
  if (!write_file("/proc/self/gid_map", "0 " + gid + " 1")) return failed("gid_map");
  return unshare(flags) == 0 ? "" : failed("unshare");
}

// The cgroup of this process, as a folder.
std::string own_cgroup() {
  std::string text = read_file("/proc/self/cgroup");
  text.erase(text.find_last_not_of('\n') + 1);
  return "/sys/fs/cgroup" + text.substr(text.find("::") + 2);
}

TEST(Guest, IsNamed) {
  EXPECT_TRUE(env("DHOW_VM_GUEST") == "cgroup2" || is_systemd_guest()) << env("DHOW_VM_GUEST");
  EXPECT_EQ(read_file("/proc/version").find("Linux version 6.1."), 0U);
}

TEST(Guest, CgroupIsVersionTwoAlone) {
  struct statfs fs{};
  ASSERT_EQ(statfs("/sys/fs/cgroup", &fs), 0);
  EXPECT_EQ(fs.f_type, CGROUP2_SUPER_MAGIC);
  EXPECT_EQ(own_cgroup().find("/sys/fs/cgroup/"), 0U) << read_file("/proc/self/cgroup");
}

TEST(Guest, EveryControllerIsThere) {
  const std::vector<std::string> there = words_of("/sys/fs/cgroup/cgroup.controllers");
  const std::vector<std::string> enabled = words_of("/sys/fs/cgroup/cgroup.subtree_control");
  for (const char* name : {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}) {
    EXPECT_EQ(std::count(there.begin(), there.end(), name), 1) << name;
    if (is_systemd_guest()) continue;  // systemd enables a controller when a unit asks for it
    EXPECT_EQ(std::count(enabled.begin(), enabled.end(), name), 1) << name;
  }
}

// What rootless containers with limits need: the controllers, down to the cgroup of the session.
TEST(Guest, ControllersAreDelegatedToTheUser) {
  if (is_root()) GTEST_SKIP() << "root needs no delegation";
  const std::vector<std::string> there = words_of(own_cgroup() + "/cgroup.controllers");
  for (const char* name : {"cpuset", "cpu", "io", "memory", "pids"}) {
    EXPECT_EQ(std::count(there.begin(), there.end(), name), 1) << name << " in " << own_cgroup();
  }
}

TEST(Guest, CgroupCanBeMadeFilledAndKilled) {
  // A scope of the user manager is delegated; the cgroup above the user's is, in the other guest.
  std::string top = own_cgroup();
  if (!is_root() && !is_systemd_guest()) top.erase(top.rfind('/'));
  const std::string dir = top + "/guest-check";
  ASSERT_EQ(mkdir(dir.c_str(), 0755), 0) << dir << ": " << strerror(errno);
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  EXPECT_TRUE(write_file(dir + "/cgroup.procs", std::to_string(pid))) << strerror(errno);
  EXPECT_TRUE(write_file(dir + "/cgroup.kill", "1")) << strerror(errno);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(rmdir(dir.c_str()), 0) << strerror(errno);
}

TEST(Guest, OverlayWorksOnTheScratchDisk) {
  const std::string tmp = env("DHOW_E2E_TMP");
  for (const char* name : {"/lower", "/upper", "/work", "/merged"}) {
    ASSERT_EQ(mkdir((tmp + name).c_str(), 0755), 0) << strerror(errno);
  }
  const bool root = is_root();
  EXPECT_EQ(in_child([&]() -> std::string {
              if (std::string what = enter_namespaces(CLONE_NEWNS); !what.empty()) return what;
              std::string options =
                  "lowerdir=" + tmp + "/lower,upperdir=" + tmp + "/upper,workdir=" + tmp + "/work";
              if (!root) options += ",userxattr";
              mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
              if (mount("overlay", (tmp + "/merged").c_str(), "overlay", 0, options.c_str()) != 0) {
                return failed("mount");
              }
              return "";
            }),
            "");
  EXPECT_EQ(run("rm -rf " + tmp + "/lower " + tmp + "/upper " + tmp + "/work " + tmp + "/merged"),
            0);
}

// The kernel refuses pivot_root on its initial root file system, so that must not be ours.
TEST(Guest, RootCanBePivoted) {
  if (!is_root()) GTEST_SKIP() << "tested as root";
  EXPECT_EQ(in_child([]() -> std::string {
              if (unshare(CLONE_NEWNS) != 0) return failed("unshare");
              mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
              if (mount("tmpfs", "/mnt", "tmpfs", 0, nullptr) != 0) return failed("mount");
              if (chdir("/mnt") != 0) return failed("chdir");
              if (syscall(SYS_pivot_root, ".", ".") != 0) return failed("pivot_root");
              return "";
            }),
            "");
}

TEST(Guest, EveryNamespaceCanBeMade) {
  EXPECT_EQ(in_child([]() -> std::string {
              return enter_namespaces(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                      CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME);
            }),
            "");
}

TEST(Guest, InitReapsOrphans) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t orphan = fork();
    if (orphan == 0) {
      for (;;) pause();
    }
    _exit(write(pipe_fds[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
  }
  pid_t orphan = 0;
  ASSERT_EQ(read(pipe_fds[0], &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  ASSERT_EQ(kill(orphan, SIGKILL), 0);
  // There is no event for the reaping of somebody else's child; the test's end is the limit.
  while (kill(orphan, 0) == 0) sched_yield();
  EXPECT_EQ(errno, ESRCH);
}

TEST(Guest, UserHasSubordinateIds) {
  EXPECT_NE(read_file("/etc/subuid").find("dhow:100000:65536"), std::string::npos);
  EXPECT_NE(read_file("/etc/subgid").find("dhow:100000:65536"), std::string::npos);
  if (is_root()) return;
  EXPECT_EQ(run("unshare --user --map-auto --map-root-user true"), 0);
}

TEST(Guest, AppArmorIsOn) {
  EXPECT_EQ(read_file("/sys/module/apparmor/parameters/enabled"), "Y\n");
  EXPECT_EQ(access("/sbin/apparmor_parser", X_OK), 0);
}

TEST(Guest, ModulesLoadOnDemand) {
  if (!is_root()) GTEST_SKIP() << "tested as root";
  EXPECT_EQ(run("unshare --net sh -c 'ip link add br0 type bridge && ip link add veth0 type veth "
                "peer name veth1 && ip link set veth0 master br0'"),
            0);
}

TEST(Guest, CriuIsContent) {
  if (!is_root()) GTEST_SKIP() << "criu needs root";
  EXPECT_EQ(run("criu check"), 0);
}

TEST(Systemd, IsProcessOne) {
  if (!is_systemd_guest()) GTEST_SKIP() << "this guest has no systemd";
  EXPECT_EQ(read_file("/proc/1/comm"), "systemd\n");
  EXPECT_EQ(access("/run/systemd/system", F_OK), 0);
}

TEST(Systemd, NoUnitFailed) {
  if (!is_systemd_guest()) GTEST_SKIP() << "this guest has no systemd";
  EXPECT_EQ(run("units=$(systemctl list-units --failed --plain --no-legend) && echo \"$units\" && "
                "test -z \"$units\""),
            0);
}

TEST(Systemd, SystemBusAnswers) {
  if (!is_systemd_guest()) GTEST_SKIP() << "this guest has no systemd";
  EXPECT_EQ(run("busctl --system get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 "
                "org.freedesktop.systemd1.Manager Version"),
            0);
}

TEST(Systemd, UserBusAnswers) {
  if (!is_systemd_guest()) GTEST_SKIP() << "this guest has no systemd";
  if (is_root()) GTEST_SKIP() << "root uses the system bus";
  EXPECT_EQ(access((env("XDG_RUNTIME_DIR") + "/bus").c_str(), R_OK | W_OK), 0);
  EXPECT_EQ(run("busctl --user get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 "
                "org.freedesktop.systemd1.Manager Version"),
            0);
}

TEST(Systemd, TransientScopeTakesLimits) {
  if (!is_systemd_guest()) GTEST_SKIP() << "this guest has no systemd";
  const std::string bus = is_root() ? "" : "--user ";
  EXPECT_EQ(run("systemd-run " + bus +
                "--scope --quiet -p Delegate=yes -p MemoryMax=64M -p AllowedCPUs=0 -p TasksMax=9 "
                "sh -c 'd=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); "
                "test \"$(cat $d/memory.max)\" = 67108864 && test \"$(cat $d/pids.max)\" = 9 && "
                "test \"$(cat $d/cpuset.cpus)\" = 0'"),
            0);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (env("DHOW_VM_GUEST").empty()) {
    std::fputs("dhow-guest-check runs in a guest of tests/vm only\n", stderr);
    return 2;
  }
  return RUN_ALL_TESTS();
}
