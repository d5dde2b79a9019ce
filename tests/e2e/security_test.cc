// SPDX-License-Identifier: Apache-2.0
// Known holes of container runtimes, each tried on a live container.
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Security, CVE_2024_21626_WorkingFolderCannotBeALeakedDescriptor) {
  for (int fd = 3; fd <= 20; ++fd) {
    Bundle bundle;
    bundle.process()["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    Container container(bundle);
    EXPECT_NE(container.run().code, 0) << "cwd of descriptor " << fd;
  }
}

TEST(Security, CVE_2024_21626_NoDescriptorLeaksIntoInitOrExec) {
  Bundle bundle({"/bin/testbox", "fds"});
  Container container(bundle);
  Outcome outcome = container.run();
  for (const char* fd : {"\n3 ", "\n4 ", "\n5 ", "\n6 "}) {
    EXPECT_THAT(outcome.out, Not(HasSubstr(fd)));
  }
  Bundle live_bundle({"/bin/testbox", "wait"});
  Container live(live_bundle);
  live.start_detached();
  Outcome listed = live.exec({"/bin/testbox", "fds"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  for (const char* fd : {"\n3 ", "\n4 ", "\n5 ", "\n6 "}) {
    EXPECT_THAT(listed.out, Not(HasSubstr(fd)));
  }
}

TEST(Security, CVE_2019_19921_ProcMustBeAnOrdinaryFolder) {
  Bundle bundle;
  std::filesystem::remove(bundle.rootfs() + "/proc");
  std::filesystem::create_directory(bundle.rootfs() + "/evil-proc");
  std::filesystem::create_symlink("evil-proc", bundle.rootfs() + "/proc");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("must be mounted on ordinary directory"));
}

// The rootfs has a link to a folder of the host where a mount is to be made. Only among the host's
// mounts does an absolute one lead there.
TEST(Security, CVE_2019_18837_MountTargetStaysInTheRoot) {
  for (const char* up : {"", "../../../../../.."}) {
    TempDir outside;
    Bundle bundle;
    std::filesystem::create_symlink(up + outside.path(), bundle.rootfs() + "/link");
    bundle.add_mount("/link/made", "tmpfs", "tmpfs", "nosuid");
    bundle.linux()["rootfsPropagation"] = "rslave";
    Container container(bundle);
    container.run();
    EXPECT_FALSE(exists(outside.path() + "/made")) << up;
  }
}

TEST(Security, CVE_2026_30892_ExecUserIsTheNumberGiven) {
  Bundle bundle({"/bin/testbox", "wait"});
  write_text(bundle.rootfs() + "/etc/passwd", "1:x:0:0::/:/bin/sh\n");  // CVE-2016-3697
  Container container(bundle);
  container.start_detached();
  for (const char* user : {"1", "1000", "65534"}) {
    Outcome outcome = container.exec({"/bin/id", "-u"}, {"--user", user});
    EXPECT_EQ(outcome.out, std::string(user) + "\n") << outcome.err;
  }
  EXPECT_NE(container.exec({"/bin/id", "-u"}, {"--user", "root"}).code, 0);
}

TEST(Security, CVE_2022_29162_ExecCapabilityIsNotInheritable) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Outcome outcome =
      container.exec({"/bin/testbox", "status", "CapInh", "CapEff"}, {"--cap", "CAP_SYS_PTRACE"});
  EXPECT_THAT(outcome.out, HasSubstr("CapInh:\t0000000000000000")) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("CapEff:\t0000000000000000")));
}

TEST(Security, NoCapabilitiesInTheConfigurationMeansNone) {
  Bundle bundle({"/bin/testbox", "status", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"});
  bundle.process().erase("capabilities");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string none = "\t0000000000000000\n";
  const std::string all_sets =
      "CapInh:" + none + "CapPrm:" + none + "CapEff:" + none + "CapBnd:" + none + "CapAmb:" + none;
  EXPECT_EQ(outcome.out, all_sets);

  Bundle live_bundle({"/bin/testbox", "wait"});
  live_bundle.process().erase("capabilities");
  Container live(live_bundle);
  live.start_detached();
  Outcome listed =
      live.exec({"/bin/testbox", "status", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"});
  EXPECT_EQ(listed.out, all_sets) << listed.err;
}

}  // namespace
}  // namespace dhow::e2e
