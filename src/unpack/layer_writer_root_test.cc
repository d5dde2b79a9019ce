// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/file_io.h"
#include "unpack/layer_writer.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::unpack {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LayerWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-layer.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::create_directory(root());
    std::ofstream(folder_ / "outside") << "outside";
  }
  void TearDown() override {
    std::ifstream outside(folder_ / "outside");
    std::string text;
    outside >> text;
    EXPECT_EQ(text, "outside") << "nothing beside the root is touched";
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);
    fs::remove_all(folder_);
  }
  fs::path root() const { return folder_ / "root"; }
  Result<Written> write(const TarBuilder& archive, Whiteouts whiteouts = Whiteouts::kOverlay,
                        WriteLimits limits = {}) {
    TextSource source(archive.finish());
    TarReader reader(source);
    LayerWriter writer(DirFd::open(root().string()).value(), whiteouts, limits);
    return writer.write(reader);
  }
  void write_well(const TarBuilder& archive, Whiteouts whiteouts = Whiteouts::kOverlay) {
    auto written = write(archive, whiteouts);
    ASSERT_TRUE(written.has_value()) << written.error().message();
  }
  void expect_fault(const TarBuilder& archive, std::string_view message,
                    Whiteouts whiteouts = Whiteouts::kOverlay) {
    auto written = write(archive, whiteouts);
    ASSERT_FALSE(written.has_value()) << message;
    EXPECT_EQ(written.error().code(), Code::kInvalidArgument) << written.error().message();
    EXPECT_THAT(written.error().message(), HasSubstr(message));
  }
  struct stat info(const std::string& path) const {
    struct stat result{};
    EXPECT_EQ(::lstat((root() / path).c_str(), &result), 0) << path;
    return result;
  }
  std::string content(const std::string& path) const {
    return read_file((root() / path).string()).value_or("unreadable");
  }
  std::string xattr(const std::string& path, const char* name) const {
    char value[256];
    ssize_t size = ::lgetxattr((root() / path).c_str(), name, value, sizeof value);
    return size < 0 ? "none" : std::string(value, static_cast<std::size_t>(size));
  }
  std::vector<std::string> names(const std::string& path = ".") const {
    return list_dir(open_at(kCwd, (root() / path).string(), O_RDONLY).value()).value();
  }

  fs::path folder_;
};

TEST_F(LayerWriterTest, EveryKindOfFileWithItsAttributes) {
  TarBuilder archive;
  archive.folder("./", 0711).folder("bin", 01777);
  archive.add({.path = "bin/su", .content = "program", .mode = 04755, .uid = 7, .gid = 8});
  archive.link("bin/sh", "../../../outside").hardlink("bin/su2", "bin/su");
  archive.add({.path = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3});
  archive.add({.path = "disk", .type = '4', .mode = 0600, .major = 8, .minor = 1});
  archive.add({.path = "pipe", .type = '6', .mode = 0640, .gid = 5});
  auto written = write(archive);
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(written->bytes, 7);
  EXPECT_EQ(written->entries, 8);
  EXPECT_EQ(info(".").st_mode & 07777, 0711U);
  EXPECT_EQ(info("bin").st_mode & 07777, 01777U);
  struct stat su = info("bin/su");
  EXPECT_EQ(su.st_mode, S_IFREG | 04755U);
  EXPECT_EQ(su.st_uid, 7U);
  EXPECT_EQ(su.st_gid, 8U);
  EXPECT_EQ(su.st_nlink, 2U);
  EXPECT_EQ(su.st_ino, info("bin/su2").st_ino);
  EXPECT_EQ(fs::read_symlink(root() / "bin/sh"), "../../../outside");
  EXPECT_EQ(info("null").st_rdev, makedev(1, 3));
  EXPECT_EQ(info("disk").st_mode, S_IFBLK | 0600U);
  EXPECT_EQ(info("pipe").st_mode, S_IFIFO | 0640U);
  EXPECT_EQ(info("pipe").st_gid, 5U);
}

TEST_F(LayerWriterTest, TimesAreKeptOfFoldersToo) {
  TarBuilder archive;
  archive.add({.path = "a", .type = '5', .mode = 0755, .mtime = 1000});
  archive.add({.path = "a/f", .content = "x", .mtime = 2000});
  archive.add({.path = "a/l", .type = '2', .target = "f", .mtime = 3000});
  archive.add({.path = "old", .content = "x", .pax = {{"mtime", "-86400.25"}}});
  archive.add({.path = "fine", .content = "x", .pax = {{"mtime", "5000000000.125000000"}}});
  write_well(archive);
  EXPECT_EQ(info("a").st_mtim.tv_sec, 1000);
  EXPECT_EQ(info("a/f").st_mtim.tv_sec, 2000);
  EXPECT_EQ(info("a/l").st_mtim.tv_sec, 3000);
  EXPECT_LE(info("old").st_mtim.tv_sec, -86400);
  EXPECT_EQ(info("fine").st_mtim.tv_sec, 5'000'000'000);
  EXPECT_EQ(info("fine").st_mtim.tv_nsec, 125'000'000);
}

TEST_F(LayerWriterTest, LongNamesLargeIdsAndUtf8) {
  std::string deep = std::string(120, 'd') + "/" + std::string(200, 'e');
  TarBuilder archive;
  archive.folder(std::string(120, 'd'));
  archive.add({.path = deep, .content = "deep", .pax = {{"uid", "4000000000"}}});
  archive.link("l\xc3\xb6ng", std::string(300, 't'));
  archive.add({.path = "short", .content = "u", .pax = {{"path", "\xe2\x82\xac"}}});
  write_well(archive);
  EXPECT_EQ(content(deep), "deep");
  EXPECT_EQ(info(deep).st_uid, 4'000'000'000U);
  EXPECT_EQ(fs::read_symlink(root() / "l\xc3\xb6ng"), std::string(300, 't'));
  EXPECT_EQ(content("\xe2\x82\xac"), "u");
}

TEST_F(LayerWriterTest, AttributesAndCapabilities) {
  // One of version 2 with CAP_NET_RAW, effective.
  std::string capability("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  TarBuilder archive;
  archive.add({.path = "ping",
               .content = "x",
               .mode = 0755,
               .uid = 3,
               .pax = {{"SCHILY.xattr.security.capability", capability},
                       {"SCHILY.xattr.trusted.test", "binary\x01"},
                       {"SCHILY.xattr.trusted.overlay.redirect", "/etc"}}});
  archive.add(
      {.path = "link", .type = '2', .target = "x", .pax = {{"SCHILY.xattr.trusted.l", "v"}}});
  write_well(archive);
  EXPECT_EQ(xattr("ping", "security.capability"), capability);
  EXPECT_EQ(xattr("ping", "trusted.test"), "binary\x01");
  EXPECT_EQ(xattr("ping", "trusted.overlay.redirect"), "none");
  EXPECT_EQ(xattr("link", "trusted.l"), "v");
}

TEST_F(LayerWriterTest, SparseFilesKeepTheirHoles) {
  // GNU sparse 1.0: the map stands before the data.
  std::string map = "1\n8388608\n4\n";
  map.resize(512, '\0');
  TarBuilder archive;
  archive.add({.path = "GNUSparseFile.0/s",
               .content = map + "data",
               .pax = {{"GNU.sparse.major", "1"},
                       {"GNU.sparse.minor", "0"},
                       {"GNU.sparse.name", "s"},
                       {"GNU.sparse.realsize", "16777216"}}});
  auto written = write(archive);
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(info("s").st_size, 16'777'216);
  EXPECT_LT(info("s").st_blocks, 100);
  EXPECT_EQ(content("s").substr(8'388'608, 4), "data");
}

TEST_F(LayerWriterTest, WhiteoutsOfOverlayfs) {
  TarBuilder archive;
  archive.folder("a").file("a/.wh.gone").file("a/.wh..wh..opq").file(".wh..wh.plnk");
  archive.file("own").file(".wh.own");
  write_well(archive);
  EXPECT_EQ(info("a/gone").st_mode & S_IFMT, S_IFCHR + 0U);
  EXPECT_EQ(info("a/gone").st_rdev, 0U);
  EXPECT_EQ(xattr("a", "trusted.overlay.opaque"), "y");
  EXPECT_EQ(content("own"), "x") << "a layer hides what is below, not what it brings";
  EXPECT_THAT(names(), UnorderedElementsAre("a", "own"));
  EXPECT_THAT(names("a"), UnorderedElementsAre("gone"));
}

TEST_F(LayerWriterTest, WhiteoutsOfAUsersOverlayfs) {
  TarBuilder archive;
  archive.folder("a").file("a/.wh..wh..opq");
  // The attribute needs a file system that keeps those of users; the name is what counts here.
  auto written = write(archive, Whiteouts::kUserOverlay);
  if (!written) {
    ASSERT_THAT(written.error().message(), HasSubstr("a/.wh..wh..opq"));
    GTEST_SKIP() << "no attributes of users here: " << written.error().message();
  }
  EXPECT_EQ(xattr("a", "user.overlay.opaque"), "y");
}

TEST_F(LayerWriterTest, WhiteoutsRemoveInAWholeTree) {
  TarBuilder below;
  below.folder("a").file("a/1").file("a/2").folder("b").file("b/1").folder("b/c").file("gone");
  write_well(below, Whiteouts::kRemove);
  TarBuilder above;
  above.file("a/3").file("a/.wh..wh..opq").file("b/.wh.c").file(".wh.gone").file(".wh.never");
  write_well(above, Whiteouts::kRemove);
  EXPECT_THAT(names(), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(names("a"), UnorderedElementsAre("3"));
  EXPECT_THAT(names("b"), UnorderedElementsAre("1"));
}

TEST_F(LayerWriterTest, OtherKindsTakeThePlaceOfWhatIsBelow) {
  write_well(TarBuilder().folder("d").file("d/1").file("f"), Whiteouts::kRemove);
  TarBuilder above;
  above.file("d", "file").folder("f").file("f/1");
  write_well(above, Whiteouts::kRemove);
  EXPECT_EQ(content("d"), "file");
  EXPECT_EQ(content("f/1"), "x");
}

TEST_F(LayerWriterTest, OneLayerCannotTellWhatIsBelow) {
  TarBuilder in_a_folder;
  in_a_folder.file("etc/passwd");
  TarBuilder linked;
  linked.hardlink("a", "below");
  TarBuilder shown_again;
  shown_again.file(".wh.d").folder("d");
  for (const TarBuilder& archive : {in_a_folder, linked, shown_again}) {
    auto written = write(archive);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code(), Code::kFailedPrecondition) << written.error().message();
  }
  std::ofstream(root() / "below") << "below";
  write_well(in_a_folder, Whiteouts::kRemove);
  EXPECT_EQ(info("etc").st_mode & 07777, 0755U);
  write_well(linked, Whiteouts::kRemove);
  EXPECT_EQ(content("a"), "below");
}

TEST_F(LayerWriterTest, LaterMembersReplaceAndFoldersMerge) {
  TarBuilder archive;
  archive.folder("d", 0700).file("d/f", "one").folder("d", 0750).file("d/f", "two");
  archive.link("l", "nowhere").file("l", "file");
  write_well(archive);
  EXPECT_EQ(info("d").st_mode & 07777, 0750U);
  EXPECT_EQ(content("d/f"), "two");
  EXPECT_EQ(content("l"), "file") << "a link is replaced, not followed";
}

TEST_F(LayerWriterTest, LinksAreFollowedInsideTheRootOnly) {
  fs::create_directory(root() / "outside-not");
  TarBuilder archive;
  archive.folder("real").link("abs", "/real").file("abs/f", "inside");
  archive.link("up", "../../../../../real").file("up/g", "inside");
  archive.link("host", "/proc/self/root");
  write_well(archive);
  EXPECT_EQ(content("real/f"), "inside");
  EXPECT_EQ(content("real/g"), "inside");
  TarBuilder escape;
  escape.link("out", "../outside").file("out/x");
  EXPECT_FALSE(write(escape).has_value());
  TarBuilder magic;
  magic.link("p", "/proc/1/root").file("p/x");
  EXPECT_FALSE(write(magic).has_value());
  EXPECT_FALSE(fs::exists("/x"));
}

TEST_F(LayerWriterTest, AbsolutePathsAreTheRoots) {
  TarBuilder archive;
  archive.folder("/dhow-abs").file("/dhow-abs/f", "inside").hardlink("/h", "/dhow-abs/f");
  write_well(archive);
  EXPECT_EQ(content("dhow-abs/f"), "inside");
  EXPECT_FALSE(fs::exists("/dhow-abs"));
}

TEST_F(LayerWriterTest, HostileMembersAreNamed) {
  expect_fault(TarBuilder().file("../outside"), "\"../outside\": a path with \"..\"");
  expect_fault(TarBuilder().folder("a").file("a/../../outside"), "a path with \"..\"");
  expect_fault(TarBuilder().hardlink("h", "../outside"), "\"h\": its target is a path with \"..\"");
  expect_fault(TarBuilder().file("d").file("d/x"), "\"d/x\": what it is in is no folder");
  expect_fault(TarBuilder().link("s", "t").link("t", "s").file("s/x"),
               "\"s/x\": too many links on its path");
  expect_fault(TarBuilder().folder("k").file("k"),
               "\"k\": another member of this name is of another kind");
  expect_fault(TarBuilder().file("m").folder("m"), "\"m\": another member of this name");
  expect_fault(TarBuilder().link("n", "/etc").folder("n"), "\"n\": another member of this name");
  expect_fault(TarBuilder().folder("o").hardlink("p", "o"), "\"p\": its target is a folder");
  expect_fault(TarBuilder().file(".wh."), "\".wh.\": hides nothing");
  expect_fault(TarBuilder().file(".wh..."), "hides nothing");
  expect_fault(TarBuilder().add({.path = "w", .type = '3'}), "\"w\": a whiteout in disguise");
  expect_fault(TarBuilder().link("/", "x"), "the root of a layer is a folder");
  expect_fault(TarBuilder().file(std::string(256, 'n')), "a name longer than 255 bytes");
  expect_fault(TarBuilder().add({.path = "u", .pax = {{"uid", "4294967295"}}}),
               "\"u\": its owner is out of range");
  expect_fault(TarBuilder().hardlink("q", "none"), "its target \"none\" is not there",
               Whiteouts::kRemove);
}

TEST_F(LayerWriterTest, SetUserIdComesAfterTheOwner) {
  TarBuilder archive;
  archive.add({.path = "s", .content = "x", .mode = 06755, .uid = 1000, .gid = 1000});
  write_well(archive);
  EXPECT_EQ(info("s").st_mode & 07777, 06755U);
}

TEST_F(LayerWriterTest, LimitsHold) {
  TarBuilder archive;
  archive.file("a", std::string(3000, 'a')).file("b", std::string(3000, 'b'));
  auto bytes = write(archive, Whiteouts::kOverlay, {.bytes = 4000});
  ASSERT_FALSE(bytes.has_value());
  EXPECT_EQ(bytes.error().code(), Code::kResourceExhausted);
  EXPECT_THAT(bytes.error().message(), HasSubstr("\"b\": more than 4000 bytes of files"));
  auto entries = write(archive, Whiteouts::kOverlay, {.entries = 1});
  ASSERT_FALSE(entries.has_value());
  EXPECT_THAT(entries.error().message(), HasSubstr("more than 1 members"));
}

TEST_F(LayerWriterTest, DamagedArchivesAreDataLoss) {
  TarBuilder cut;
  cut.file("a", std::string(3000, 'a'));
  std::string bytes = cut.bytes();
  // 3512 bytes are the file without what fills its last block: as some tools end an archive.
  for (std::size_t size : {std::size_t{100}, std::size_t{700}, bytes.size() - 1000,
                           std::size_t{3072}, std::size_t{3511}, std::size_t{3512}}) {
    TextSource source(bytes.substr(0, size));
    TarReader reader(source);
    LayerWriter writer(DirFd::open(root().string()).value(), Whiteouts::kOverlay);
    auto written = writer.write(reader);
    if (size == 3512) {
      EXPECT_TRUE(written.has_value()) << written.error().message();
      EXPECT_EQ(content("a"), std::string(3000, 'a'));
      continue;
    }
    ASSERT_FALSE(written.has_value()) << size;
    EXPECT_EQ(written.error().code(), Code::kDataLoss) << written.error().message();
  }
}

}  // namespace
}  // namespace dhow::unpack
