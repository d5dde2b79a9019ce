// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_unpack.h"
#include "engine/snapshot_diff.h"
#include "engine/testing/content_fixture.h"
#include "oci/image_codec.h"
#include "snapshot/copy.h"
#include "snapshot/erofs.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "unpack/inflate.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using oci::Compression;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using unpack::TarBuilder;

using Open = Result<std::unique_ptr<snapshot::Snapshotter>> (*)(const std::string&,
                                                                metadata::Database&);

Result<std::unique_ptr<snapshot::Snapshotter>> open_overlayfs(const std::string& folder,
                                                              metadata::Database& database) {
  return snapshot::open_overlay(folder, database);
}

const std::map<std::string, Open> kSnapshotters = {{"overlayfs", &open_overlayfs},
                                                   {"native", &snapshot::open_copy},
                                                   {"erofs", &snapshot::open_erofs}};

// An image's layer, and what is done to a container of it: lines of the shell in its root.
std::string base_layer() {
  TarBuilder archive;
  archive.folder("etc").file("etc/hosts", "hosts").file("etc/keep", "keep").file("etc/gone");
  archive.folder("etc/old").file("etc/old/1").file("etc/old/2").folder("etc/old/deep");
  archive.file("etc/old/deep/3").link("link", "etc").file("kind").folder("dir").file("dir/f");
  archive.file("one", "linked").hardlink("two", "one").file("big", std::string(300'000, 'b'));
  archive.folder("untouched").file("untouched/f").file("again", "again");
  archive.add({.path = "su", .content = "su", .mode = 04755, .uid = 3, .gid = 4});
  archive.add({.path = "caps",
               .content = "c",
               .mode = 0755,
               .pax = {{"SCHILY.xattr.trusted.kept", "yes"}}});
  return archive.finish();
}

// The times are set by hand where the kernel would take the clock's.
constexpr std::string_view kChanges = R"sh(
set -e
echo more >>etc/hosts
rm etc/gone
chmod 0700 etc/keep
rm -r etc/old && mkdir etc/old && echo new >etc/old/2 && echo four >etc/old/4
ln -sfn untouched link
rm kind && mkdir kind && echo x >kind/x
rm -r dir && echo file >dir
ln one three
printf B | dd of=big bs=1 seek=100000 conv=notrunc status=none
touch -r again stamp && echo agaim >again && printf again >again && touch -r stamp again && rm stamp
chown 7:8 su && chmod 4755 su
python3 -c 'import os; os.setxattr("caps", "trusted.new", b"value")'
mkdir -p new/deeper && echo new >new/deeper/file && mkfifo new/fifo && mknod new/null c 1 3
ln new/deeper/file new/same
echo x >new/cap
python3 -c 'import os; os.setxattr("new/cap", "security.capability", b"\1\0\0\2\0\4" + bytes(14))'
truncate -s 5000000 new/sparse && printf end >>new/sparse
printf 'long name' >"new/$(printf 'n%.0s' $(seq 1 200))"
find . -newermt 2026-01-01 -exec touch -h -d 2026-02-03T04:05:06.123456789 {} +
)sh";

class SnapshotDiffsTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    std::string pattern = "/dev/shm/dhow-diff.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
  }
  void TearDown() override {
    snapshotter_.reset();
    fs::remove_all(place_);
    ContentFixture::TearDown();
  }
  void open(const std::string& name) {
    auto opened = kSnapshotters.at(name)((place_ / name).string(), *database_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    snapshotter_ = std::move(*opened);
  }
  // The image of these layers, the blobs of which are in the store.
  std::string unpack(const std::vector<std::pair<oci::Descriptor, Digest>>& layers) {
    oci::Manifest manifest;
    oci::Image image;
    for (const auto& [layer, diff_id] : layers) {
      manifest.layers.push_back(layer);
      image.diff_ids.push_back(diff_id);
    }
    StoredLayers stored(*store_);
    auto top = unpack_image(*snapshotter_, manifest, image, stored,
                            {.lease = "import", .threads = 1, .limits = {}});
    EXPECT_TRUE(top.has_value()) << top.error().message();
    return top.value_or("");
  }
  std::pair<oci::Descriptor, Digest> put(const std::string& archive) {
    oci::Descriptor layer;
    layer.media_type = oci::media_type::kOciLayer;
    layer.digest = digest_of(archive);
    content::CommitRequest request;
    request.digest = layer.digest;
    request.lease = "import";
    EXPECT_TRUE(store_->put(archive, request).has_value());
    return {layer, layer.digest};
  }
  // Runs lines of the shell in the root of a snapshot's tree, and gives what they print.
  std::string shell(const snapshot::MountPlan& plan, std::string_view lines) {
    auto mounted = snapshot::mount(plan);
    EXPECT_TRUE(mounted.has_value()) << mounted.error().message();
    std::string script = (place_ / "script").string();
    std::string output = (place_ / "output").string();
    auto file = open_at(kCwd, script, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(write_all(*file, lines).has_value());
    Fd inherited(::dup(mounted->fd().get()));
    int status = std::system(
        cat("cd /proc/self/fd/", inherited.get(), " && bash ", script, " >", output, " 2>&1")
            .c_str());
    std::string text = read_file(output).value_or("");
    EXPECT_EQ(status, 0) << lines << text;
    return text;
  }
  void prepare(const std::string& key, const std::string& parent, std::string_view lines) {
    snapshot::NewSnapshot wanted;
    wanted.key = key;
    wanted.parent = parent;
    auto plan = snapshotter_->prepare(wanted);
    ASSERT_TRUE(plan.has_value()) << plan.error().message();
    shell(*plan, lines);
  }
  // All that there is to a tree, but for its root's own time.
  std::string look(const snapshot::MountPlan& plan) {
    return shell(plan,
                 "find . -mindepth 1 -printf '%p %y %m %U %G %T@ %l\\n' | sort;"
                 "find . -mindepth 1 ! -type d -links +1 -printf '%p ' -exec sh -c"
                 " 'find . -samefile \"$1\" | sort | tr \"\\n\" \" \"; echo' _ {} \\; | sort;"
                 "find . -type f -exec sha256sum {} + | sort;"
                 "find . -type c -exec stat -c '%n %t:%T' {} + | sort;"
                 "find . | sort | python3 -c 'import os, sys\n"
                 "for path in sys.stdin.read().split():\n"
                 "  for name in sorted(os.listxattr(path, follow_symlinks=False)):\n"
                 "    value = os.getxattr(path, name, follow_symlinks=False)\n"
                 "    if not name.startswith(\"trusted.overlay\"): print(path, name, value)'");
  }
  std::string look_at(const std::string& layer) {
    auto plan = snapshotter_->view({.key = "look", .parent = layer, .labels = {}, .lease = {}});
    EXPECT_TRUE(plan.has_value()) << plan.error().message();
    std::string text = look(*plan);
    EXPECT_TRUE(snapshotter_->remove("look").has_value());
    return text;
  }
  Result<SnapshotDiff> diff(const std::string& name, Compression compression = Compression::kNone,
                            unsigned threads = 2) {
    return diff_snapshot(
        *snapshotter_, name, *store_,
        {.lease = "import", .compression = compression, .latest = {}, .threads = threads});
  }
  std::vector<unpack::Entry> entries(const SnapshotDiff& diff) {
    unpack::TextSource source(store_->read(diff.layer.digest, 64 << 20).value());
    unpack::TarReader reader(source);
    std::vector<unpack::Entry> result;
    while (auto entry = reader.next().value()) result.push_back(std::move(*entry));
    return result;
  }
  std::vector<std::string> paths(const SnapshotDiff& diff) {
    std::vector<std::string> result;
    for (const unpack::Entry& entry : entries(diff)) result.push_back(entry.path);
    return result;
  }

  fs::path place_;
  std::unique_ptr<snapshot::Snapshotter> snapshotter_;
};

class SnapshotDiffTest : public SnapshotDiffsTest,
                         public ::testing::WithParamInterface<std::string> {};

#define OPENED(name) \
  open(name);        \
  if (::testing::Test::HasFatalFailure()) return

TEST_P(SnapshotDiffTest, PutOnWhatIsBelowItMakesTheSameTree) {
  OPENED(GetParam());
  auto base = put(base_layer());
  std::string below = unpack({base});
  prepare("container", below, kChanges);
  std::string wanted = look(*snapshotter_->mounts("container"));
  ASSERT_THAT(wanted, HasSubstr("./new/sparse"));
  ASSERT_THAT(wanted, HasSubstr("./new/cap security.capability"));
  ASSERT_THAT(wanted, HasSubstr("./one ./three"));
  for (Compression compression : {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    auto made = diff("container", compression);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    EXPECT_FALSE(made->is_empty);
    std::string top = unpack({base, {made->layer, made->diff_id}});
    EXPECT_EQ(look_at(top), wanted);
    ASSERT_TRUE(snapshotter_->remove(top).has_value());
    EXPECT_EQ(diff("container", compression, 1)->layer.digest, made->layer.digest);
  }
  EXPECT_EQ(snapshotter_->list()->size(), 2U) << "no view is left";
}

TEST_P(SnapshotDiffTest, NothingChangedIsNothing) {
  OPENED(GetParam());
  std::string below = unpack({put(base_layer())});
  // Written to the folder of overlayfs, and the same as below.
  prepare("container", below,
          "touch -r etc/hosts t; cp -p etc/hosts h; cat h >etc/hosts; touch -r t etc/hosts;"
          "rm t h; chmod 0644 etc/keep; touch -d @1700000000 .");
  auto made = diff("container");
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_THAT(paths(*made), IsEmpty());
  EXPECT_TRUE(made->is_empty);
}

TEST_P(SnapshotDiffTest, OfLayersToo) {
  OPENED(GetParam());
  auto base = put(base_layer());
  std::string below = unpack({base});
  prepare("container", below, kChanges);
  auto active = diff("container");
  ASSERT_TRUE(active.has_value()) << active.error().message();
  snapshot::Commit commit;
  commit.key = "container";
  commit.name = "layer";
  ASSERT_TRUE(snapshotter_->commit(commit).has_value());
  auto committed = diff("layer");
  ASSERT_TRUE(committed.has_value()) << committed.error().message();
  EXPECT_EQ(committed->layer.digest, active->layer.digest);
  auto whole = diff(below);
  ASSERT_TRUE(whole.has_value()) << whole.error().message();
  // What the image's layer had, sorted.
  EXPECT_EQ(paths(*whole).size(), 21U);
}

TEST_P(SnapshotDiffTest, TheRootIsInItWhenItChanged) {
  OPENED(GetParam());
  std::string below = unpack({put(base_layer())});
  prepare("container", below, "chmod 0711 . && touch -d @1700000000 .");
  auto made = diff("container");
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_THAT(paths(*made), ElementsAre("./"));
  EXPECT_EQ(entries(*made)[0].mode, 0711U);
}

TEST_P(SnapshotDiffTest, WhatNoLayerCanHoldIsNamed) {
  OPENED(GetParam());
  std::string below = unpack({put(base_layer())});
  prepare("container", below, "echo x >etc/.wh.name");
  auto made = diff("container");
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(made.error().message(), HasSubstr("snapshot \"container\": \"etc/.wh.name\""));
  EXPECT_EQ(diff("missing").error().code(), Code::kNotFound);
  EXPECT_EQ(snapshotter_->list()->size(), 2U) << "no view is left";
}

INSTANTIATE_TEST_SUITE_P(All, SnapshotDiffTest, ::testing::Values("overlayfs", "native", "erofs"),
                         [](const auto& test) { return test.param; });

// Whichever snapshotter keeps them, the same changes are the same layer, but where overlayfs breaks
// links of the layers below: there "three" is linked to "one" alone, elsewhere to "two" as well.
TEST_F(SnapshotDiffsTest, AreTheSameOfAllSnapshotters) {
  std::map<std::string, Digest> digests;
  std::map<std::string, Digest> with_links;
  auto base = put(base_layer());
  std::string changes(kChanges);
  changes.replace(changes.find("ln one three\n"), 13, "");
  for (const auto& [name, unused] : kSnapshotters) {
    OPENED(name);
    std::string below = unpack({base});
    prepare("container", below, changes);
    prepare("links", below, "ln one three; touch -d @1700000000 .");
    digests[name] = diff("container")->diff_id;
    with_links[name] = diff("links")->diff_id;
    snapshotter_.reset();
    run({"DELETE FROM snapshot"});
  }
  EXPECT_EQ(digests["native"], digests["overlayfs"]);
  EXPECT_EQ(digests["erofs"], digests["overlayfs"]);
  EXPECT_EQ(with_links["erofs"], with_links["overlayfs"]);
  EXPECT_NE(with_links["native"], with_links["overlayfs"]);
}

}  // namespace
}  // namespace dhow::engine
