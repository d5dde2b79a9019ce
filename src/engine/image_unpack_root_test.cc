// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_unpack.h"
#include "metadata/testing.h"
#include "snapshot/copy.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using unpack::TarBuilder;

// Layers in memory, by their digests; counts how often one is read.
class Layers : public LayerBytes {
 public:
  Result<std::unique_ptr<unpack::ByteSource>> open(const oci::Descriptor& layer) override {
    ++opened;
    auto found = content.find(layer.digest);
    if (found == content.end()) return fail(Code::kUnavailable, "not to be had");
    return std::unique_ptr<unpack::ByteSource>(
        std::make_unique<unpack::TextSource>(found->second, 700));
  }
  std::map<Digest, std::string> content;
  std::atomic<int> opened = 0;
};

using Make = Result<std::unique_ptr<snapshot::Snapshotter>> (*)(const std::string&,
                                                                metadata::Database&);

Result<std::unique_ptr<snapshot::Snapshotter>> overlay(const std::string& folder,
                                                       metadata::Database& database) {
  return snapshot::open_overlay(folder, database);
}

Result<std::unique_ptr<snapshot::Snapshotter>> copy(const std::string& folder,
                                                    metadata::Database& database) {
  return snapshot::open_copy(folder, database);
}

// Overlayfs takes no upper folder that is on overlayfs, as /tmp may be: there it is a tmpfs.
class ImageUnpackTest : public metadata::DatabaseFixture,
                        public ::testing::WithParamInterface<Make> {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    std::string pattern = "/dev/shm/dhow-image.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    auto opened = GetParam()(place_ + "/snapshots", *database_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    snapshotter_ = std::move(*opened);
    ASSERT_TRUE(metadata::LeaseStore(*database_)
                    .create({.id = "pull", .created = 0, .expires = {}, .labels = {}})
                    .has_value());
  }
  void TearDown() override {
    snapshotter_.reset();
    std::filesystem::remove_all(place_);
    DatabaseFixture::TearDown();
  }
  void add_layer(const TarBuilder& archive) {
    std::string text = archive.finish();
    oci::Descriptor layer;
    layer.media_type = oci::media_type::kOciLayer;
    layer.digest = digest_of(text);
    image_.diff_ids.push_back(layer.digest);
    manifest_.layers.push_back(layer);
    layers_.content[layer.digest] = text;
  }
  Result<std::string> unpack() {
    return unpack_image(*snapshotter_, manifest_, image_, layers_,
                        {.lease = "pull", .threads = 3, .limits = {}});
  }
  // The names in a folder of the image's root file system.
  std::vector<std::string> names(const std::string& chain, const std::string& folder) {
    std::vector<std::string> result;
    {
      auto plan = snapshotter_->view({.key = "look", .parent = chain, .labels = {}, .lease = {}});
      EXPECT_TRUE(plan.has_value()) << plan.error().message();
      auto mounted = snapshot::mount(*plan);
      EXPECT_TRUE(mounted.has_value()) << mounted.error().message();
      auto opened = open_at(mounted->fd(), folder, O_RDONLY | O_DIRECTORY);
      EXPECT_TRUE(opened.has_value()) << opened.error().message();
      result = list_dir(*opened).value();
    }
    EXPECT_TRUE(snapshotter_->remove("look").has_value());
    return result;
  }

  std::string place_;
  std::unique_ptr<snapshot::Snapshotter> snapshotter_;
  oci::Manifest manifest_;
  oci::Image image_;
  Layers layers_;
};

TEST_P(ImageUnpackTest, LayersStandOnEachOther) {
  add_layer(TarBuilder().folder("a").file("a/1").file("a/2").folder("b").file("b/1"));
  add_layer(
      TarBuilder().folder("a").file("a/.wh.1").file("a/3").folder("b").file("b/.wh..wh..opq"));
  for (int i = 0; i < 8; ++i) add_layer(TarBuilder().folder("b").file(cat("b/new-", i)));
  auto chain = unpack();
  ASSERT_TRUE(chain.has_value()) << chain.error().message();
  EXPECT_EQ(*chain, oci::chain_ids(image_.diff_ids).back().text());
  EXPECT_THAT(names(*chain, "a"), UnorderedElementsAre("2", "3"));
  EXPECT_EQ(names(*chain, "b").size(), 8U);
  EXPECT_EQ(snapshotter_->list()->size(), 10U);
}

TEST_P(ImageUnpackTest, WhatIsThereIsNotReadAgain) {
  add_layer(TarBuilder().file("1"));
  add_layer(TarBuilder().file("2"));
  ASSERT_TRUE(unpack().has_value());
  EXPECT_EQ(layers_.opened, 2);
  ASSERT_TRUE(unpack().has_value());
  EXPECT_EQ(layers_.opened, 2);
  add_layer(TarBuilder().file("3"));
  auto chain = unpack();
  ASSERT_TRUE(chain.has_value()) << chain.error().message();
  EXPECT_EQ(layers_.opened, 3);
  EXPECT_THAT(names(*chain, "."), UnorderedElementsAre("1", "2", "3"));
}

TEST_P(ImageUnpackTest, LayersMayNeedWhatIsBelow) {
  TarBuilder lower;
  lower.add({.path = "etc", .type = '5', .mode = 0711, .uid = 5}).file("etc/hosts");
  lower.link("lib", "usr/lib").folder("usr").folder("usr/lib");
  add_layer(lower);
  add_layer(TarBuilder().file("etc/passwd").file("lib/so").hardlink("etc/same", "etc/hosts"));
  add_layer(TarBuilder().file("top"));
  auto chain = unpack();
  ASSERT_TRUE(chain.has_value()) << chain.error().message();
  EXPECT_THAT(names(*chain, "etc"), UnorderedElementsAre("hosts", "passwd", "same"));
  EXPECT_THAT(names(*chain, "usr/lib"), UnorderedElementsAre("so"));
  EXPECT_EQ(snapshotter_->list()->size(), 3U) << "no draft is left";
}

TEST_P(ImageUnpackTest, FaultsLeaveNoDrafts) {
  add_layer(TarBuilder().file("1"));
  add_layer(TarBuilder().file("../2"));
  add_layer(TarBuilder().file("3"));
  auto hostile = unpack();
  ASSERT_FALSE(hostile.has_value());
  EXPECT_EQ(hostile.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(hostile.error().message(), HasSubstr("layer " + manifest_.layers[1].digest.text()));
  EXPECT_LE(snapshotter_->list()->size(), 1U) << "the lowest may stay";
  EXPECT_EQ(number("SELECT count(*) FROM snapshot WHERE kind <> 'committed'"), 0);

  layers_.content[manifest_.layers[1].digest] = "another content";
  auto damaged = unpack();
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code(), Code::kDataLoss);
  layers_.content.erase(manifest_.layers[1].digest);
  auto missing = unpack();
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::kUnavailable);
  EXPECT_EQ(number("SELECT count(*) FROM snapshot WHERE kind <> 'committed'"), 0);
}

TEST_P(ImageUnpackTest, ManifestAndConfigurationMustFit) {
  add_layer(TarBuilder().file("1"));
  image_.diff_ids.push_back(digest_of("more"));
  EXPECT_THAT(unpack().error().message(), HasSubstr("1 layers, the configuration 2 diff ids"));
  image_.diff_ids.pop_back();
  manifest_.layers[0].media_type = "application/x-encrypted";
  EXPECT_THAT(unpack().error().message(), HasSubstr("is no layer of files"));
  manifest_.layers.clear();
  image_.diff_ids.clear();
  EXPECT_EQ(unpack().value(), "");
}

// Two pulls of the same image at the same time.
TEST_P(ImageUnpackTest, TwoAtOnceBothSucceed) {
  for (int i = 0; i < 6; ++i) add_layer(TarBuilder().file(std::to_string(i)));
  Result<std::string> other = fail(Code::kUnknown, "not run");
  std::thread thread([&] { other = unpack(); });
  auto own = unpack();
  thread.join();
  ASSERT_TRUE(own.has_value()) << own.error().message();
  ASSERT_TRUE(other.has_value()) << other.error().message();
  EXPECT_EQ(*own, *other);
  EXPECT_EQ(snapshotter_->list()->size(), 6U);
}

INSTANTIATE_TEST_SUITE_P(All, ImageUnpackTest, ::testing::Values(&overlay, &copy),
                         [](const auto& test) { return test.index == 0 ? "Overlay" : "Copy"; });

}  // namespace
}  // namespace dhow::engine
