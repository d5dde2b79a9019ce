// SPDX-License-Identifier: Apache-2.0
// Another container exchanges names on a volume while containers that mount into it are created.
// The rounds are enough for a runtime that looks at a path first and mounts on it afterwards to be
// caught; none is lost when the machine is slow, since there the window is open for longer.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/attack.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const int kEnough = rounds(200);

// CVE-2021-30465: a folder that is to be mounted on becomes a link to the host after the check.
// CVE-2024-45310: folders and files that are made as mount points are made behind such a link.
TEST(AttackRace, CVE_2021_30465_CVE_2024_45310_MountPointsStayInTheRoot) {
  TempDir volume;
  TempDir outside;
  fs::create_directory(volume.path() + "/a");
  fs::create_symlink(outside.path(), volume.path() + "/b");
  Racer racer(volume.path(), "a", "b");
  Bundle victim({"/bin/cat", "/proc/self/mountinfo"});
  victim.add_mount("/vol", "bind", volume.path(), "rbind,rw");
  victim.add_mount("", "tmpfs", "probe", "nosuid");
  victim.add_mount("", "bind", testbox_path(), "bind");
  json::array& mounts = victim.config()["mounts"].as_array();
  json::object& folder = mounts[mounts.size() - 2].as_object();
  json::object& file = mounts[mounts.size() - 1].as_object();
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    folder["destination"] = "/vol/a/m" + std::to_string(round);
    file["destination"] = "/vol/a/f" + std::to_string(round);
    build_among_host_mounts(victim, round % 2 == 0);
    Outcome outcome = run_victim(victim, round);
    ASSERT_TRUE(fs::is_empty(outside.path())) << "round " << round << " made something on the host";
    if (outcome.code != 0) continue;
    ++through;
    // The mount is below the container's root, not somewhere that went with the host's tree.
    EXPECT_THAT(outcome.out, HasSubstr("/m" + std::to_string(round) + " ")) << "round " << round;
    EXPECT_THAT(outcome.out, HasSubstr("/f" + std::to_string(round) + " ")) << "round " << round;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// As CVE-2021-30465: the part of a volume that is to be mounted
// becomes a link to the host after the check.
TEST(AttackRace, CVE_2021_30465_PartsOfVolumesStayInThem) {
  TempDir volume;
  TempDir outside;
  for (const std::string& place : {volume.path() + "/a", outside.path() + "/x"}) {
    fs::create_directory(place);
    std::ofstream(place + "/name") << (place.starts_with(volume.path()) ? "inside" : "outside");
  }
  fs::create_symlink(outside.path() + "/x", volume.path() + "/b");
  Racer racer(volume.path(), "a", "b");
  Bundle victim({"/bin/cat", "/part/name"});
  victim.add_mount("/part", "bind", volume.path(), "rbind,rw,dhow.subpath=a");
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    Outcome outcome = run_victim(victim, round);
    EXPECT_THAT(outcome.out, Not(HasSubstr("outside"))) << "round " << round;
    if (outcome.code != 0) continue;
    ++through;
    EXPECT_EQ(outcome.out, "inside");
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// CVE-2025-31133: the container's /dev/null, from which files are masked, becomes a link to a file
// that would be writable then.
TEST(AttackRace, CVE_2025_31133_MaskedFilesAreNullDevices) {
  TempDir devices;
  ASSERT_EQ(::mknod((devices.path() + "/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)), 0);
  fs::create_symlink("/proc/sys/kernel/core_pattern", devices.path() + "/evil");
  Racer racer(devices.path(), "null", "evil");
  Bundle victim;
  victim.set_script("stat -c %F:%t:%T /proc/version; cat /proc/version");
  victim.linux()["maskedPaths"] = json::array{"/proc/version"};
  for (const char* at : {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"}) victim.remove_mount(at);
  victim.add_mount("/dev", "bind", devices.path(), "rbind,rw");
  Unchanged pattern("/proc/sys/kernel/core_pattern");
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    build_among_host_mounts(victim, round % 2 == 0);
    Outcome outcome = run_victim(victim, round);
    if (outcome.code != 0) continue;
    ++through;
    ASSERT_EQ(outcome.out, "character special file:1:3\n") << "round " << round;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// CVE-2025-52565: the terminal is bound over /dev/console, which becomes a link into procfs, where
// the bind would be from or on a file that isn't protected yet.
TEST(AttackRace, CVE_2025_52565_ConsoleIsTheTerminal) {
  TempDir devices;
  fs::create_directory(devices.path() + "/pts");
  write_text(devices.path() + "/console", "");
  fs::create_symlink("/proc/sys/kernel/core_pattern", devices.path() + "/evil");
  Racer racer(devices.path(), "console", "evil");
  Bundle victim;
  victim.process()["terminal"] = true;
  victim.set_script("stat -c console=%F /dev/console; cat /proc/self/mountinfo");
  for (const char* at : {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"}) victim.remove_mount(at);
  victim.add_mount("/dev", "bind", devices.path(), "rbind,rw");
  victim.add_mount("/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5");
  Unchanged pattern("/proc/sys/kernel/core_pattern");
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    build_among_host_mounts(victim, round % 2 == 0);
    Outcome outcome = run_victim(victim, round);
    EXPECT_THAT(outcome.out, Not(HasSubstr(" /proc/sys/kernel/core_pattern "))) << round;
    EXPECT_THAT(outcome.out, Not(HasSubstr("console=regular"))) << round;
    if (outcome.code == 0) ++through;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// CVE-2025-52565: the other end of that mount. A runtime that looks the terminal up by its number
// in /dev/pts would find a link in another folder of that name, and bind what it leads to.
TEST(AttackRace, CVE_2025_52565_TerminalIsNotFoundByItsName) {
  TempDir devices;
  fs::create_directory(devices.path() + "/pts");
  fs::create_directory(devices.path() + "/evil");
  for (const char* number : {"0", "1", "2"}) {
    fs::create_symlink("/proc/sys/kernel/core_pattern", devices.path() + "/evil/" + number);
  }
  Racer racer(devices.path(), "pts", "evil");
  Bundle victim({"/bin/cat", "/proc/self/mountinfo"});
  victim.process()["terminal"] = true;
  for (const char* at : {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"}) victim.remove_mount(at);
  victim.add_mount("/dev", "bind", devices.path(), "rbind,rw");
  victim.add_mount("/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5");
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    Outcome outcome = run_victim(victim, round);
    if (outcome.code != 0) continue;
    ++through;
    EXPECT_THAT(outcome.out, HasSubstr(" /dev/console ")) << round;
    EXPECT_THAT(outcome.out, Not(HasSubstr(" /sys/kernel/core_pattern "))) << round;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc is exchanged for a link, so that what is
// masked and written to is not the procfs that the container gets.
TEST(AttackRace, CVE_2023_27561_ProcIsWhatIsMasked) {
  Bundle victim({"/bin/cat", "/evil/self/mountinfo", "/proc/self/mountinfo"});
  fs::create_directory(victim.rootfs() + "/fake");
  fs::create_symlink("fake", victim.rootfs() + "/evil");
  victim.linux()["maskedPaths"] = json::array{"/proc/version"};
  // Each path more is a chance more that the run is refused, and only what gets through is looked
  // at.
  victim.linux()["readonlyPaths"] = json::array{"/proc/sys"};
  Racer racer(victim.rootfs(), "proc", "evil");
  int through = 0;
  for (int round = 0; goes_on(round, through, kEnough); ++round) {
    build_among_host_mounts(victim, round % 2 == 0);
    Outcome outcome = run_victim(victim, round);
    if (outcome.out.find(" - proc proc ") == std::string::npos) continue;
    ++through;
    EXPECT_THAT(outcome.out, testing::ContainsRegex(" /(proc|evil)/version ")) << "round " << round;
    EXPECT_THAT(outcome.out, testing::ContainsRegex(" /(proc|evil)/sys ro,")) << "round " << round;
  }
  EXPECT_GT(through, 0);
  expect_no_victims();
}

}  // namespace
}  // namespace dhow::e2e
