// SPDX-License-Identifier: Apache-2.0
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/rootfs/root_test_checks.h"
#include "runtime/rootfs/root_test_support.h"
#include "runtime/rootfs/rootfs.h"

namespace dhow::rootfs {
namespace {

std::string check_default_tree(Rootfs&) {
  std::string text = first_of({
      expect_magic("/proc", PROC_SUPER_MAGIC),
      expect_magic("/dev", TMPFS_MAGIC),
      expect_magic("/dev/pts", DEVPTS_SUPER_MAGIC),
      expect_magic("/dev/mqueue", 0x19800202),
      expect_magic("/sys", SYSFS_MAGIC),
      expect_device("/dev/null", 'c', 1, 3),
      expect_device("/dev/zero", 'c', 1, 5),
      expect_device("/dev/full", 'c', 1, 7),
      expect_device("/dev/random", 'c', 1, 8),
      expect_device("/dev/urandom", 'c', 1, 9),
      expect_device("/dev/tty", 'c', 5, 0),
      expect_link("/dev/ptmx", "pts/ptmx"),
      expect_link("/dev/fd", "/proc/self/fd"),
      expect_link("/dev/stdin", "/proc/self/fd/0"),
      expect_link("/dev/stdout", "/proc/self/fd/1"),
      expect_link("/dev/stderr", "/proc/self/fd/2"),
  });
  if (!text.empty()) return text;
  text = first_of({
      expect_flags("/sys", ST_RDONLY),
      expect_flags("/dev", ST_NOSUID, ST_NODEV | ST_RDONLY),
      expect_flags("/dev/shm", ST_NODEV | ST_NOSUID | ST_NOEXEC),
      expect_text("/marker", "inside"),
      expect_mode("/dev/null", 0666),
      expect_mode("/dev/shm", 01777),
  });
  if (!text.empty()) return text;
  char buffer[64];
  if (::getcwd(buffer, sizeof buffer) == nullptr || std::string_view(buffer) != "/") {
    return "the working folder is not /";
  }
  if (::access("/run/rootfs-test", F_OK) == 0) return "the host is visible";
  return {};
}

class Modes : public ::testing::TestWithParam<SwitchMode> {
 protected:
  void SetUp() override { SKIP_UNLESS_ROOT(); }
};

TEST_P(Modes, DefaultTree) {
  Container container = make_container(GetParam());
  write_text(container.options.bundle + "/rootfs/marker", "inside");
  container.check = check_default_tree;
  std::string before = mountinfo();
  EXPECT_EQ(run(container), "");
  EXPECT_EQ(mountinfo(), before);
}

TEST_P(Modes, DefaultTreeInUserNamespace) {
  Container container = make_container(GetParam());
  container.userns = true;
  std::string root = container.options.bundle + "/rootfs";
  write_text(root + "/marker", "inside");
  ASSERT_EQ(::chown(root.c_str(), 100000, 100000), 0);
  container.check = check_default_tree;
  EXPECT_EQ(run(container), "");
}

TEST_P(Modes, SharedHostMountsSeeNothing) {
  Container container = make_container(GetParam());
  const std::string& bundle = container.options.bundle;
  ASSERT_EQ(::mount("tmpfs", bundle.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, bundle.c_str(), nullptr, MS_SHARED, nullptr), 0);
  make_path(bundle + "/rootfs");
  make_path(bundle + "/volume/sub");
  container.config.mounts.push_back(mount_of("/volume", "bind", "volume", {"rbind"}));
  container.config.mounts.push_back(mount_of("/volume/sub", "tmpfs", "tmpfs"));
  container.config.linux.rootfs_propagation = oci::Propagation::kShared;
  container.check = [](Rootfs&) { return expect_magic("/volume/sub", TMPFS_MAGIC); };
  std::string before = mountinfo();
  // The volume is a peer of the host's, as its configuration says; the root never is.
  EXPECT_EQ(run(container), "");
  std::string after = mountinfo();
  container.config.linux.rootfs_propagation.reset();
  EXPECT_EQ(after.find("/rootfs/proc"), std::string::npos) << after;
  ::umount2((bundle + "/volume/sub").c_str(), MNT_DETACH);
  EXPECT_EQ(mountinfo(), before);
  EXPECT_EQ(run(container), "");
  EXPECT_EQ(mountinfo(), before);
}

TEST_P(Modes, RootIsTheTopOfTheNamespace) {
  Container container = make_container(GetParam());
  write_text(container.options.bundle + "/rootfs/marker", "inside");
  make_path(container.options.bundle + "/rootfs/new");
  container.check = [](Rootfs&) -> std::string {
    // A nested container: its own pivot_root, from this root.
    if (::unshare(CLONE_NEWNS) != 0) return "unshare";
    if (::mount("/new", "/new", nullptr, MS_BIND, nullptr) != 0) return "bind";
    if (::chdir("/new") != 0) return "chdir";
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return cat("pivot: ", errno_text(errno));
    if (::umount2(".", MNT_DETACH) != 0) return "detach";
    return {};
  };
  EXPECT_EQ(run(container), "");
  container.check = [](Rootfs&) -> std::string {
    // Refused to processes in a chroot, which a container must not look like.
    return ::unshare(CLONE_NEWUSER) == 0 ? "" : cat("unshare: ", errno_text(errno));
  };
  EXPECT_EQ(run(container), "");
  Running running(container = make_container(GetParam()));
  ASSERT_EQ(running.error(), "");
  write_text(container.options.bundle + "/rootfs/marker", "inside");
  EXPECT_EQ(inside(running.pid(), [] { return read_text("/marker"); }), "inside");
}

INSTANTIATE_TEST_SUITE_P(Rootfs, Modes,
                         ::testing::Values(SwitchMode::kOnEmptyRoot, SwitchMode::kPivot,
                                           SwitchMode::kMove),
                         [](const auto& instance) {
                           switch (instance.param) {
                             case SwitchMode::kOnEmptyRoot:
                               return "OnEmptyRoot";
                             case SwitchMode::kPivot:
                               return "Pivot";
                             case SwitchMode::kMove:
                               return "Move";
                             case SwitchMode::kChroot:
                               break;
                           }
                           return "Chroot";
                         });

}  // namespace
}  // namespace dhow::rootfs
