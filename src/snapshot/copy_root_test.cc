// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/copy.h"
#include "snapshot/testing/contract.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"
#include "sys/testing/temp_dir.h"

namespace dhow::snapshot {
namespace {

INSTANTIATE_TEST_SUITE_P(Copy, SnapshotterContract,
                         ::testing::Values(Implementation{
                             "Copy",
                             [](const std::string& folder, metadata::Database& database) {
                               return open_copy(folder, database);
                             }}),
                         name_of);

class CopyTreeTest : public ::dhow::testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    for (const char* name : {"from", "to", "scratch"}) {
      ASSERT_EQ(::mkdir(at(name).c_str(), 0755), 0);
    }
  }
  void copy() {
    auto folder = [&](const char* name) {
      return open_at(dir_, name, O_RDONLY | O_DIRECTORY).value();
    };
    auto status = copy_tree(folder("from"), folder("to"), folder("scratch"));
    ASSERT_TRUE(status.has_value()) << status.error().message();
    EXPECT_TRUE(std::filesystem::is_empty(at("scratch")));
  }
  struct stat info(const std::string& path) const {
    struct stat result{};
    EXPECT_EQ(::lstat((path_ + "/" + path).c_str(), &result), 0) << path;
    return result;
  }
  // All that stat tells, but for the number, the device and the time of change.
  void expect_alike(const std::string& name) const {
    struct stat from = info("from/" + name);
    struct stat to = info("to/" + name);
    EXPECT_EQ(from.st_mode, to.st_mode) << name;
    EXPECT_EQ(from.st_uid, to.st_uid) << name;
    EXPECT_EQ(from.st_gid, to.st_gid) << name;
    EXPECT_EQ(from.st_rdev, to.st_rdev) << name;
    EXPECT_EQ(from.st_nlink, to.st_nlink) << name;
    EXPECT_EQ(from.st_mtim.tv_sec, to.st_mtim.tv_sec) << name;
    EXPECT_EQ(from.st_mtim.tv_nsec, to.st_mtim.tv_nsec) << name;
    if (!S_ISDIR(from.st_mode)) {
      EXPECT_EQ(from.st_size, to.st_size) << name;
    }
  }
  void age(const std::string& name) {
    const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 1},
                                      {.tv_sec = 2000, .tv_nsec = 2}};
    ASSERT_EQ(::utimensat(AT_FDCWD, at("from/" + name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
};

TEST_F(CopyTreeTest, EveryKindOfFileWithItsAttributes) {
  put("from/file", "content");
  ASSERT_EQ(::chown(at("from/file").c_str(), 12, 34), 0);
  ASSERT_EQ(::chmod(at("from/file").c_str(), 06755), 0);
  ASSERT_EQ(::mkdir(at("from/folder").c_str(), 0700), 0);
  put("from/folder/inside", "x");
  ASSERT_EQ(::chmod(at("from/folder").c_str(), 03710), 0);
  ASSERT_EQ(::symlink("no/where", at("from/link").c_str()), 0);
  ASSERT_EQ(::lchown(at("from/link").c_str(), 56, 78), 0);
  ASSERT_EQ(::mkfifo(at("from/pipe").c_str(), 0640), 0);
  ASSERT_EQ(::mknod(at("from/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod(at("from/whiteout").c_str(), S_IFCHR, makedev(0, 0)), 0);
  ASSERT_EQ(::mknod(at("from/socket").c_str(), S_IFSOCK | 0600, 0), 0);
  ASSERT_EQ(::chmod(at("from").c_str(), 01751), 0);
  const std::vector<std::string> names = {"file", "folder/inside", "folder", "link", "pipe",
                                          "null", "whiteout",      "socket", "."};
  for (const std::string& name : names) age(name);
  copy();
  for (const std::string& name : names) expect_alike(name);
  EXPECT_EQ(read_file(at("to/file")).value(), "content");
  EXPECT_EQ(std::filesystem::read_symlink(at("to/link")), "no/where");
}

TEST_F(CopyTreeTest, HardLinksAreLinks) {
  put("from/a", "content");
  ASSERT_EQ(::mkdir(at("from/folder").c_str(), 0700), 0);
  ASSERT_EQ(::link(at("from/a").c_str(), at("from/folder/b").c_str()), 0);
  ASSERT_EQ(::link(at("from/a").c_str(), at("from/c").c_str()), 0);
  copy();
  EXPECT_EQ(info("to/a").st_ino, info("to/folder/b").st_ino);
  EXPECT_EQ(info("to/a").st_ino, info("to/c").st_ino);
  EXPECT_EQ(info("to/a").st_nlink, 3U);
  EXPECT_NE(info("to/a").st_ino, info("from/a").st_ino);
}

TEST_F(CopyTreeTest, ExtendedAttributes) {
  put("from/file", "x");
  ASSERT_EQ(::symlink("x", at("from/link").c_str()), 0);
  ASSERT_EQ(::mkdir(at("from/folder").c_str(), 0700), 0);
  // cap_net_raw+ep, as the kernel keeps it.
  const std::string capability(
      "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00",
      20);
  auto set = [&](const char* path, const char* name, const std::string& value) {
    ASSERT_EQ(::lsetxattr(at(path).c_str(), name, value.data(), value.size(), 0), 0) << name;
  };
  set("from/file", "security.capability", capability);
  set("from/file", "trusted.empty", "");
  set("from/folder", "trusted.overlay.opaque", "y");
  set("from/link", "trusted.link", "value");
  copy();
  auto get = [&](const char* path, const char* name) -> std::string {
    char value[256];
    ssize_t size = ::lgetxattr(at(path).c_str(), name, value, sizeof value);
    return size < 0 ? "none" : std::string(value, static_cast<std::size_t>(size));
  };
  EXPECT_EQ(get("to/file", "security.capability"), capability);
  EXPECT_EQ(get("to/file", "trusted.empty"), "");
  EXPECT_EQ(get("to/folder", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(get("to/link", "trusted.link"), "value");
}

TEST_F(CopyTreeTest, HolesStayHoles) {
  constexpr off_t kSize = off_t{1} << 30;
  put("from/file", "begin");
  {
    Fd file = open_at(dir_, "from/file", O_WRONLY).value();
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, kSize / 2), 6);
    ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
  }
  copy();
  EXPECT_EQ(info("to/file").st_size, kSize);
  EXPECT_LE(info("to/file").st_blocks, info("from/file").st_blocks + 16);
  Fd file = open_at(dir_, "to/file", O_RDONLY).value();
  char text[6];
  ASSERT_EQ(::pread(file.get(), text, 6, kSize / 2), 6);
  EXPECT_EQ(std::string(text, 6), "middle");
  ASSERT_EQ(::pread(file.get(), text, 6, 0), 6);
  EXPECT_EQ(std::string(text, 6), std::string("begin\0", 6));
}

}  // namespace
}  // namespace dhow::snapshot
