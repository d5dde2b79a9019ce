// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "snapshot/overlay.h"
#include "snapshot/testing/contract.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Way = MountOptions::Way;

INSTANTIATE_TEST_SUITE_P(Overlay, SnapshotterContract,
                         ::testing::Values(Implementation{
                             "Overlay",
                             [](const std::string& folder, metadata::Database& database) {
                               return open_overlay(folder, database);
                             }}),
                         name_of);

class OverlayTest : public SnapshotterTest {
 protected:
  Result<std::unique_ptr<Snapshotter>> open() override {
    OverlayOptions options;
    options.userxattr = userxattr_;
    return open_overlay(folder(), *database_, options);
  }
  // Layers "1" to the count, each with a file of its name.
  void make_layers(int count) {
    for (int i = 1; i <= count; ++i) {
      std::string name = std::to_string(i);
      auto draft = store_->begin_layer("draft");
      ASSERT_TRUE(draft.has_value()) << draft.error().message();
      ASSERT_TRUE(open_at(draft->folder, name, O_WRONLY | O_CREAT, 0644).has_value());
      commit_layer("draft", name, i == 1 ? "" : std::to_string(i - 1));
    }
  }
  Tree mounted_by(Way way, const std::string& key) {
    MountOptions options;
    options.first = way;
    auto result = mount(store_->mounts(key).value(), options);
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return result ? Tree(std::move(*result)) : Tree();
  }

  bool userxattr_ = false;
};

TEST_F(OverlayTest, HundredsOfLayers) {
  constexpr int kLayers = 300;
  make_layers(kLayers);
  ASSERT_TRUE(store_->prepare(wanted("key", std::to_string(kLayers))).has_value());
  for (Way way : {Way::kByDescriptor, Way::kByPath, Way::kOneString}) {
    Tree tree = mounted_by(way, "key");
    EXPECT_THAT(tree.names(), SizeIs(::testing::Ge(kLayers)));
    tree.write(cat("by way ", static_cast<int>(way)), "x");
    EXPECT_EQ(tree.read("1"), "");
  }
  EXPECT_THAT(tree("key").names(), SizeIs(kLayers + 3));
}

TEST_F(OverlayTest, TooManyLayersAreAnError) {
  make_layers(501);
  auto result = mount(store_->prepare(wanted("key", "501")).value());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kInvalidArgument) << result.error().message();
}

TEST_F(OverlayTest, MountsInTheWordsOfContainerd) {
  make_layers(2);
  auto mounts = to_mounts(store_->prepare(wanted("key", "2")).value());
  ASSERT_TRUE(mounts.has_value());
  ASSERT_THAT(*mounts, SizeIs(1));
  EXPECT_EQ(mounts->at(0).type, "overlay");
  EXPECT_EQ(mounts->at(0).source, "overlay");
  EXPECT_THAT(mounts->at(0).options,
              AllOf(Contains(cat("upperdir=", path_of("key"), "/fs")),
                    Contains(cat("workdir=", path_of("key"), "/work")),
                    Contains(cat("lowerdir=", path_of("2"), "/fs:", path_of("1"), "/fs"))));
  auto view = to_mounts(store_->view(wanted("look", "1")).value());
  EXPECT_THAT(*view, ElementsAre(Mount{"bind", path_of("1") + "/fs", {"ro", "rbind"}}));
}

TEST_F(OverlayTest, ReadOnlyBindsOfOldKernels) {
  make_layers(1);
  ASSERT_TRUE(store_->view(wanted("look", "1")).has_value());
  set_mount_setattr_enabled(false);
  Tree seen = tree("look");
  set_mount_setattr_enabled(true);
  EXPECT_THAT(seen.names(), ElementsAre("1"));
  EXPECT_EQ(::mkdir(seen.at("more").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

// The paths of a deep store are longer than what fsconfig(2) takes.
TEST_F(OverlayTest, LongPaths) {
  std::string deep = folder_ + "/" + std::string(200, 'a') + "/" + std::string(200, 'b');
  auto store = open_overlay(deep, *database_);
  ASSERT_TRUE(store.has_value()) << store.error().message();
  store_ = std::move(*store);
  make_layers(30);
  ASSERT_TRUE(store_->prepare(wanted("key", "30")).has_value());
  for (Way way : {Way::kByDescriptor, Way::kByPath, Way::kOneString}) {
    EXPECT_THAT(mounted_by(way, "key").names(), SizeIs(30));
  }
  store_.reset();
}

TEST_F(OverlayTest, UserAttributes) {
  userxattr_ = true;
  reopen_store();
  EXPECT_EQ(store_->begin_layer("draft")->whiteouts, Whiteouts::kUserOverlay);
  ASSERT_TRUE(store_->remove("draft").has_value());
  make_layers(2);
  MountPlan plan = store_->prepare(wanted("key", "2")).value();
  EXPECT_THAT(to_mounts(plan)->at(0).options, Contains("userxattr"));
  for (Way way : {Way::kByDescriptor, Way::kOneString}) {
    EXPECT_THAT(mounted_by(way, "key").names(), ElementsAre("1", "2"));
  }
}

TEST_F(OverlayTest, NothingIsMountedOnTheHost) {
  make_layers(2);
  auto count_mounts = [] {
    std::string mounts = read_file("/proc/self/mountinfo").value();
    return std::ranges::count(mounts, '\n');
  };
  auto before = count_mounts();
  Tree held = prepare("key", "2");
  Tree by_string = mounted_by(Way::kOneString, "key");
  EXPECT_EQ(count_mounts(), before);
}

}  // namespace
}  // namespace dhow::snapshot
