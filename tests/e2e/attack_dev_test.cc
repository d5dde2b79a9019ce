// SPDX-License-Identifier: Apache-2.0
// Images whose /dev leads out of the root filesystem, and none of the mounts that would hide it.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <deque>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/attack.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

void remove_dev_mounts(Bundle& bundle) {
  for (const char* at : {"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"}) bundle.remove_mount(at);
}

// A folder of the host with files of the names that the runtime makes in /dev; at the end nothing
// of it may have changed, and nothing have been added.
class HostFolder {
 public:
  HostFolder() {
    for (const char* name : {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx",
                             "fd", "stdin", "stdout", "stderr", "core", "fuse"}) {
      write_text(path() + "/" + name, "of the host", 0640);
      files_.emplace_back(path() + "/" + name);
    }
    for (const char* name : {"/pts", "/shm", "/mqueue"}) fs::create_directory(path() + name);
    count_ = count();
  }
  ~HostFolder() { EXPECT_EQ(count(), count_) << "something was made in " << path(); }
  HostFolder(const HostFolder&) = delete;
  HostFolder& operator=(const HostFolder&) = delete;

  const std::string& path() const { return folder_.path(); }
  std::string relative() const { return "../../../../../../.." + path(); }

 private:
  long count() const {
    fs::recursive_directory_iterator all(path());
    return std::distance(begin(all), end(all));
  }
  TempDir folder_;
  std::deque<Unchanged> files_;
  long count_ = 0;
};

void ask_for_fuse(Bundle& bundle) {
  bundle.linux()["devices"] = json::array{json::object{{"path", "/dev/fuse"},
                                                       {"type", "c"},
                                                       {"major", 10},
                                                       {"minor", 229},
                                                       {"fileMode", 0666},
                                                       {"uid", 7}},
                                          json::object{{"path", "/dev/null"},
                                                       {"type", "c"},
                                                       {"major", 1},
                                                       {"minor", 3},
                                                       {"fileMode", 0666},
                                                       {"uid", 7}}};
}

// CVE-2026-41579, CVE-2026-47766: /dev itself is a link.
TEST(AttackDev, CVE_2026_41579_CVE_2026_47766_DevIsALink) {
  HostFolder host;
  for (const std::string& target : {host.path(), host.relative()}) {
    for (bool mounts : {false, true}) {
      for (bool terminal : {false, true}) {
        Bundle bundle;
        if (!mounts) remove_dev_mounts(bundle);
        fs::remove(bundle.rootfs() + "/dev");
        fs::create_symlink(target, bundle.rootfs() + "/dev");
        bundle.process()["terminal"] = terminal;
        build_among_host_mounts(bundle, terminal);
        ask_for_fuse(bundle);
        run_victim(bundle, 0);
      }
    }
  }
}

// The same one level deeper: the folders that are mounted on. What is mounted on the host's is seen
// by nobody, since it goes with the namespace; but then the container runs without.
TEST(AttackDev, CVE_2026_41579_FoldersOfDevAreLinks) {
  HostFolder host;
  for (std::string name : {"pts", "shm", "mqueue"}) {
    Bundle bundle;
    fs::create_symlink(host.relative() + "/" + name, bundle.rootfs() + "/dev/" + name);
    bundle.remove_mount("/dev");
    build_among_host_mounts(bundle, true);
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_EQ(outcome.code, 1) << name;
    EXPECT_THAT(outcome.err, HasSubstr("/dev/" + name)) << name;
  }
}

// CVE-2026-88264, CVE-2026-88265, CVE-2025-52565: /dev/console and /dev/null are links, to what
// there is on the host, or to what would be made there.
TEST(AttackDev, CVE_2026_88264_CVE_2026_88265_NodesAreLinks) {
  HostFolder host;
  for (std::string name : {"null", "console", "ptmx", "tty", "fd", "fuse"}) {
    for (const std::string& target :
         {host.path() + "/" + name, host.relative() + "/" + name, host.relative() + "/missing"}) {
      Bundle bundle;
      remove_dev_mounts(bundle);
      fs::create_directory(bundle.rootfs() + "/dev/pts");
      bundle.add_mount("/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5");
      fs::create_symlink(target, bundle.rootfs() + "/dev/" + name);
      bundle.process()["terminal"] = name == "console" || name == "ptmx";
      build_among_host_mounts(bundle, true);
      ask_for_fuse(bundle);
      Outcome outcome = run_victim(bundle, 0);
      // ptmx is replaced, fd is a link anyway.
      bool in_use = name != "ptmx" && name != "fd";
      EXPECT_EQ(outcome.code, in_use ? 1 : 0) << name << target << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr(in_use ? "/dev/" + name : "")) << target;
    }
  }
}

// CVE-2025-52565: the terminal must be on /dev/console and not where that leads to in procfs.
TEST(AttackDev, CVE_2025_52565_ConsoleLinkIntoProc) {
  Unchanged pattern("/proc/sys/kernel/core_pattern");
  Bundle bundle;
  remove_dev_mounts(bundle);
  fs::create_directory(bundle.rootfs() + "/dev/pts");
  bundle.add_mount("/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5");
  fs::create_symlink("/proc/sys/kernel/core_pattern", bundle.rootfs() + "/dev/console");
  bundle.process()["terminal"] = true;
  bundle.set_script("cat /proc/self/mountinfo");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_THAT(outcome.out, Not(HasSubstr("core_pattern"))) << outcome.err;
}

// CVE-2025-31133: files are masked with the host's null device, whatever the container's is.
TEST(AttackDev, CVE_2025_31133_NullIsALinkIntoProc) {
  TempDir devices;
  fs::create_symlink("/proc/sys/kernel/core_pattern", devices.path() + "/null");
  Bundle bundle;
  remove_dev_mounts(bundle);
  bundle.add_mount("/dev", "bind", devices.path(), "rbind,rw");
  bundle.linux()["maskedPaths"] = json::array{"/proc/version", "/proc/uptime"};
  bundle.set_script("stat -c %F:%t:%T /proc/version /proc/uptime");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "character special file:1:3\ncharacter special file:1:3\n") << outcome.err;
}

// A multiplexer in the image finds the devpts beside it, here the host's: it would make the
// container's terminal one of the host.
TEST(AttackDev, CVE_2025_52565_MultiplexerOfTheHostIsRefused) {
  Bundle bundle;
  remove_dev_mounts(bundle);
  fs::create_directories(bundle.rootfs() + "/dev/pts/pts");
  ASSERT_EQ(::mknod((bundle.rootfs() + "/dev/pts/ptmx").c_str(), S_IFCHR | 0666, ::makedev(5, 2)),
            0);
  bundle.add_mount("/dev/pts/pts", "bind", "/dev/pts", "bind,rw");
  bundle.process()["terminal"] = true;
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("open a terminal: no devpts is mounted"));
}

}  // namespace
}  // namespace dhow::e2e
