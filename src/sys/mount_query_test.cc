// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>

#include <cerrno>
#include <gtest/gtest.h>

#include "sys/mount_fd.h"

namespace dhow {
namespace {

Fd open_path(std::string_view path) {
  auto opened = open_at(kCwd, path, O_PATH);
  EXPECT_TRUE(opened) << path;
  return opened ? std::move(*opened) : Fd();
}

TEST(MountQuery, IdsTellMountsApart) {
  Fd proc = open_path("/proc");
  Fd below = open_path("/proc/self/status");
  Fd root = open_path("/");
  EXPECT_EQ(*mount_id(proc), *mount_id(below));
  EXPECT_NE(*mount_id(proc), *mount_id(root));
  EXPECT_TRUE(*is_mount_root(proc));
  EXPECT_FALSE(*is_mount_root(below));
}

TEST(MountQuery, FileSystems) {
  EXPECT_EQ(*file_system_magic(open_path("/proc")), PROC_SUPER_MAGIC);
  EXPECT_NE(*file_system_magic(open_path("/")), PROC_SUPER_MAGIC);
  EXPECT_FALSE(file_system_magic(FdRef(-1)));
}

TEST(MountQuery, AttributesOfAMount) {
  Fd proc = open_path("/proc");
  auto attributes = mount_attributes(proc);
  ASSERT_TRUE(attributes);
  EXPECT_EQ(*attributes & MOUNT_ATTR_RDONLY, 0U);
  EXPECT_FALSE(mount_attributes(FdRef(-1)));
}

TEST(MountQuery, WithoutMountSetattr) {
  Fd root = open_path("/");
  set_mount_setattr_enabled(false);
  auto status = set_mount_attributes(root, MOUNT_ATTR_NOSUID, 0, 0, false);
  set_mount_setattr_enabled(true);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().sys_errno(), ENOSYS);
}

TEST(MountQuery, UnknownFileSystemTypesAreNamed) {
  auto context = FsContext::open("nosuchfs");
  ASSERT_FALSE(context);
  EXPECT_NE(context.error().message().find("\"nosuchfs\""), std::string::npos);
}

}  // namespace
}  // namespace dhow
