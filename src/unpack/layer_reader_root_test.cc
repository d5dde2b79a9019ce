// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/file_io.h"
#include "unpack/layer_reader.h"
#include "unpack/layer_writer.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::unpack {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class LayerReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-layer.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  // A new root with what the archive holds.
  fs::path written(const std::string& archive, Whiteouts whiteouts = Whiteouts::kOverlay) {
    fs::path root = folder_ / std::to_string(roots_++);
    fs::create_directory(root);
    TextSource source(archive);
    TarReader reader(source);
    auto status = LayerWriter(DirFd::open(root.string()).value(), whiteouts).write(reader);
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return root;
  }
  static std::string read(const fs::path& root, const LayerOptions& options = {}) {
    TextSink sink;
    TarWriter writer(sink);
    DirFd tree = DirFd::open(root.string()).value();
    auto status = read_layer({.tree = tree}, options, writer);
    EXPECT_TRUE(status.has_value()) << status.error().message();
    EXPECT_TRUE(writer.finish().has_value());
    return sink.text;
  }
  static std::vector<Entry> entries(const std::string& archive) {
    TextSource source(archive);
    TarReader reader(source);
    std::vector<Entry> result;
    while (true) {
      auto entry = reader.next();
      EXPECT_TRUE(entry.has_value()) << entry.error().message();
      if (!entry || !*entry) return result;
      result.push_back(std::move(**entry));
    }
  }
  static std::vector<std::string> paths(const std::string& archive) {
    std::vector<std::string> result;
    for (const Entry& entry : entries(archive)) result.push_back(entry.path);
    return result;
  }

  fs::path folder_;
  int roots_ = 0;
};

std::string everything() {
  TarBuilder archive;
  archive.folder("a", 01777).link("a/link", std::string(150, 't'));
  archive.add({.path = "a/su", .content = std::string(1000, 's'), .mode = 04755, .uid = 3'000'000});
  archive.hardlink("b", "a/su");
  archive.add({.path = "c", .type = '3', .mode = 0666, .major = 1, .minor = 3});
  archive.add({.path = "d", .type = '6', .mode = 0640, .gid = 5});
  archive.add({.path = "e",
               .content = "x",
               .pax = {{"mtime", "-2"}, {"SCHILY.xattr.trusted.t", std::string("\0\x01", 2)}}});
  archive.add({.path = "l\xc3\xb6ng", .content = {}, .pax = {{"mtime", "5000000000.125"}}});
  archive.file("n" + std::string(120, 'n'), "long");
  return archive.finish();
}

TEST_F(LayerReaderTest, WhatIsReadIsWhatWasWritten) {
  std::string first = read(written(everything()));
  std::string second = read(written(first));
  EXPECT_TRUE(first == second) << "the same files are the same bytes";
  std::vector<Entry> wanted = entries(everything());
  std::vector<Entry> found = entries(first);
  ASSERT_EQ(found.size(), wanted.size());
  for (const Entry& entry : wanted) {
    auto same = std::ranges::find_if(found, [&](const Entry& other) {
      return other.path == entry.path || other.path == entry.path + "/";
    });
    ASSERT_NE(same, found.end()) << entry.path;
    EXPECT_EQ(same->type, entry.type) << entry.path;
    EXPECT_EQ(same->target, entry.target) << entry.path;
    EXPECT_EQ(same->xattrs, entry.xattrs) << entry.path;
    if (entry.type == EntryType::kHardlink) continue;
    if (entry.type != EntryType::kSymlink) {
      EXPECT_EQ(same->mode, entry.mode) << entry.path;
    }
    EXPECT_EQ(same->uid, entry.uid) << entry.path;
    EXPECT_EQ(same->gid, entry.gid) << entry.path;
    EXPECT_EQ(same->size, entry.size) << entry.path;
    EXPECT_EQ(same->major, entry.major) << entry.path;
    EXPECT_EQ(same->mtime.tv_sec, entry.mtime.tv_sec) << entry.path;
    EXPECT_EQ(same->mtime.tv_nsec, entry.mtime.tv_nsec) << entry.path;
  }
}

TEST_F(LayerReaderTest, MembersAreSortedFoldersFirst) {
  std::string archive =
      read(written(TarBuilder().file("b").folder("a").file("a/z").file("a/b").finish()));
  EXPECT_THAT(paths(archive), ElementsAre("a/", "a/b", "a/z", "b"));
}

TEST_F(LayerReaderTest, SocketsAndOverlayfssAttributesStayBehind) {
  fs::path root = written(TarBuilder().file("f").finish());
  ASSERT_EQ(::setxattr((root / "f").c_str(), "trusted.overlay.origin", "o", 1, 0), 0);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (root / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  std::vector<Entry> found = entries(read(root));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].xattrs.empty());
}

TEST_F(LayerReaderTest, TimesAreCutToTheLatest) {
  std::string archive = read(written(TarBuilder()
                                         .add({.path = "new", .content = {}, .mtime = 2000})
                                         .add({.path = "old", .content = {}, .mtime = 500})
                                         .finish()),
                             {.latest = 1000});
  std::vector<Entry> found = entries(archive);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].mtime.tv_sec, 1000);
  EXPECT_EQ(found[1].mtime.tv_sec, 500);
}

TEST_F(LayerReaderTest, WhatIsTooMuchIsNamed) {
  fs::path root = written(TarBuilder().folder("a").file("a/b", "12345").file("c", "678").finish());
  TextSink sink;
  TarWriter writer(sink);
  DirFd tree = DirFd::open(root.string()).value();
  EXPECT_TRUE(read_layer({.tree = tree}, {.bytes = 8}, writer).has_value());
  auto many = read_layer({.tree = tree}, {.bytes = 7}, writer);
  ASSERT_FALSE(many.has_value());
  EXPECT_EQ(many.error().code(), Code::kResourceExhausted);
  EXPECT_THAT(many.error().message(), ::testing::StartsWith("\"c\": more than 7 bytes"));

  // Deeper than any path reaches.
  Fd folder = open_at(kCwd, root.string(), O_RDONLY | O_DIRECTORY).value();
  for (int i = 0; i < 600; ++i) {
    ASSERT_EQ(::mkdirat(folder.get(), "folders", 0755), 0);
    folder = open_at(folder, "folders", O_RDONLY | O_DIRECTORY).value();
  }
  auto deep = read_layer({.tree = tree}, {}, writer);
  ASSERT_FALSE(deep.has_value());
  EXPECT_EQ(deep.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(deep.error().message(), ::testing::HasSubstr("more than 4095 bytes"));
  fs::current_path(folder_);
  ASSERT_EQ(::system("rm -rf *"), 0) << "it goes by single steps";
  fs::current_path("/");
}

// Only what a layer of overlayfs has is looked at; in a folder that hides what is below, all is.
TEST_F(LayerReaderTest, ALayerOfOverlayfsTellsWhereToLook) {
  fs::path below = written(TarBuilder().folder("a").file("a/1").folder("b").file("b/1").finish());
  fs::path layer = written(
      TarBuilder().folder("a").file("a/2").folder("b").file("b/.wh..wh..opq").file("b/3").finish());
  fs::path whole = written(TarBuilder().folder("a").file("a/2").folder("b").file("b/3").finish());
  TextSink sink;
  TarWriter writer(sink);
  DirFd tree = DirFd::open(whole.string()).value();
  DirFd lower = DirFd::open(below.string()).value();
  DirFd touched = DirFd::open(layer.string()).value();
  auto status = read_layer({.tree = tree, .below = &lower, .touched = &touched}, {}, writer);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  ASSERT_TRUE(writer.finish().has_value());
  EXPECT_THAT(paths(sink.text), ElementsAre("a/", "a/2", "b/", "b/.wh.1", "b/3"))
      << "the layer says nothing of a/1";
}

TEST_F(LayerReaderTest, OtherProgramsReadIt) {
  fs::path archive = folder_ / "layer.tar";
  std::string bytes = read(written(everything()));
  ASSERT_TRUE(write_all(open_at(kCwd, archive.string(), O_WRONLY | O_CREAT, 0600).value(), bytes));
  fs::create_directory(folder_ / "tar");
  std::string line = "tar --xattrs --xattrs-include='*' -C " + (folder_ / "tar").string() +
                     " -xpf " + archive.string() + " 2>/dev/null";
  ASSERT_EQ(::system(line.c_str()), 0);
  EXPECT_TRUE(read(folder_ / "tar") == bytes) << "what tar makes of it is the same again";
}

TEST(TarWriterTest, SizesAreHeld) {
  TextSink sink;
  TarWriter writer(sink);
  Entry entry;
  entry.path = "f";
  entry.size = 3;
  ASSERT_TRUE(writer.begin(entry).has_value());
  EXPECT_EQ(writer.write("four").error().code(), Code::kInternal);
  ASSERT_TRUE(writer.write("tw").has_value());
  EXPECT_EQ(writer.finish().error().code(), Code::kInternal);
  entry.path = std::string("a\0b", 3);
  EXPECT_FALSE(TarWriter(sink).begin(entry).has_value());
}

}  // namespace
}  // namespace dhow::unpack
