// SPDX-License-Identifier: Apache-2.0
// What hostile images, volumes and neighbours try: nothing may be made, changed or mounted outside
// the container's root.
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/rootfs/root_test_checks.h"
#include "runtime/rootfs/root_test_support.h"
#include "sys/dir_fd.h"
#include "sys/file_io.h"

namespace dhow::rootfs {
namespace {

class Attack : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_UNLESS_ROOT();
    bundle_ = container_.options.bundle = make_bundle();
    rootfs_ = bundle_ + "/rootfs";
    outside_ = bundle_ + "/outside";
    make_path(outside_);
    container_.config = default_config();
    container_.options.mode = SwitchMode::kPivot;
  }
  void TearDown() override {
    if (outside_.empty()) return;
    auto folder = open_at(kCwd, outside_, O_RDONLY | O_DIRECTORY);
    auto names = list_dir(*folder);
    ASSERT_TRUE(names);
    EXPECT_TRUE(names->empty() || *names == std::vector<std::string>{"secret"})
        << join(*names, " ");
  }
  void link(const std::string& target, const std::string& path) {
    ASSERT_EQ(::symlink(target.c_str(), (rootfs_ + path).c_str()), 0) << path;
  }
  void without_dev() {
    std::erase_if(container_.config.mounts,
                  [](const oci::Mount& mount) { return mount.destination.starts_with("/dev"); });
  }
  std::string run_with(std::function<std::string(Rootfs&)> check) {
    container_.check = std::move(check);
    return run(container_);
  }

  Container container_;
  std::string bundle_;
  std::string rootfs_;
  std::string outside_;
};

TEST_F(Attack, ProcAndSysMustBeOrdinaryFolders) {
  for (const char* name : {"/proc", "/sys"}) {
    std::string kind = std::string_view(name) == "/proc" ? "proc" : "sysfs";
    make_path(rootfs_ + "/elsewhere");
    link("elsewhere", name);
    std::string expected = cat("filesystem \"", kind, "\" must be mounted on ordinary directory");
    EXPECT_NE(run_with(nullptr).find(expected), std::string::npos) << run_with(nullptr);
    ::unlink((rootfs_ + name).c_str());
    write_text(rootfs_ + name, "");
    EXPECT_NE(run_with(nullptr).find(expected), std::string::npos) << run_with(nullptr);
    ::unlink((rootfs_ + name).c_str());
  }
}

TEST_F(Attack, NothingIsMountedInProcUnderAnotherName) {
  link("proc", "/alias");
  make_path(bundle_ + "/data");
  container_.config.mounts.push_back(mount_of("/alias/self/attr", "bind", "data", {"bind"}));
  EXPECT_NE(run_with(nullptr).find("cannot be mounted because it is inside /proc"),
            std::string::npos);
  container_.config.mounts.back() = mount_of("/proc", "tmpfs", "tmpfs");
  EXPECT_NE(run_with(nullptr).find("cannot be mounted because it is not of type proc"),
            std::string::npos);
  container_.config.mounts.back() = mount_of("/proc", "bind", "data", {"bind"});
  EXPECT_NE(run_with(nullptr).find("cannot be mounted because it is not of type proc"),
            std::string::npos);
  container_.config.mounts.back() = mount_of("/proc", "bind", "/proc", {"rbind"});
  EXPECT_EQ(run_with(nullptr), "");
  write_text(bundle_ + "/meminfo", "emulated");
  container_.config.mounts.back() =
      mount_of("/proc/meminfo", "bind", bundle_ + "/meminfo", {"bind"});
  EXPECT_EQ(run_with([](Rootfs&) { return expect_text("/proc/meminfo", "emulated"); }), "");
}

// CVE-2019-18837 and its relatives.
TEST_F(Attack, DestinationLinksStayInside) {
  make_path(bundle_ + "/data");
  write_text(bundle_ + "/data/file", "volume");
  link(outside_, "/absolute");
  link("../../../../../../../../" + outside_, "/relative");
  for (const char* destination : {"/absolute/new", "/relative/new", "/absolute"}) {
    container_.config.mounts = default_mounts();
    make_path(rootfs_ + outside_);
    container_.config.mounts.push_back(mount_of(destination, "bind", "data", {"bind"}));
    EXPECT_EQ(run_with([&](Rootfs&) { return expect_text(cat(destination, "/file"), "volume"); }),
              "")
        << destination;
  }
  // A dangling link is not a place to create anything.
  link("/nowhere/at/all", "/dangling");
  container_.config.mounts.back() = mount_of("/dangling", "bind", "data", {"bind"});
  EXPECT_NE(run_with(nullptr), "");
}

// CVE-2026-41579: the image's /dev leads out of it.
TEST_F(Attack, DevIsALinkOutside) {
  for (bool with_mounts : {false, true}) {
    if (!with_mounts) without_dev();
    if (with_mounts) container_.config.mounts = default_mounts();
    link(outside_, "/dev");
    // Inside the root the link leads to a folder of the same name, or to nothing.
    std::string text = run_with(nullptr);
    EXPECT_NE(text, "");
    make_path(rootfs_ + outside_);
    EXPECT_EQ(run_with([](Rootfs&) { return expect_device("/dev/null", 'c', 1, 3); }), "");
    ::unlink((rootfs_ + "/dev").c_str());
    auto folder = open_at(kCwd, rootfs_, O_PATH | O_DIRECTORY);
    ASSERT_TRUE(remove_tree(*folder, "run"));
  }
}

// CVE-2026-88264 and -88265: planted links where there is no mount on /dev.
TEST_F(Attack, PlantedDeviceLinks) {
  write_text(outside_ + "/secret", "untouched");
  ASSERT_EQ(::chmod((outside_ + "/secret").c_str(), 0600), 0);
  without_dev();
  make_path(rootfs_ + "/dev/pts");
  link(outside_ + "/secret", "/dev/null");
  EXPECT_EQ(run_with(nullptr),
            "error: make device \"/dev/null\": existing file is not the device c 1:3");
  ::unlink((rootfs_ + "/dev/null").c_str());
  container_.config.mounts.push_back(default_mounts()[2]);
  link(outside_ + "/secret", "/dev/console");
  EXPECT_NE(run_with([](Rootfs& rootfs) {
              auto console = rootfs.open_console(true);
              return console ? "bound" : console.error().message();
            }).find("bind terminal on \"/dev/console\": not a file or device"),
            std::string::npos);
  EXPECT_EQ(expect_text(outside_ + "/secret", "untouched"), "");
  EXPECT_EQ(expect_mode(outside_ + "/secret", 0600), "");
  ::unlink((rootfs_ + "/dev/console").c_str());
  // A regular file in the image is covered, not changed.
  ::unlink((rootfs_ + "/dev/full").c_str());
  write_text(rootfs_ + "/dev/full", "of the image");
  EXPECT_EQ(run_with([](Rootfs&) { return expect_device("/dev/full", 'c', 1, 7); }), "");
  EXPECT_EQ(expect_text(rootfs_ + "/dev/full", "of the image"), "");
}

// CVE-2025-31133: the container's /dev/null is not what it is taken for.
TEST_F(Attack, MasksUseTheHostsNullDevice) {
  make_path(bundle_ + "/dev");
  ASSERT_EQ(::symlink("/proc/sys/kernel/core_pattern", (bundle_ + "/dev/null").c_str()), 0);
  without_dev();
  container_.config.mounts.push_back(mount_of("/dev", "bind", "dev", {"bind"}));
  write_text(rootfs_ + "/secret", "secret");
  make_path(rootfs_ + "/folder/inner");
  container_.config.linux.masked_paths = {"/secret",       "/folder",    "/missing",
                                          "/secret/below", "/proc/stat", "/sys/kernel"};
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              auto folder = open_at(kCwd, "/folder", O_RDONLY | O_DIRECTORY);
              auto names = list_dir(*folder);
              if (!names || !names->empty()) return "the masked folder is not empty";
              // The inode is the host's /dev/null: it must work, but not be changed.
              for (const char* path : {"/secret", "/proc/stat"}) {
                if (::chmod(path, 0666) == 0 || errno != EROFS) return "the null device is open";
                auto null = open_at(kCwd, path, O_WRONLY);
                if (!null || !write_all(*null, "x")) return "the null device takes no data";
              }
              return first_of({
                  expect_device("/secret", 'c', 1, 3),
                  expect_device("/proc/stat", 'c', 1, 3),
                  expect_create_error("/folder", EROFS),
                  expect_create_error("/sys/kernel", EROFS),
                  expect_flags("/folder", ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
              });
            }),
            "");
}

TEST_F(Attack, ReadonlyPaths) {
  make_path(rootfs_ + "/etc/sub");
  link("etc", "/link");
  container_.config.linux.readonly_paths = {"/proc/sys", "/link", "/missing"};
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_create_error("/etc/sub", EROFS),
                  expect_create_error("/link", EROFS),
                  expect_flags("/proc/sys", ST_RDONLY),
                  expect_flags("/proc", 0, ST_RDONLY),
                  expect_create_error("/", 0),
              });
            }),
            "");
}

// CVE-2019-16884, CVE-2025-52881: a volume over /proc/self/attr and the like doesn't reach writes
// of the runtime.
TEST_F(Attack, PrivateProcIsCoveredByNothing) {
  write_text(bundle_ + "/fake", "fake");
  container_.config.mounts.push_back(
      mount_of("/proc/sys/kernel/ns_last_pid", "bind", bundle_ + "/fake", {"bind"}));
  container_.config.mounts.push_back(mount_of("/proc/uptime", "bind", bundle_ + "/fake", {"bind"}));
  container_.config.mounts[0].options = {"ro"};
  for (bool userns : {false, true}) {
    container_.userns = userns;
    ASSERT_EQ(::chown(rootfs_.c_str(), userns ? 100000 : 0, userns ? 100000 : 0), 0);
    EXPECT_EQ(run_with([](Rootfs& rootfs) -> std::string {
                auto proc = rootfs.private_proc();
                if (!proc) return proc.error().message();
                auto text = read_file(*proc, "uptime");
                if (!text || *text == "fake") return "the volume covers the private procfs";
                auto own = read_file(*proc, "self/stat");
                if (!own || !own->starts_with("1 ")) return "it is of another pid namespace";
                auto write = write_existing(*proc, "self/oom_score_adj", "100");
                return write ? "" : write.error().message();
              }),
              "");
  }
}

TEST_F(Attack, LongSourcesAreCleanErrors) {
  container_.config.mounts.push_back(
      mount_of("/x", "bind", "/" + std::string(70000, 'a'), {"bind"}));
  EXPECT_NE(run_with(nullptr).find("file name too long"), std::string::npos);
}

TEST_F(Attack, TerminalsComeFromTheContainersDevpts) {
  EXPECT_EQ(run_with([](Rootfs& rootfs) -> std::string {
              auto console = rootfs.open_console(true);
              if (!console) return console.error().message();
              struct stat slave{};
              struct stat bound{};
              ::fstat(console->slave.get(), &slave);
              ::stat("/dev/console", &bound);
              if (slave.st_rdev != bound.st_rdev) return "another terminal is bound";
              if (::write(console->slave.get(), "x", 1) != 1) return "write";
              char byte = 0;
              if (::read(console->master.get(), &byte, 1) != 1 || byte != 'x') return "read";
              return first_of({expect_magic("/dev/console", DEVPTS_SUPER_MAGIC),
                               ::access("/dev/pts/0", F_OK) == 0 ? "" : "no /dev/pts/0"});
            }),
            "");
  // Something else in the place of the multiplexer.
  without_dev();
  make_path(rootfs_ + "/dev/pts");
  write_text(rootfs_ + "/dev/pts/ptmx", "");
  EXPECT_EQ(run_with([](Rootfs& rootfs) {
              auto console = rootfs.open_console(false);
              return console ? "opened" : console.error().message();
            }),
            "open a terminal: no devpts is mounted on \"/dev/pts\"");
}

// CVE-2021-30465, CVE-2024-45310: a neighbour swaps a folder of a shared volume for a link while
// the mounts are made.
TEST_F(Attack, RacingSwapsNeverLeaveTheRoot) {
  make_path(bundle_ + "/volume/real/deep");
  make_path(bundle_ + "/data");
  write_text(bundle_ + "/data/file", "volume");
  ASSERT_EQ(
      ::symlink(("../../../../../../../.." + outside_).c_str(), (bundle_ + "/volume/link").c_str()),
      0);
  container_.config.mounts.push_back(mount_of("/volume", "bind", "volume", {"bind"}));
  for (int i = 0; i < 10; ++i) {
    container_.config.mounts.push_back(
        mount_of(cat("/volume/real/deep/", i), "bind", "data", {"bind"}));
    container_.config.mounts.push_back(
        mount_of(cat("/volume/real/file", i), "bind", "data/file", {"bind"}));
  }
  pid_t swapper = ::fork();
  if (swapper == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto volume = open_at(kCwd, bundle_ + "/volume", O_PATH | O_DIRECTORY);
    while (true) {
      ::syscall(SYS_renameat2, volume->get(), "real", volume->get(), "link", 2 /* EXCHANGE */);
    }
  }
  int built = 0;
  for (bool openat2 : {true, false}) {
    set_openat2_enabled(openat2);
    for (int round = 0; round < 100; ++round) {
      std::string before = mountinfo();
      // Success or a clean error; what counts is the outside, which TearDown checks too.
      if (run_with([](Rootfs&) { return std::string(); }).empty()) ++built;
      ASSERT_EQ(mountinfo(), before);
    }
  }
  set_openat2_enabled(true);
  ::kill(swapper, SIGKILL);
  ::waitpid(swapper, nullptr, 0);
  ::testing::Test::RecordProperty("built", built);
}

TEST_F(Attack, UnmountingTheRootShowsNothing) {
  container_.options.mode = SwitchMode::kOnEmptyRoot;
  container_.check = [](Rootfs&) -> std::string {
    return ::umount2("/", MNT_DETACH) == 0 ? "" : cat("umount: ", errno_text(errno));
  };
  Running running(container_);
  ASSERT_EQ(running.error(), "");
  EXPECT_EQ(inside(running.pid(),
                   []() -> std::string {
                     auto root = open_at(kCwd, "/", O_RDONLY | O_DIRECTORY);
                     auto names = list_dir(*root);
                     if (!names || !names->empty()) return "not empty";
                     return expect_create_error("/", EROFS);
                   }),
            "");
}

}  // namespace
}  // namespace dhow::rootfs
