// SPDX-License-Identifier: Apache-2.0
// Every kind of hostile archive (docs/adr/0005-hostile-layers.md), through the whole of unpacking:
// refused, with the layer's digest and the member's name, and nothing beside the root is touched.
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/testing/forked.h"
#include "unpack/testing/tar_builder.h"
#include "unpack/unpack_layer.h"

namespace dhow::unpack {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HostileLayerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-hostile.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream(folder_ / "outside") << "outside";
  }
  void TearDown() override {
    EXPECT_EQ(read_file((folder_ / "outside").string()).value_or("gone"), "outside");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2) << "only outside and root";
    fs::remove_all(folder_);
  }
  Result<Written> unpack(const std::string& archive, Whiteouts whiteouts, const WriteLimits& limits,
                         bool strict = false) const {
    fs::remove_all(folder_ / "root");
    fs::create_directory(folder_ / "root");
    UnpackRequest request;
    request.digest = request.diff_id = digest_of(archive);
    request.whiteouts = whiteouts;
    request.limits = limits;
    request.rules.strict = strict;
    TextSource source(archive);
    return unpack_layer(source, DirFd::open((folder_ / "root").string()).value(), request);
  }
  // Apart from the layers below and into the whole tree. `fault` is the member's name and more.
  void refused(const std::string& archive, Code code, std::string_view fault,
               const WriteLimits& limits = {}, bool strict = false) const {
    for (Whiteouts whiteouts : {Whiteouts::kOverlay, Whiteouts::kRemove}) {
      auto written = unpack(archive, whiteouts, limits, strict);
      ASSERT_FALSE(written.has_value()) << fault;
      // What only the layers below could tell is asked again with them there.
      bool again = written.error().code() == Code::kFailedPrecondition;
      if (again && whiteouts == Whiteouts::kOverlay) continue;
      EXPECT_EQ(written.error().code(), code) << written.error().message();
      EXPECT_THAT(written.error().message(),
                  StartsWith(cat("layer ", digest_of(archive).text(), ": ", fault)));
    }
  }
  void refused(const TarBuilder& archive, std::string_view fault) const {
    refused(archive.finish(), Code::kInvalidArgument, fault);
  }
  // What is taken as it is, but for strict rules.
  void refused_strictly(const TarBuilder& archive, std::string_view fault) const {
    auto written = unpack(archive.finish(), Whiteouts::kRemove, {});
    EXPECT_TRUE(written.has_value()) << fault << ": " << written.error().message();
    refused(archive.finish(), Code::kInvalidArgument, cat(fault, ", which strict rules refuse"), {},
            true);
  }

  fs::path folder_;
};

TEST_F(HostileLayerTest, PathsThatLeadUp) {
  refused(TarBuilder().file("../outside"), "\"../outside\": a path with \"..\"");
  refused(TarBuilder().file("/../outside"), "\"/../outside\": a path with \"..\"");
  refused(TarBuilder().folder("a").file("a/../../outside"), "\"a/../../outside\": a path");
  refused(TarBuilder().folder("a").file("a/.wh..."), "\"a/.wh...\": hides nothing");
}

// Absolute ones are the layer's own: that is where they end.
TEST_F(HostileLayerTest, AbsolutePathsStayInside) {
  std::string target = (folder_ / "outside").string();
  TarBuilder whole;
  whole.file(target, "evil").file("/etc/dhow-evil", "evil").hardlink("/copy", "/etc/dhow-evil");
  auto written = unpack(whole.finish(), Whiteouts::kRemove, {});
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(read_file((folder_ / "root").string() + target).value(), "evil");
  EXPECT_EQ(read_file((folder_ / "root/copy").string()).value(), "evil");
  EXPECT_FALSE(fs::exists("/etc/dhow-evil"));
}

TEST_F(HostileLayerTest, PathsThroughLinksStayInside) {
  TarBuilder up;
  up.link("up", "../..").file("up/outside", "evil");
  auto written = unpack(up.finish(), Whiteouts::kRemove, {});
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(read_file((folder_ / "root/outside").string()).value(), "evil");
  refused(TarBuilder().link("a", "b").link("b", "a").file("a/x"), "\"a/x\": too many links");
  refused(TarBuilder().file("f").link("l", "f").file("l/x"), "\"l/x\": what it is in is no folder");
  // The last part is replaced, never followed.
  TarBuilder last;
  last.link("l", (folder_ / "outside").string()).file("l", "evil");
  ASSERT_TRUE(unpack(last.finish(), Whiteouts::kRemove, {}).has_value());
}

TEST_F(HostileLayerTest, HardLinksOutOfTheRoot) {
  std::string target = (folder_ / "outside").string();
  refused(TarBuilder().hardlink("h", "../outside"), "\"h\": its target is a path with \"..\"");
  refused(TarBuilder().hardlink("h", target), cat("\"h\": its target \"", target, "\" is not"));
  refused(TarBuilder().link("up", "..").hardlink("h", "up/outside"), "\"h\": its target");
  refused(TarBuilder().folder("d").hardlink("h", "d"), "\"h\": its target is a folder");
}

TEST_F(HostileLayerTest, MembersThatContradictEachOther) {
  refused(TarBuilder().folder("k").file("k/x").file("k"), "\"k\": another member of this name");
  refused(TarBuilder().file("k").folder("k"), "\"k\": another member of this name");
  refused(TarBuilder().link("k", "/").folder("k"), "\"k\": another member of this name");
  refused(TarBuilder().link("/", "x"), "\"/\": the root of a layer is a folder");
}

TEST_F(HostileLayerTest, StrictRulesRefuseAbsolutePaths) {
  refused_strictly(TarBuilder().file("/x"), "\"/x\": an absolute path");
  refused_strictly(TarBuilder().folder("/").file("x"), "\"/\": an absolute path");
  refused_strictly(TarBuilder().folder("a").file("a/x").file("/a/.wh.x"),
                   "\"/a/.wh.x\": an absolute path");
  refused_strictly(TarBuilder().file("x").hardlink("h", "/x"),
                   "\"h\": its target is an absolute path");
}

TEST_F(HostileLayerTest, StrictRulesRefusePathsThroughLinks) {
  TarBuilder through;
  through.folder("usr").folder("usr/lib").link("lib", "usr/lib").file("lib/x");
  refused_strictly(through, "\"lib/x\": its path leads through the link \"lib\"");
  TarBuilder deep;
  deep.folder("a").folder("b").folder("b/d").link("a/l", "../b").file("a/l/d/x");
  refused_strictly(deep, "\"a/l/d/x\": its path leads through the link \"a/l\"");
  refused_strictly(TarBuilder().folder("d").file("d/x").link("l", "d").file("l/.wh.x"),
                   "\"l/.wh.x\": its path leads through the link \"l\"");
  refused_strictly(TarBuilder().folder("d").file("d/x").link("l", "d").hardlink("h", "l/x"),
                   "\"h\": its target leads through the link \"l\"");
}

// A link of a layer below is seen where that is: in the whole tree.
TEST_F(HostileLayerTest, StrictRulesRefuseLinksOfLayersBelow) {
  for (bool strict : {false, true}) {
    fs::remove_all(folder_ / "root");
    fs::create_directories(folder_ / "root/usr/lib");
    fs::create_symlink("usr/lib", folder_ / "root/lib");
    std::string archive = TarBuilder().file("lib/x", "evil").finish();
    UnpackRequest request;
    request.digest = request.diff_id = digest_of(archive);
    request.whiteouts = Whiteouts::kRemove;
    request.rules.strict = strict;
    TextSource source(archive);
    auto written = unpack_layer(source, DirFd::open((folder_ / "root").string()).value(), request);
    EXPECT_EQ(written.has_value(), !strict);
    EXPECT_EQ(fs::exists(folder_ / "root/usr/lib/x"), !strict);
    if (written) continue;
    EXPECT_EQ(written.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(
        written.error().message(),
        cat("layer ", digest_of(archive).text(),
            ": \"lib/x\": its path leads through the link \"lib\", which strict rules refuse"));
  }
}

TEST_F(HostileLayerTest, StrictRulesRefuseNamesThatComeTwice) {
  std::string_view why = ": another member has this name";
  refused_strictly(TarBuilder().file("k").file("k"), cat("\"k\"", why));
  refused_strictly(TarBuilder().file("k").link("./k", "x"), cat("\"./k\"", why));
  refused_strictly(TarBuilder().folder("a/").folder("a/"), cat("\"a/\"", why));
  refused_strictly(TarBuilder().folder("./").folder("."), cat("\".\"", why));
  refused_strictly(TarBuilder().file(".wh.x").file(".wh.x"), cat("\".wh.x\"", why));
}

// What most images are made of.
TEST_F(HostileLayerTest, StrictRulesTakeWhatIsPlain) {
  TarBuilder plain;
  plain.folder("./").folder("usr/").folder("usr/lib").link("lib", "/usr/lib").file("usr/lib/x");
  plain.hardlink("usr/lib/y", "./usr/lib/x").hardlink("l", "lib").file("usr/.wh.old");
  auto written = unpack(plain.finish(), Whiteouts::kRemove, {}, true);
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(read_file((folder_ / "root/usr/lib/y").string()).value(), "x");
}

TEST_F(HostileLayerTest, OwnersThatThereAreNot) {
  refused(TarBuilder().add({.path = "u", .pax = {{"uid", "4294967295"}}}),
          "\"u\": its owner is out of range");
}

TEST_F(HostileLayerTest, Bombs) {
  std::string big = TarBuilder().file("small").file("big", std::string(5'000'000, '\0')).finish();
  refused(big, Code::kResourceExhausted, "\"big\": more than 1000000 bytes", {.bytes = 1'000'000});
  TarBuilder many;
  for (int i = 0; i < 20; ++i) many.file(cat("f", i));
  refused(many.finish(), Code::kResourceExhausted, "\"f7\": more than 7 members", {.entries = 7});
}

TEST_F(HostileLayerTest, LengthsThatAreNotTrue) {
  // The member says that it is longer than what is there.
  std::string cut = TarBuilder().file("cut", std::string(100'000, 'x')).bytes().substr(0, 9000);
  refused(cut, Code::kDataLoss, "\"cut\": ");
  // What a member's own records say counts, and is no number of bytes.
  for (const char* size : {"-1", "9223372036854775807", "99999999999999999999999"}) {
    std::string text = TarBuilder()
                           .file("before")
                           .add({.path = "liar", .content = "x", .pax = {{"size", size}}})
                           .finish();
    for (Whiteouts whiteouts : {Whiteouts::kOverlay, Whiteouts::kRemove}) {
      auto written = unpack(text, whiteouts, {});
      ASSERT_FALSE(written.has_value()) << size;
      EXPECT_EQ(written.error().code(), Code::kDataLoss) << written.error().message();
      // Where not even the header can be read, the member before it says where that is.
      EXPECT_THAT(written.error().message(), StartsWith("layer " + digest_of(text).text()));
      EXPECT_THAT(written.error().message(),
                  ::testing::AnyOf(HasSubstr("\"liar\""), HasSubstr("after \"before\"")));
    }
  }
}

TEST_F(HostileLayerTest, NamesThatNoFileCanHave) {
  refused(TarBuilder().file(std::string(256, 'n')), cat("\"", std::string(256, 'n'), "\": a name"));
  std::string deep;
  for (int i = 0; i < 1100; ++i) deep += "abc/";
  refused(TarBuilder().file(deep + "f"), cat("\"", deep, "f\": a path longer than 4095 bytes"));
}

// In a user namespace nobody may make devices: the image could not work as it was meant.
TEST_F(HostileLayerTest, DevicesWithoutRoot) {
  std::string archive =
      TarBuilder().add({.path = "disk", .type = '4', .major = 8, .minor = 0}).finish();
  fs::create_directory(folder_ / "root");
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  auto body = [&]() -> std::string {
    if (!write_existing("/proc/self/setgroups", "deny") ||
        !write_existing("/proc/self/uid_map", "0 0 1") ||
        !write_existing("/proc/self/gid_map", "0 0 1")) {
      return "no mapping";
    }
    return ::dhow::testing::message_of(unpack(archive, Whiteouts::kRemove, {}));
  };
  std::string fault = ::dhow::testing::in_child(body, CLONE_NEWUSER);
  EXPECT_THAT(fault, StartsWith(cat("layer ", digest_of(archive).text(), ": \"disk\"")));
  EXPECT_THAT(fault, HasSubstr("operation not permitted"));
}

TEST_F(HostileLayerTest, WhiteoutsInDisguise) {
  TarBuilder archive;
  archive.add({.path = "w", .type = '3'});
  auto written = unpack(archive.finish(), Whiteouts::kOverlay, {});
  ASSERT_FALSE(written.has_value());
  EXPECT_THAT(written.error().message(),
              StartsWith(cat("layer ", digest_of(archive.finish()).text(), ": \"w\": a whiteout")));
}

}  // namespace
}  // namespace dhow::unpack
