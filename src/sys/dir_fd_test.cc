// SPDX-License-Identifier: Apache-2.0
#include "sys/dir_fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "sys/file_io.h"

namespace dhow {
namespace {

// All with openat2 and with the walk that stands in for it.
class InRoot : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    set_openat2_enabled(GetParam());
    char name[] = "/tmp/dhow-dir-fd-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    for (const char* folder : {"/root", "/root/a", "/root/a/b", "/outside", "/root/etc"}) {
      ASSERT_EQ(::mkdir((top_ + folder).c_str(), 0755), 0);
    }
    write("/root/etc/name", "inside");
    write("/outside/name", "outside");
    auto root = DirFd::open(top_ + "/root");
    ASSERT_TRUE(root);
    root_ = std::move(*root);
  }
  void TearDown() override {
    set_openat2_enabled(true);
    auto parent = open_at(kCwd, "/tmp", O_PATH | O_DIRECTORY);
    EXPECT_TRUE(remove_tree(*parent, top_.substr(5)));
  }
  void write(const std::string& path, const std::string& text) {
    int fd = ::open((top_ + path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
  void link(const std::string& target, const std::string& path) {
    ASSERT_EQ(::symlink(target.c_str(), (top_ + path).c_str()), 0);
  }
  std::string text_of(const std::string& path) {
    auto file = root_.open_in_root(path, O_RDONLY);
    if (!file) return file.error().message();
    return *read_all(*file);
  }
  int error_of(const std::string& path, int flags = O_RDONLY) {
    auto file = root_.open_in_root(path, flags);
    return file ? 0 : file.error().sys_errno();
  }
  bool same(FdRef a, const std::string& path) {
    struct stat x{};
    struct stat y{};
    return ::fstat(a.get(), &x) == 0 && ::stat((top_ + path).c_str(), &y) == 0 &&
           x.st_ino == y.st_ino && x.st_dev == y.st_dev;
  }

  std::string top_;
  DirFd root_;
};

TEST_P(InRoot, NothingLeadsOut) {
  link("/etc/name", "/root/absolute");
  link("../../../../etc/name", "/root/a/b/dots");
  link("../outside/name", "/root/up");
  link("a/b/dots", "/root/twice");
  for (const char* path : {"/etc/name", "etc/name", "absolute", "a/b/dots", "twice",
                           "../../etc/name", "a/../../../etc/name", "//etc/./name"}) {
    EXPECT_EQ(text_of(path), "inside") << path;
  }
  EXPECT_EQ(error_of("up"), ENOENT);
  EXPECT_EQ(error_of("../outside/name"), ENOENT);
  for (const char* path : {"/", ".", "..", "", "a/..", "../.."}) {
    auto opened = root_.open_in_root(path, O_PATH | O_DIRECTORY);
    ASSERT_TRUE(opened) << path;
    EXPECT_TRUE(same(*opened, "/root")) << path;
  }
}

TEST_P(InRoot, LinksThatEndNowhere) {
  link("loop", "/root/loop");
  link("missing", "/root/dangling");
  EXPECT_EQ(error_of("loop"), ELOOP);
  EXPECT_EQ(error_of("dangling"), ENOENT);
  EXPECT_EQ(error_of("etc/name/below"), ENOTDIR);
  auto itself = root_.open_in_root("dangling", O_PATH | O_NOFOLLOW);
  ASSERT_TRUE(itself);
  struct stat info{};
  ASSERT_EQ(::fstat(itself->get(), &info), 0);
  EXPECT_TRUE(S_ISLNK(info.st_mode));
}

TEST_P(InRoot, MakesFolders) {
  link("/a", "/root/link");
  auto made = root_.make_dirs_in_root("link/x/y/z", 0711);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(same(made->fd(), "/root/a/x/y/z"));
  auto again = root_.make_dirs_in_root("/a/x/y/z/", 0711);
  ASSERT_TRUE(again);
  EXPECT_TRUE(same(again->fd(), "/root/a/x/y/z"));
  link("/nowhere/else", "/root/dangling");
  EXPECT_FALSE(root_.make_dirs_in_root("dangling", 0755));
  EXPECT_FALSE(root_.make_dirs_in_root("etc/name", 0755));
  EXPECT_NE(::access((top_ + "/root/nowhere").c_str(), F_OK), 0);
}

TEST_P(InRoot, MakesFiles) {
  auto made = root_.make_file_in_root("new/folder/file", 0640, 0755);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(same(*made, "/root/new/folder/file"));
  auto existing = root_.make_file_in_root("etc/name", 0640, 0755);
  ASSERT_TRUE(existing);
  EXPECT_EQ(text_of("etc/name"), "inside");
  link("../../outside/planted", "/root/planted");
  EXPECT_FALSE(root_.make_file_in_root("planted", 0644, 0755));
  EXPECT_NE(::access((top_ + "/outside/planted").c_str(), F_OK), 0);
}

TEST_P(InRoot, Parents) {
  auto parent = root_.open_parent_in_root("a/b/name", false, 0);
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->name, "name");
  EXPECT_TRUE(same(parent->dir.fd(), "/root/a/b"));
  for (const char* path : {"/", "", "a/..", "a/."}) {
    EXPECT_FALSE(root_.open_parent_in_root(path, true, 0755)) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(DirFd, InRoot, ::testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Openat2" : "Walk"; });

}  // namespace
}  // namespace dhow
