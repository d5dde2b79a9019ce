// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "snapshot/erofs.h"
#include "snapshot/erofs_mount.h"
#include "snapshot/testing/contract.h"

namespace dhow::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using Way = MountOptions::Way;

INSTANTIATE_TEST_SUITE_P(Erofs, SnapshotterContract,
                         ::testing::Values(Implementation{
                             "Erofs",
                             [](const std::string& folder, metadata::Database& database) {
                               return open_erofs(folder, database);
                             }}),
                         name_of);

class ErofsTest : public SnapshotterTest {
 protected:
  Result<std::unique_ptr<Snapshotter>> open() override { return open_erofs(folder(), *database_); }
};

TEST_F(ErofsTest, LayersAreOneFile) {
  Tree tree = prepare("one");
  for (int i = 0; i < 100; ++i) tree.write(std::to_string(i), "x");
  tree = Tree();
  commit("one", "base");
  EXPECT_EQ(store_->usage("base")->inodes, 1);
  EXPECT_FALSE(std::filesystem::exists(path_of("base") + "/fs"));
  EXPECT_THAT(view("look", "base").names(), SizeIs(100));
}

TEST_F(ErofsTest, AttributesAreKept) {
  Tree tree = prepare("one");
  tree.write("file", "content");
  const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 1}, {.tv_sec = 2000, .tv_nsec = 2}};
  ASSERT_EQ(::chown(tree.at("file").c_str(), 100'000, 200'000), 0);
  ASSERT_EQ(::chmod(tree.at("file").c_str(), 06711), 0);
  ASSERT_EQ(::setxattr(tree.at("file").c_str(), "user.name", "value", 5, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, tree.at("file").c_str(), times, 0), 0);
  ASSERT_EQ(::link(tree.at("file").c_str(), tree.at("link").c_str()), 0);
  tree = Tree();
  commit("one", "base");
  Tree seen = view("look", "base");
  struct stat info{};
  ASSERT_EQ(::stat(seen.at("file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 100'000U);
  EXPECT_EQ(info.st_gid, 200'000U);
  EXPECT_EQ(info.st_mode, S_IFREG | 06711U);
  EXPECT_EQ(info.st_nlink, 2U);
  EXPECT_EQ(info.st_mtim.tv_sec, 2000);
  EXPECT_EQ(info.st_mtim.tv_nsec, 2);
  char value[16];
  ASSERT_EQ(::getxattr(seen.at("file").c_str(), "user.name", value, sizeof value), 5);
  EXPECT_EQ(std::string(value, 5), "value");
}

TEST_F(ErofsTest, EveryWayToMountManyImages) {
  constexpr int kLayers = 40;
  for (int i = 1; i <= kLayers; ++i) {
    make_layer(std::to_string(i), i == 1 ? "" : std::to_string(i - 1));
  }
  MountPlan plan = store_->prepare(wanted("key", std::to_string(kLayers))).value();
  for (Way way : {Way::kByDescriptor, Way::kByPath, Way::kOneString}) {
    MountOptions options;
    options.first = way;
    auto result = mount(plan, options);
    ASSERT_TRUE(result.has_value()) << result.error().message();
    Tree tree(std::move(*result));
    EXPECT_THAT(tree.names(), SizeIs(kLayers));
    EXPECT_EQ(tree.read("1"), "1");
  }
  EXPECT_EQ(to_mounts(plan).error().code(), Code::kUnimplemented);
}

TEST_F(ErofsTest, FoldersThatHideWhatIsBelow) {
  Tree base = prepare("one");
  ASSERT_EQ(::mkdir(base.at("folder").c_str(), 0755), 0);
  base.write("folder/old", "x");
  base = Tree();
  commit("one", "base");
  Tree top = prepare("two", "base");
  ASSERT_EQ(::unlink(top.at("folder/old").c_str()), 0);
  ASSERT_EQ(::rmdir(top.at("folder").c_str()), 0);
  ASSERT_EQ(::mkdir(top.at("folder").c_str(), 0755), 0);
  top.write("folder/new", "x");
  top = Tree();
  commit("two", "top");
  EXPECT_THAT(view("look", "top").names("folder"), ElementsAre("new"));
}

TEST_F(ErofsTest, LoopDevicesWhereTheKernelIsOld) {
  if (::access("/dev/loop-control", R_OK | W_OK) != 0) GTEST_SKIP() << "no loop devices";
  make_layer("base");
  auto mounted_image = mount_erofs(path_of("base") + "/layer.erofs", true);
  ASSERT_TRUE(mounted_image.has_value()) << mounted_image.error().message();
  EXPECT_EQ(Tree(std::move(*mounted_image)).read("base"), "base");
}

}  // namespace
}  // namespace dhow::snapshot
