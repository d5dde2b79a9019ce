// SPDX-License-Identifier: Apache-2.0
// What comes from the kernel: cgroups, devices, procfs and sysfs; and the way without privileges.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/rootfs/mountinfo.h"
#include "runtime/rootfs/root_test_checks.h"
#include "runtime/rootfs/root_test_support.h"
#include "sys/file_io.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {
namespace {

class KernelFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_UNLESS_ROOT();
    container_ = make_container(SwitchMode::kOnEmptyRoot);
    bundle_ = container_.options.bundle;
    rootfs_ = bundle_ + "/rootfs";
  }
  void add(oci::Mount mount) { container_.config.mounts.push_back(std::move(mount)); }
  void in_userns() {
    container_.userns = true;
    ASSERT_EQ(::chown(rootfs_.c_str(), 100000, 100000), 0);
  }
  std::string run_with(std::function<std::string(Rootfs&)> check) {
    container_.check = std::move(check);
    return run(container_);
  }

  Container container_;
  std::string bundle_;
  std::string rootfs_;
};

bool host_has_v1() {
  return expect_magic("/sys/fs/cgroup", TMPFS_MAGIC).empty() &&
         expect_magic("/sys/fs/cgroup/memory", CGROUP_SUPER_MAGIC).empty();
}

TEST_F(KernelFiles, CgroupsOfANamespace) {
  add(mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}));
  container_.cgroup_ns = true;
  bool v1 = host_has_v1();
  auto check = [v1](Rootfs&) -> std::string {
    if (!v1) return expect_magic("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC);
    return first_of({
        expect_magic("/sys/fs/cgroup", TMPFS_MAGIC),
        expect_create_error("/sys/fs/cgroup", EROFS),
        expect_magic("/sys/fs/cgroup/memory", CGROUP_SUPER_MAGIC),
        expect_flags("/sys/fs/cgroup/memory", ST_RDONLY | ST_NOSUID | ST_NOEXEC | ST_NODEV),
        ::access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) == 0 ? "" : "no memory files",
    });
  };
  EXPECT_EQ(run_with(check), "");
  in_userns();
  EXPECT_EQ(run_with(check), "");
}

TEST_F(KernelFiles, CgroupsWithoutANamespace) {
  if (!host_has_v1()) {
    add(mount_of("/sys/fs/cgroup", "cgroup", "cgroup"));
    EXPECT_EQ(run_with([](Rootfs&) { return expect_magic("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC); }),
              "");
    return;
  }
  std::string path = cat("/sys/fs/cgroup/memory/dhow-rootfs-test-", ::getpid());
  if (::mkdir(path.c_str(), 0755) != 0) GTEST_SKIP() << "no cgroup can be made: " << path;
  Cleanup remove([&] { ::rmdir(path.c_str()); });
  ASSERT_EQ(::mkdir((path + "/below").c_str(), 0755), 0);
  Cleanup remove_below([&] { ::rmdir((path + "/below").c_str()); });
  container_.options.cgroup_paths = {{"memory", path}};
  add(mount_of("/sys/fs/cgroup", "cgroup", "cgroup"));
  auto shows_own = [](Rootfs&) -> std::string {
    if (::access("/sys/fs/cgroup/memory/below", F_OK) != 0) return "not the container's cgroup";
    if (::access("/sys/fs/cgroup/pids", F_OK) == 0) return "a hierarchy that it has nothing in";
    return expect_flags("/sys/fs/cgroup/memory", 0, ST_RDONLY);
  };
  EXPECT_EQ(run_with(shows_own), "");
  // CVE-2023-25809: a user namespace that shares the host's cgroup namespace may only look.
  in_userns();
  EXPECT_EQ(run_with([](Rootfs&) { return expect_flags("/sys/fs/cgroup/memory", ST_RDONLY); }), "");
}

oci::Device device_of(std::string path, char type, int major, int minor) {
  oci::Device device;
  device.path = std::move(path);
  device.type = type;
  device.major = major;
  device.minor = minor;
  return device;
}

TEST_F(KernelFiles, ConfiguredDevices) {
  oci::Device owned = device_of("/opt/nodes/mem", 'c', 1, 5);
  owned.file_mode = 0640;
  owned.uid = 11;
  owned.gid = 12;
  container_.config.linux.devices = {
      owned, device_of("/dev/loopy", 'b', 7, 0), device_of("/dev/fifo", 'p', 0, 0),
      device_of("/dev/null", 'c', 1, 3), device_of("dev/relative", 'u', 1, 7)};
  container_.config.linux.devices[3].file_mode = 0600;
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              struct stat fifo{};
              if (::stat("/dev/fifo", &fifo) != 0 || !S_ISFIFO(fifo.st_mode)) return "no fifo";
              return first_of({
                  expect_device("/opt/nodes/mem", 'c', 1, 5),
                  expect_mode("/opt/nodes/mem", 0640),
                  expect_owner("/opt/nodes/mem", 11, 12),
                  expect_device("/dev/loopy", 'b', 7, 0),
                  expect_device("/dev/relative", 'c', 1, 7),
                  expect_mode("/dev/null", 0600),
                  expect_mode("/dev/fifo", 0666),
              });
            }),
            "");
}

TEST_F(KernelFiles, DevicesAreBoundInUserNamespaces) {
  in_userns();
  container_.config.linux.devices = {device_of("/dev/zero2", 'c', 1, 5)};
  // No such path on the host, and no udev that keeps links by number.
  bool by_number = ::access("/dev/char/1:5", F_OK) == 0;
  std::string text = run_with([](Rootfs&) { return expect_device("/dev/zero2", 'c', 1, 5); });
  if (by_number) {
    EXPECT_EQ(text, "");
  } else {
    EXPECT_NE(text.find("make device \"/dev/zero2\": the host has no node c 1:5"),
              std::string::npos)
        << text;
  }
  container_.config.linux.devices = {device_of("/dev/kmsg", 'c', 1, 11)};
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              int fd = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
              char byte = 1;
              if (fd < 0 || ::read(fd, &byte, 1) != 1 || byte != 0) return "no zeroes";
              if (::open("/dev/null", O_WRONLY | O_CLOEXEC) < 0) return "no /dev/null";
              std::string fault = expect_flags("/dev/null", ST_RDONLY | ST_NOSUID, ST_NODEV);
              if (!fault.empty()) return fault;
              return expect_device("/dev/kmsg", 'c', 1, 11);
            }),
            "");
}

TEST_F(KernelFiles, ABoundDevIsLeftAlone) {
  make_path(bundle_ + "/dev");
  std::erase_if(container_.config.mounts,
                [](const oci::Mount& mount) { return mount.destination.starts_with("/dev"); });
  add(mount_of("/dev/", "bind", "dev", {"rbind"}));
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              return ::access("/dev/null", F_OK) == 0 ? "a node was made in the volume" : "";
            }),
            "");
}

TEST_F(KernelFiles, SysfsOfTheHostWhereANewOneIsRefused) {
  in_userns();
  container_.network_ns = false;
  for (SwitchMode mode : {SwitchMode::kOnEmptyRoot, SwitchMode::kPivot}) {
    container_.options.mode = mode;
    EXPECT_EQ(run_with([](Rootfs&) {
                return first_of({expect_magic("/sys", SYSFS_MAGIC),
                                 expect_flags("/sys", ST_RDONLY | ST_NOSUID)});
              }),
              "");
  }
  container_.pid_ns = false;
  EXPECT_EQ(run_with([](Rootfs&) { return expect_magic("/proc", PROC_SUPER_MAGIC); }), "");
}

TEST_F(KernelFiles, ReadOnlyRoot) {
  container_.config.root->readonly = true;
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({expect_create_error("/", EROFS), expect_create_error("/dev", 0)});
            }),
            "");
}

TEST_F(KernelFiles, ChrootWithoutAMountNamespace) {
  container_.options.mode = SwitchMode::kChroot;
  container_.config.mounts.clear();
  write_text(rootfs_ + "/marker", "inside");
  EXPECT_EQ(
      run_with([](Rootfs&) {
        return first_of({expect_text("/marker", "inside"), expect_device("/dev/null", 'c', 1, 3)});
      }),
      "");
  container_.config.linux.masked_paths = {"/marker"};
  EXPECT_EQ(run_with(nullptr), "error: masked paths need a mount namespace");
}

// The path of the root is of no use to the container's root; a copy of it was taken before.
TEST_F(KernelFiles, RootThatTheContainerCannotReach) {
  in_userns();
  write_text(rootfs_ + "/marker", "inside");
  ASSERT_EQ(::chmod(bundle_.c_str(), 0700), 0);
  for (SwitchMode mode : {SwitchMode::kOnEmptyRoot, SwitchMode::kPivot, SwitchMode::kMove}) {
    container_.options.mode = mode;
    EXPECT_EQ(run_with([](Rootfs&) {
                return first_of(
                    {expect_text("/marker", "inside"), expect_magic("/proc", PROC_SUPER_MAGIC)});
              }),
              "");
  }
}

// An unprivileged user: all is done in the child, with the privileges of its user namespace.
TEST_F(KernelFiles, Rootless) {
  constexpr unsigned kUser = 12345;
  make_path(bundle_ + "/data");
  write_text(bundle_ + "/data/file", "volume");
  add(mount_of("/data", "bind", "data", {"rbind", "ro"}));
  container_.config.linux.masked_paths = {"/proc/stat"};
  container_.options.mode = SwitchMode::kPivot;
  container_.options.rootless = true;
  container_.single_user = kUser;
  ASSERT_EQ(::chown(rootfs_.c_str(), kUser, kUser), 0);
  EXPECT_EQ(run_with([](Rootfs& rootfs) -> std::string {
              auto console = rootfs.open_console(true);
              if (!console) return console.error().message();
              return first_of({
                  expect_text("/data/file", "volume"),
                  expect_create_error("/data", EROFS),
                  expect_magic("/proc", PROC_SUPER_MAGIC),
                  expect_device("/dev/null", 'c', 1, 3),
                  expect_device("/proc/stat", 'c', 1, 3),
                  expect_owner("/dev", 0, 0),
              });
            }),
            "");
}

}  // namespace
}  // namespace dhow::rootfs
