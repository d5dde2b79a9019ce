// SPDX-License-Identifier: Apache-2.0
// Mounts added to and removed from running containers, and the empty mount namespace.
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/rootfs/empty_namespace.h"
#include "runtime/rootfs/root_test_checks.h"
#include "runtime/rootfs/root_test_support.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
namespace {

std::string error_of(const Status& status) { return status ? "" : status.error().message(); }

class HotMounts : public ::testing::TestWithParam<std::tuple<SwitchMode, bool>> {
 protected:
  void SetUp() override {
    SKIP_UNLESS_ROOT();
    container_ = make_container(std::get<SwitchMode>(GetParam()));
    container_.userns = std::get<bool>(GetParam());
    bundle_ = container_.options.bundle;
    if (container_.userns) {
      ASSERT_EQ(::chown((bundle_ + "/rootfs").c_str(), 100000, 100000), 0);
    }
  }

  Container container_;
  std::string bundle_;
};

TEST_P(HotMounts, AddAndRemove) {
  make_path(bundle_ + "/data");
  write_text(bundle_ + "/data/file", "volume");
  Running running(container_);
  ASSERT_EQ(running.error(), "");
  std::string before = mountinfo();
  std::vector<oci::Mount> mounts = {
      mount_of("/hot/data", "bind", bundle_ + "/data", {"rbind", "ro"}),
      mount_of("/hot/file", "bind", bundle_ + "/data/file", {"bind"}),
      mount_of("/hot/tmp", "tmpfs", "tmpfs", {"size=64k", "mode=751"}),
      mount_of("/hot/proc", "proc", "proc"),
  };
  ASSERT_EQ(error_of(add_mounts(running.pid(), mounts)), "");
  EXPECT_EQ(inside(running.pid(),
                   [] {
                     return first_of({
                         expect_text("/hot/data/file", "volume"),
                         expect_create_error("/hot/data", EROFS),
                         expect_text("/hot/file", "volume"),
                         expect_magic("/hot/tmp", TMPFS_MAGIC),
                         expect_mode("/hot/tmp", 0751),
                         expect_owner("/hot/tmp", 0, 0),
                         expect_owner("/hot", 0, 0),
                         expect_magic("/hot/proc", PROC_SUPER_MAGIC),
                         // Of the container's pid namespace: its first process is 1.
                         ::access("/hot/proc/1/stat", F_OK) == 0 ? "" : "no process 1",
                         ::access(cat("/hot/proc/", ::getppid()).c_str(), F_OK) == 0
                             ? "processes of the host"
                             : "",
                     });
                   }),
            "");
  EXPECT_EQ(mountinfo(), before);
  ASSERT_EQ(error_of(remove_mounts(running.pid(), mounts)), "");
  EXPECT_EQ(inside(running.pid(),
                   [] {
                     return first_of({
                         ::access("/hot/data/file", F_OK) == 0 ? "still there" : "",
                         expect_text("/hot/file", ""),
                     });
                   }),
            "");
  EXPECT_EQ(error_of(remove_mounts(running.pid(), {mounts[0]})),
            "unmount \"/hot/data\": not a mount point: invalid argument");
}

TEST_P(HotMounts, ErrorsComeBack) {
  Running running(container_);
  ASSERT_EQ(running.error(), "");
  EXPECT_EQ(error_of(add_mounts(running.pid(), {mount_of("/x", "bind", "/no/such", {"bind"})})),
            "mount \"/no/such\" on \"/x\": clone mount \"/no/such\": no such file or directory");
  auto inside_proc = add_mounts(running.pid(), {mount_of("/proc/self", "tmpfs", "tmpfs")});
  ASSERT_FALSE(inside_proc);
  EXPECT_EQ(inside_proc.error().code(), Code::kInvalidArgument);
  auto unknown = add_mounts(running.pid(), {mount_of("/x", "nosuchfs", "none")});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().sys_errno(), ENODEV);
  EXPECT_FALSE(add_mounts(running.pid(), {mount_of("/", "tmpfs", "tmpfs")}));
  EXPECT_FALSE(remove_mounts(running.pid(), {mount_of("/", "", "")}));
}

INSTANTIATE_TEST_SUITE_P(Rootfs, HotMounts,
                         ::testing::Combine(::testing::Values(SwitchMode::kOnEmptyRoot,
                                                              SwitchMode::kPivot),
                                            ::testing::Bool()));

std::string pin_path() {
  struct stat own{};
  ::stat("/proc/self/ns/mnt", &own);
  return cat("/run/dhow/empty-mnt/", own.st_ino);
}

// Binds a mount namespace that is a copy of this one over the pin. Tried on each processor, as the
// numbers that decide whether the kernel allows it come from there.
bool pin_full_namespace() {
  cpu_set_t all;
  if (::sched_getaffinity(0, sizeof all, &all) != 0) return false;
  bool bound = false;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE && !bound; ++cpu) {
    if (!CPU_ISSET(cpu, &all)) continue;
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) return false;
    pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ::sched_setaffinity(0, sizeof one, &one);
      ::unshare(CLONE_NEWNS);
      std::ignore = ::write(ready[1], "x", 1);
      ::pause();
    }
    char byte = 0;
    std::string other = cat("/proc/", child, "/ns/mnt");
    bound = ::read(ready[0], &byte, 1) == 1 &&
            ::mount(other.c_str(), pin_path().c_str(), nullptr, MS_BIND, nullptr) == 0;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  return bound;
}

TEST(EmptyNamespace, IsMadeOnceAndChecked) {
  SKIP_UNLESS_ROOT();
  auto identity = [](const Fd& fd) {
    struct stat info{};
    ::fstat(fd.get(), &info);
    return info.st_ino;
  };
  auto first = empty_mount_namespace();
  auto second = empty_mount_namespace();
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ(identity(**first), identity(**second));
  Fd own = open_at(kCwd, "/proc/self/ns/mnt", O_RDONLY).value();
  EXPECT_EQ(identity(**empty_mount_namespace(own.get())), identity(own));
  Fd null = open_at(kCwd, "/dev/null", O_RDONLY).value();
  EXPECT_EQ(identity(**empty_mount_namespace(null.get())), identity(**first));

  // A namespace that isn't empty takes its place: it is not believed.
  if (!pin_full_namespace()) GTEST_SKIP() << "no mount namespace can be bound";
  auto third = empty_mount_namespace();
  ASSERT_TRUE(third && *third);
  EXPECT_NE(identity(**third), identity(**first));
  auto fourth = empty_mount_namespace();
  ASSERT_TRUE(fourth && *fourth);
  EXPECT_EQ(identity(**third), identity(**fourth));
}

TEST(EmptyNamespace, ConcurrentMakersAgree) {
  SKIP_UNLESS_ROOT();
  ASSERT_EQ(::umount2(pin_path().c_str(), MNT_DETACH), 0);
  constexpr int kMakers = 8;
  int results[2];
  ASSERT_EQ(::pipe2(results, O_CLOEXEC), 0);
  for (int i = 0; i < kMakers; ++i) {
    if (::fork() != 0) continue;
    auto made = empty_mount_namespace();
    struct stat info{};
    if (made && *made) ::fstat((*made)->get(), &info);
    std::ignore = ::write(results[1], &info.st_ino, sizeof info.st_ino);
    ::_exit(0);
  }
  ino_t first = 0;
  for (int i = 0; i < kMakers; ++i) {
    ino_t inode = 0;
    ASSERT_EQ(::read(results[0], &inode, sizeof inode), static_cast<ssize_t>(sizeof inode));
    EXPECT_NE(inode, 0U);
    if (i == 0) first = inode;
    EXPECT_EQ(inode, first);
  }
  for (int i = 0; i < kMakers; ++i) ::wait(nullptr);
  ::close(results[0]);
  ::close(results[1]);
}

// A runtime on the host and one in a mount namespace of its own, in turns.
TEST(EmptyNamespace, OthersKeepTheirs) {
  SKIP_UNLESS_ROOT();
  auto before = empty_mount_namespace();
  ASSERT_TRUE(before && *before);
  struct stat first{};
  ASSERT_EQ(::fstat((*before)->get(), &first), 0);
  pid_t child = ::fork();
  if (child == 0) {
    bool apart = ::unshare(CLONE_NEWNS) == 0 &&
                 ::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) == 0;
    auto made = empty_mount_namespace();
    ::_exit(apart && made && *made ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  auto after = empty_mount_namespace();
  ASSERT_TRUE(after && *after);
  struct stat second{};
  ASSERT_EQ(::fstat((*after)->get(), &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
}

// Of namespaces that are gone, the names stay: not without limit.
TEST(EmptyNamespace, PinsAreLimited) {
  SKIP_UNLESS_ROOT();
  auto before = empty_mount_namespace();
  ASSERT_TRUE(before && *before);
  auto folder = open_at(kCwd, "/run/dhow/empty-mnt", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(folder);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(replace_file(*folder, cat("dead-", i), "", 0400));
  ASSERT_EQ(::umount2(pin_path().c_str(), MNT_DETACH), 0);
  auto after = empty_mount_namespace();
  EXPECT_TRUE(after && *after);
  auto names = list_dir(*folder);
  ASSERT_TRUE(names);
  EXPECT_LT(names->size(), 64U);
}

TEST(EmptyNamespace, SwitchGoesBack) {
  SKIP_UNLESS_ROOT();
  auto empty = empty_mount_namespace();
  ASSERT_TRUE(empty && *empty);
  ASSERT_EQ(::chdir("/usr"), 0);
  std::string before = mountinfo();
  {
    auto away = MountNamespaceSwitch::enter(**empty);
    ASSERT_TRUE(away);
    EXPECT_NE(::access("/usr", F_OK), 0);
    EXPECT_EQ(mountinfo(), "");
  }
  EXPECT_EQ(mountinfo(), before);
  char folder[64];
  EXPECT_STREQ(::getcwd(folder, sizeof folder), "/usr");
  ASSERT_EQ(::chdir("/"), 0);
}

}  // namespace
}  // namespace dhow::rootfs
