// SPDX-License-Identifier: Apache-2.0
#include "sys/file_io.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/testing/deny_syscall.h"
#include "sys/testing/forked.h"
#include "sys/testing/temp_dir.h"

namespace dhow {
namespace {

using dhow::testing::deny_syscall;
using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class FdTest : public dhow::testing::TempDirTest {};

TEST_F(FdTest, ClosesWhenItsOwnerGoes) {
  int number = -1;
  {
    Fd fd = *open_at(dir_, ".", O_RDONLY);
    number = fd.get();
    EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(FdTest, MovesLeaveNothingBehind) {
  Fd first = *open_at(dir_, ".", O_RDONLY);
  int number = first.get();
  Fd second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(second.get(), number);
  Fd& same = second;
  second = std::move(same);
  EXPECT_EQ(second.get(), number);
  EXPECT_NE(fcntl(number, F_GETFD), -1);
  second = Fd();
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST_F(FdTest, ResetKeepsErrno) {
  Fd fd = *open_at(dir_, ".", O_RDONLY);
  errno = ENOTTY;
  fd.reset();
  EXPECT_EQ(errno, ENOTTY);
  EXPECT_FALSE(fd);
}

TEST_F(FdTest, DuplicatesCloseOnExecFromANumberOn) {
  Fd fd = *open_at(dir_, ".", O_RDONLY);
  auto copy = fd.duplicate(100);
  ASSERT_TRUE(copy);
  EXPECT_GE(copy->get(), 100);
  EXPECT_EQ(fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
  EXPECT_THAT(message_of(Fd().duplicate()), HasSubstr("bad file descriptor"));
}

TEST_F(FdTest, PathsWithANulAreRefused) {
  put("a", "x");
  auto fd = open_at(dir_, std::string_view("a\0b", 3), O_RDONLY);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().sys_errno(), EINVAL);
}

class FileIoTest : public dhow::testing::TempDirTest {};

TEST_F(FileIoTest, ReadsWholeFilesUpToTheLimit) {
  std::string text(100'000, 'x');
  put("a", text);
  EXPECT_EQ(*read_file(dir_, "a"), text);
  EXPECT_EQ(read_file(dir_, "a", text.size())->size(), text.size());
  auto cut = read_file(dir_, "a", text.size() - 1);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), Code::kOutOfRange);
  EXPECT_EQ(cut.error().message(), "\"a\": read: more than 99999 bytes");
  put("empty", "");
  EXPECT_EQ(*read_file(dir_, "empty"), "");
  EXPECT_EQ(*read_file(dir_, "empty", 0), "");
}

TEST_F(FileIoTest, ReadsAndWritesAtAPlace) {
  Fd file = *open_at(dir_, "f", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(write_at(file, 3, "def"));
  ASSERT_TRUE(write_at(file, 0, "abc"));
  std::string buffer(4, '-');
  EXPECT_EQ(read_at(file, 2, buffer).value(), 4U);
  EXPECT_EQ(buffer, "cdef");
  EXPECT_EQ(read_at(file, 5, buffer).value(), 1U) << "fewer only at the end";
  EXPECT_EQ(read_at(file, 6, buffer).value(), 0U);
  EXPECT_EQ(read_some(file, buffer).value(), 4U) << "the place of others has not moved";
  EXPECT_EQ(buffer, "abcd");
  Fd read_only = *open_at(dir_, "f", O_RDONLY);
  EXPECT_EQ(write_at(read_only, 0, "x").error().sys_errno(), EBADF);
}

TEST_F(FileIoTest, MakesAFolderOrOpensTheOneThatIsThere) {
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(make_folder(dir_, "folder", 0700).has_value());
  }
  ASSERT_EQ(::symlinkat("folder", dir_.get(), "link"), 0);
  EXPECT_FALSE(make_folder(dir_, "link", 0700).has_value()) << "a link is not followed";
  EXPECT_THAT(message_of(make_folder(dir_, "none/folder", 0700)),
              HasSubstr("make the folder \"none/folder\": no such file"));
}

TEST_F(FileIoTest, ReadsFilesWithoutASize) {
  auto content = read_file("/proc/self/status");
  ASSERT_TRUE(content);
  EXPECT_THAT(*content, StartsWith("Name:"));
}

TEST_F(FileIoTest, ClaimedSizesTakeNoMemory) {
  put("sparse", "");
  ASSERT_EQ(truncate(at("sparse").c_str(), off_t{1} << 43), 0);  // 8 TiB of nothing
  auto content = read_file(dir_, "sparse", 1000);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), Code::kOutOfRange);
}

TEST_F(FileIoTest, FailuresNameTheFile) {
  EXPECT_EQ(message_of(read_file(dir_, "nope")), "open \"nope\": no such file or directory");
  EXPECT_EQ(message_of(read_file(dir_, ".")), "\".\": read: is a directory");
  EXPECT_EQ(message_of(write_existing(dir_, "nope", "x")),
            "open \"nope\": no such file or directory");
  EXPECT_EQ(message_of(write_existing("/dev/full", "x")),
            "write \"x\" to \"/dev/full\": no space left on device");
}

TEST_F(FileIoTest, WriteExistingNeitherCreatesNorTruncates) {
  put("a", "12345");
  EXPECT_TRUE(write_existing(dir_, "a", "ab"));
  EXPECT_EQ(*read_file(dir_, "a"), "ab345");
}

TEST_F(FileIoTest, WriteAllEndsAtAFullFile) {
  Fd full = *open_at(kCwd, "/dev/full", O_WRONLY);
  EXPECT_EQ(message_of(write_all(full, "x")), "write: no space left on device");
}

TEST_F(FileIoTest, ReplacesAtOnce) {
  put("state", "old");
  Fd reader = *open_at(dir_, "state", O_RDONLY);
  EXPECT_TRUE(replace_file(dir_, "state", "new", 0600));
  EXPECT_EQ(*read_all(reader), "old");
  EXPECT_EQ(*read_file(dir_, "state"), "new");
  struct stat info{};
  ASSERT_EQ(stat(at("state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("state"));
}

TEST_F(FileIoTest, ReplaceUsesNothingThatACrashLeft) {
  ASSERT_EQ(mkfifo(at(".state").c_str(), 0666), 0);  // opening it for writing would block
  EXPECT_TRUE(replace_file(dir_, "state", "new", 0600));
  EXPECT_EQ(*read_file(dir_, "state"), "new");
  put("target", "precious");
  ASSERT_EQ(symlink("target", at(".state").c_str()), 0);
  EXPECT_TRUE(replace_file(dir_, "state", "newer", 0600));
  EXPECT_EQ(*read_file(dir_, "state"), "newer");
  EXPECT_EQ(*read_file(dir_, "target"), "precious");
}

TEST_F(FileIoTest, FailedReplaceLeavesTheOldOne) {
  ASSERT_EQ(mkdir(at("folder").c_str(), 0755), 0);
  EXPECT_EQ(message_of(replace_file(dir_, "folder", "x", 0600)),
            "replace \"folder\": rename: is a directory");
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("folder"));
}

TEST_F(FileIoTest, ListsNamesAndKeepsTheDescriptor) {
  put("b", "");
  put(".a", "");
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("b", ".a"));
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("b", ".a"));
  Fd file = *open_at(dir_, "b", O_RDONLY);
  EXPECT_FALSE(list_dir(file));
}

TEST_F(FileIoTest, RemovesTreesWithoutFollowingLinks) {
  ASSERT_TRUE(make_dirs(at("keep"), 0755));
  put("keep/file", "x");
  ASSERT_TRUE(make_dirs(at("tree/a/b"), 0755));
  put("tree/a/b/file", "x");
  ASSERT_EQ(symlink("../keep", at("tree/link").c_str()), 0);
  ASSERT_EQ(mkfifo(at("tree/pipe").c_str(), 0600), 0);
  EXPECT_EQ(message_of(remove_tree(dir_, "tree")), "");
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("keep"));
  EXPECT_EQ(*read_file(dir_, "keep/file"), "x");
  EXPECT_TRUE(remove_tree(dir_, "tree"));
  EXPECT_TRUE(remove_tree(dir_, "keep/file"));
  EXPECT_THAT(*list_dir(*open_at(dir_, "keep", O_RDONLY)), IsEmpty());
}

TEST_F(FileIoTest, RemovesLinksThemselves) {
  put("file", "x");
  ASSERT_EQ(symlink("file", at("link").c_str()), 0);
  EXPECT_TRUE(remove_tree(dir_, "link"));
  EXPECT_THAT(*list_dir(dir_), UnorderedElementsAre("file"));
}

// In a mount namespace of its own, with a bind mount inside the tree to be removed.
std::string remove_with_mount(const std::string& path, bool openat2_works) {
  return in_child([&]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0) return "no mount namespace";
    if (mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) != 0) return "private failed";
    if (mount(openat2_works ? (path + "/keep").c_str() : "/proc", (path + "/tree/a").c_str(), "",
              MS_BIND, nullptr) != 0) {
      return "bind failed";
    }
    if (!openat2_works && !deny_syscall(SYS_openat2, ENOSYS)) return "seccomp failed";
    auto here = open_at(kCwd, path, O_PATH | O_DIRECTORY);
    return message_of(remove_tree(*here, "tree"));
  });
}

TEST_F(FileIoTest, NeverEntersMounts) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  ASSERT_TRUE(make_dirs(at("keep"), 0755));
  put("keep/file", "x");
  ASSERT_TRUE(make_dirs(at("tree/a"), 0755));
  // The same file system once, so that only the mount itself tells.
  EXPECT_EQ(remove_with_mount(path_, true), "remove \"a\": is a mount point");
  EXPECT_EQ(*read_file(dir_, "keep/file"), "x");
  EXPECT_EQ(remove_with_mount(path_, false), "remove \"a\": is a mount point");
}

TEST_F(FileIoTest, RemovesTreesWithoutOpenat2) {
  ASSERT_TRUE(make_dirs(at("tree/a/b"), 0755));
  put("tree/a/file", "x");
  EXPECT_EQ(in_child([&]() -> std::string {
              if (!deny_syscall(SYS_openat2, ENOSYS)) return "seccomp failed";
              return message_of(remove_tree(dir_, "tree"));
            }),
            "");
  EXPECT_THAT(*list_dir(dir_), IsEmpty());
}

TEST_F(FileIoTest, MakesWhatIsMissingOfAPath) {
  EXPECT_TRUE(make_dirs(at("a/b//c/"), 0700));
  struct stat info{};
  ASSERT_EQ(stat(at("a/b/c").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  EXPECT_TRUE(make_dirs(at("a/b"), 0700));
  put("file", "");
  EXPECT_THAT(message_of(make_dirs(at("file"), 0700)), HasSubstr("not a directory"));
  EXPECT_THAT(message_of(make_dirs(at("file/x"), 0700)), HasSubstr("not a directory"));
}

}  // namespace
}  // namespace dhow
