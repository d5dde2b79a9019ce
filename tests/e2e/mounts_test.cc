// SPDX-License-Identifier: Apache-2.0
// Mounts: types, sources, destinations, propagation, paths that are masked or read-only.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class MountsTest : public testing::Test {
 protected:
  Outcome run(std::string_view script) {
    bundle_.set_script(script);
    Container container(bundle_);
    return container.run();
  }
  std::string fault() { return fault_of_create(bundle_); }
  // The mount table's fields of a mount point: options, optional fields, type, superblock options.
  std::string entry(const std::string& point) {
    Outcome outcome = run("grep ' " + point + " ' /proc/self/mountinfo");
    return outcome.out + outcome.err;
  }
  Bundle bundle_;
  TempDir host_;
};

TEST_F(MountsTest, EveryTypeOfTheDefaultConfiguration) {
  Outcome outcome = run("awk '{print $5, $(NF-2)}' /proc/self/mountinfo");
  for (const char* line : {"/proc proc\n", "/dev tmpfs\n", "/dev/pts devpts\n", "/dev/shm tmpfs\n",
                           "/dev/mqueue mqueue\n", "/sys sysfs\n"}) {
    EXPECT_THAT(outcome.out, HasSubstr(line));
  }
  EXPECT_THAT(outcome.out, HasSubstr(unified_cgroups() ? "/sys/fs/cgroup cgroup2\n"
                                                       : "/sys/fs/cgroup/memory cgroup\n"));
}

TEST_F(MountsTest, AnyOtherFileSystem) {
  bundle_.add_mount("/ram", "ramfs", "ramfs", "nosuid,mode=711");
  EXPECT_EQ(run("stat -c %a /ram").out, "711\n");
  for (const char* name : {"lower", "upper", "work"}) {
    std::filesystem::create_directory(host_.path() + "/" + name);
  }
  write_text(host_.path() + "/lower/file", "low\n");
  bundle_.add_mount("/tmp/tmpfs", "tmpfs", "tmpfs", "size=1m");
  bundle_.add_mount("/over", "overlay", "overlay",
                    "lowerdir=" + host_.path() + "/lower,upperdir=" + host_.path() +
                        "/upper,workdir=" + host_.path() + "/work");
  Outcome outcome = run("cat /over/file; echo up > /over/file");
  if (outcome.code != 0 && outcome.err.find("overlay") != std::string::npos) {
    GTEST_SKIP() << "no overlay on the test's file system: " << outcome.err;
  }
  EXPECT_EQ(outcome.out, "low\n") << outcome.err;
  EXPECT_EQ(read_text(host_.path() + "/upper/file"), "up\n");
}

TEST_F(MountsTest, OneOptionStringMayHoldSeveralForTheFileSystem) {
  bundle_.config()["mounts"].as_array().push_back(
      json::object{{"destination", "/data"},
                   {"type", "tmpfs"},
                   {"source", "tmpfs"},
                   {"options", json::array{"size=1m,mode=710"}}});
  EXPECT_EQ(run("stat -c %a /data").out, "710\n");
}

TEST_F(MountsTest, BindsOfFilesAndFoldersMakeTheirTargets) {
  write_text(host_.path() + "/file", "content\n");
  std::filesystem::create_directory(host_.path() + "/folder");
  bundle_.add_mount("/new/deep/file", "bind", host_.path() + "/file", "bind");
  bundle_.add_mount("/new/folder", "none", host_.path() + "/folder", "rbind");
  EXPECT_EQ(run("cat /new/deep/file; touch /new/folder/made").out, "content\n");
  EXPECT_TRUE(exists(host_.path() + "/folder/made"));
  EXPECT_EQ(read_text(bundle_.rootfs() + "/new/deep/file"), "");
}

TEST_F(MountsTest, RelativeSourceIsBelowTheBundleAndRelativeDestinationBelowTheRoot) {
  write_text(bundle_.path() + "/note", "from the bundle\n");
  bundle_.add_mount("etc/note", "bind", "note", "bind,ro");
  EXPECT_EQ(run("cat /etc/note").out, "from the bundle\n");
}

TEST_F(MountsTest, OrderIsTheListsOrder) {
  bundle_.add_mount("/a", "tmpfs", "tmpfs", "nosuid");
  bundle_.add_mount("/a/b", "tmpfs", "tmpfs", "nodev");
  EXPECT_THAT(entry("/a/b"), HasSubstr("nodev"));
  bundle_.add_mount("/a", "tmpfs", "tmpfs", "noexec");
  EXPECT_EQ(run("ls /a").out, "") << "the last one covers the others";
}

TEST_F(MountsTest, MissingSourceAndUnknownTypeAreNamed) {
  bundle_.add_mount("/mnt", "bind", host_.path() + "/none", "bind");
  EXPECT_THAT(fault(),
              AllOf(HasSubstr(host_.path() + "/none"), HasSubstr("no such file or directory")));
  bundle_.remove_mount("/mnt");
  bundle_.add_mount("/mnt", "nosuchfs", "x", "ro");
  EXPECT_THAT(fault(), HasSubstr("/mnt"));
  bundle_.remove_mount("/mnt");
  bundle_.add_mount("/mnt", "tmpfs", "tmpfs", "nosuchoption");
  EXPECT_THAT(fault(), HasSubstr("/mnt"));
  bundle_.remove_mount("/mnt");
  bundle_.add_mount("", "tmpfs", "tmpfs", "ro");
  EXPECT_THAT(fault(), HasSubstr("$.mounts[7].destination"));
}

TEST_F(MountsTest, NothingGoesBelowProc) {
  bundle_.add_mount("/proc/sys/net", "tmpfs", "tmpfs", "ro");
  EXPECT_THAT(fault(), HasSubstr("cannot be mounted because it is inside /proc"));
  bundle_.remove_mount("/proc/sys/net");
  bundle_.remove_mount("/proc");
  bundle_.add_mount("/proc", "tmpfs", "tmpfs", "ro");
  EXPECT_THAT(fault(), HasSubstr("cannot be mounted because it is not of type proc"));
}

TEST_F(MountsTest, TmpfsMayCopyWhatItCovers) {
  std::filesystem::create_directories(bundle_.rootfs() + "/data/sub");
  write_text(bundle_.rootfs() + "/data/sub/file", "original\n", 0640);
  bundle_.add_mount("/data", "tmpfs", "tmpfs", "tmpcopyup,nosuid");
  EXPECT_EQ(run("cat /data/sub/file; stat -c %a /data/sub/file; echo new > /data/sub/file").out,
            "original\n640\n");
  EXPECT_EQ(read_text(bundle_.rootfs() + "/data/sub/file"), "original\n");
}

TEST_F(MountsTest, LinksAreFollowedOrNot) {
  write_text(host_.path() + "/target", "target\n");
  std::filesystem::create_symlink("target", host_.path() + "/link");
  bundle_.add_mount("/followed", "bind", host_.path() + "/link", "bind");
  bundle_.add_mount("/copied", "bind", host_.path() + "/link", "bind,copy-symlink");
  EXPECT_EQ(run("cat /followed; readlink /copied").out, "target\ntarget\n");
  // The link itself, on a link of the root.
  std::filesystem::create_symlink("somewhere", bundle_.rootfs() + "/etc/dest");
  std::filesystem::create_symlink("/etc", host_.path() + "/other");
  bundle_.add_mount("/etc/dest", "bind", host_.path() + "/other",
                    "bind,src-nofollow,dest-nofollow");
  Outcome outcome = run("readlink /etc/dest; ls /etc | grep -c somewhere");
  EXPECT_EQ(outcome.out, "/etc\n0\n") << outcome.err;
}

TEST_F(MountsTest, RemountChangesAMountThatIsThere) {
  bundle_.add_mount("/dev/shm", "tmpfs", "shm", "remount,ro,nosuid,nodev,noexec");
  EXPECT_EQ(run("touch /dev/shm/x 2>/dev/null || echo read-only").out, "read-only\n");
}

TEST_F(MountsTest, MaskedAndReadonlyPaths) {
  bundle_.linux()["maskedPaths"] =
      json::array{"/proc/kcore", "/proc/scsi", "/no/such/path", "/home"};
  bundle_.linux()["readonlyPaths"] = json::array{"/proc/sys", "/etc", "/no/such/path"};
  write_text(bundle_.rootfs() + "/home/secret", "s");
  EXPECT_EQ(run("head -c 1 /proc/kcore | wc -c; ls /home | wc -l; touch /home/x 2>/dev/null || "
                "echo masked; touch /etc/x 2>/dev/null || echo etc; "
                "echo 1 > /proc/sys/net/ipv4/ip_forward 2>/dev/null || echo sys")
                .out,
            "0\n0\nmasked\netc\nsys\n");
  bundle_.linux()["maskedPaths"] = json::array{"relative"};
  EXPECT_THAT(fault(), HasSubstr("maskedPaths[0]"));
}

class Propagation : public MountsTest, public testing::WithParamInterface<const char*> {};

// A "shared" mount is in a peer group, a "slave" has a master, the others have neither.
TEST_P(Propagation, OfAMountAndOfTheRoot) {
  std::string value = GetParam();
  ASSERT_EQ(::mount("tmpfs", host_.path().c_str(), "tmpfs", 0, nullptr), 0);
  ::mount(nullptr, host_.path().c_str(), nullptr, MS_SHARED, nullptr);
  std::string plain = value.substr(value.starts_with("r") ? 1 : 0);
  bundle_.add_mount("/mnt", "bind", host_.path(), "rbind," + value);
  std::string line = entry("/mnt");
  EXPECT_EQ(line.find(" shared:") != std::string::npos, plain == "shared") << line;
  // A shared mount may be its source's slave as well: everything came from the host as one.
  if (plain != "shared") {
    EXPECT_EQ(line.find(" master:") != std::string::npos, plain == "slave") << line;
  }
  EXPECT_EQ(line.find(" unbindable") != std::string::npos, plain == "unbindable") << line;
  EXPECT_EQ(::umount2(host_.path().c_str(), MNT_DETACH), 0);
}

INSTANTIATE_TEST_SUITE_P(Config, Propagation,
                         testing::Values("private", "rprivate", "shared", "rshared", "slave",
                                         "rslave", "unbindable", "runbindable"));

TEST_F(MountsTest, RootPropagation) {
  for (const char* value : {"private", "shared", "slave", "unbindable"}) {
    bundle_.linux()["rootfsPropagation"] = value;
    std::string line = entry("/");
    EXPECT_EQ(line.find(" shared:") != std::string::npos, std::string_view(value) == "shared")
        << value << ": " << line;
    EXPECT_EQ(line.find(" unbindable") != std::string::npos,
              std::string_view(value) == "unbindable")
        << value << ": " << line;
  }
  bundle_.linux()["rootfsPropagation"] = "sideways";
  EXPECT_THAT(fault(), HasSubstr("$.linux.rootfsPropagation"));
}

// What the host mounts later below a slave shows up inside, and nothing goes the other way.
TEST_F(MountsTest, LaterMountsOfTheHostReachASlave) {
  ASSERT_EQ(::mount("tmpfs", host_.path().c_str(), "tmpfs", 0, nullptr), 0);
  ::mount(nullptr, host_.path().c_str(), nullptr, MS_SHARED, nullptr);
  std::filesystem::create_directory(host_.path() + "/later");
  {
    Bundle bundle({"/bin/testbox", "wait"});
    bundle.add_mount("/mnt", "bind", host_.path(), "rbind,rslave");
    Container container(bundle);
    container.start_detached();
    ASSERT_EQ(::mount("tmpfs", (host_.path() + "/later").c_str(), "tmpfs", 0, nullptr), 0);
    EXPECT_THAT(container.exec({"/bin/cat", "/proc/self/mountinfo"}).out,
                HasSubstr(" /mnt/later "));
  }
  EXPECT_EQ(::umount2(host_.path().c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace dhow::e2e
