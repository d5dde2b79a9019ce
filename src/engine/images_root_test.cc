// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "content/local_content_store.h"
#include "engine/images.h"
#include "metadata/testing.h"
#include "snapshot/overlay.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using unpack::TarBuilder;
using unpack::TextSink;
using unpack::TextSource;

// What was removed: "untagged x", "deleted".
std::vector<std::string> words(const std::vector<ImageRemoval>& removals) {
  std::vector<std::string> result;
  for (const ImageRemoval& removal : removals) {
    result.push_back(removal.is_image ? "deleted" : cat("untagged ", removal.name));
  }
  return result;
}

class ImagesTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    std::string pattern = "/dev/shm/dhow-images.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    auto content = content::open_local_store((place_ / "content").string(), *database_);
    ASSERT_TRUE(content.has_value()) << content.error().message();
    content_ = std::move(*content);
    auto snapshots = snapshot::open_overlay((place_ / "snapshots").string(), *database_);
    ASSERT_TRUE(snapshots.has_value()) << snapshots.error().message();
    snapshots_ = std::move(*snapshots);
    leases_.emplace(*database_);
    store_.emplace(*database_);
    events_.emplace(*database_);
    registries_.emplace(registry::ClientOptions());
    ImagesOptions options;
    options.users = [this](const Digest&) -> Result<std::vector<ImageUser>> { return users_; };
    images_.emplace(ImageStores{*leases_, *content_, *snapshots_, *store_},
                    metadata::Collector(*database_, content_->remover(), snapshots_->remover()),
                    *events_, *registries_, std::move(options));
  }
  void TearDown() override {
    images_.reset();
    registries_.reset();
    events_.reset();
    store_.reset();
    leases_.reset();
    snapshots_.reset();
    content_.reset();
    if (!place_.empty()) fs::remove_all(place_);
    DatabaseFixture::TearDown();
  }

  // An image of one file, imported under a name.
  Digest import(const std::string& name, const std::string& text) {
    TextSource archive(TarBuilder().file("file", text).finish());
    auto id = images_->import_rootfs(archive, {.name = name, .message = {}, .changes = {}});
    EXPECT_TRUE(id.has_value()) << id.error().message();
    return id ? *id : Digest();
  }
  std::vector<std::string> remove(const std::string& name, bool force = false) {
    auto removed = images_->remove(name, {.force = force});
    if (!removed) return {removed.error().message()};
    return words(*removed);
  }
  std::size_t count(const ImageFilter& filter = {}) { return images_->list(filter)->size(); }

  fs::path place_;
  std::unique_ptr<content::LocalContentStore> content_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::optional<metadata::LeaseStore> leases_;
  std::optional<image::Store> store_;
  std::optional<Events> events_;
  std::optional<registry::Client> registries_;
  std::vector<ImageUser> users_;
  std::optional<Images> images_;
};

TEST_F(ImagesTest, AnImageGoesWithItsLastName) {
  import("app:1", "x");
  ASSERT_TRUE(images_->tag("app:1", "r.io/team/app").has_value());
  EXPECT_THAT(remove("app:1"), ElementsAre("untagged app:1"));
  EXPECT_THAT(remove("r.io/team/app"), ElementsAre("untagged r.io/team/app:latest", "deleted"));
  EXPECT_EQ(count(), 0U);
  EXPECT_THAT(*content_->list(), IsEmpty());
  EXPECT_THAT(*snapshots_->list(), IsEmpty());
  EXPECT_THAT(remove("app:1"), ElementsAre("No such image: app:1"));
}

TEST_F(ImagesTest, ByItsIdItGoesWithAllNamesOfOneRepository) {
  Digest id = import("app:1", "x");
  ASSERT_TRUE(images_->tag("app:1", "app:2").has_value());
  EXPECT_THAT(remove(std::string(id.hex().substr(0, 12))),
              ElementsAre("untagged app:1", "untagged app:2", "deleted"));
  id = import("app:1", "x");
  ASSERT_TRUE(images_->tag("app:1", "other:1").has_value());
  EXPECT_THAT(remove(id.text()),
              ElementsAre(HasSubstr("(must be forced) - image is referenced in multiple "
                                    "repositories")));
  EXPECT_THAT(remove(id.text(), true),
              ElementsAre("untagged app:1", "untagged other:1", "deleted"));
}

TEST_F(ImagesTest, ContainersKeepTheirImage) {
  Digest id = import("app:1", "x");
  users_ = {{std::string(64, 'c'), "app:1", false}};
  EXPECT_THAT(remove("app:1"),
              ElementsAre(cat("conflict: unable to remove repository reference \"app:1\" (must "
                              "force) - container cccccccccccc is using its referenced image ",
                              id.hex().substr(0, 12))));
  EXPECT_THAT(remove(id.text()), ElementsAre(HasSubstr("(must be forced) - image is being used by "
                                                       "stopped container cccccccccccc")));
  users_.front().running = true;
  EXPECT_THAT(remove(id.text(), true),
              ElementsAre(HasSubstr("(cannot be forced) - image is being used by running")));
  // Its name can be taken from it.
  EXPECT_THAT(remove("app:1", true), ElementsAre("untagged app:1"));
  EXPECT_EQ(count({.dangling = true}), 1U);
  EXPECT_THAT(images_->prune({}, true)->removed, IsEmpty());
  users_.clear();
  EXPECT_THAT(words(images_->prune({}, false)->removed), ElementsAre("deleted"));
}

TEST_F(ImagesTest, AnImageThatLosesItsNameToAnotherDangles) {
  Digest first = import("app:1", "x");
  Digest second = import("app:1", "y");
  EXPECT_EQ(count(), 2U);
  auto dangling = images_->list({.dangling = true});
  ASSERT_THAT(*dangling, SizeIs(1));
  EXPECT_EQ(dangling->front().entry.id(), first);
  // And does no more with a name.
  ASSERT_TRUE(images_->tag(first.text(), "app:0").has_value());
  EXPECT_EQ(count({.dangling = true}), 0U);
  EXPECT_EQ(images_->find("app:1")->id(), second);
  auto pruned = images_->prune({}, true);
  EXPECT_THAT(pruned->removed, SizeIs(4));
  EXPECT_GT(pruned->reclaimed, 0);
}

TEST_F(ImagesTest, WhatWasSavedCanBeLoaded) {
  Digest id = import("app:1", "x");
  ASSERT_TRUE(images_->tag("app:1", "app:2").has_value());
  TextSink archive;
  ASSERT_TRUE(images_->save({"app"}, {}, archive).error().code() == Code::kNotFound);
  ASSERT_TRUE(images_->save({"app:1", "app:2"}, {}, archive).has_value());
  remove(id.text());
  ASSERT_EQ(count(), 0U);
  TextSource source(archive.text);
  auto loaded = images_->load(source);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  ASSERT_THAT(*loaded, SizeIs(1));
  EXPECT_EQ(loaded->front().id(), id);
  EXPECT_THAT(loaded->front().names, SizeIs(2));
  auto image = images_->inspect("app:2");
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_GT(image->content->size, 0);
  EXPECT_THAT(history_of(*image), SizeIs(1));
}

TEST_F(ImagesTest, RefusesNamesThatCantBe) {
  import("app:1", "x");
  EXPECT_EQ(images_->tag("app:1", "A").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(images_->tag("app:1", cat("b@", images_->find("app:1")->id().text())).error().message(),
            "refusing to create a tag with a digest reference");
  EXPECT_EQ(images_->tag("nothing", "b").error().message(), "No such image: nothing:latest");
  PushRequest push;
  push.name = "nothing";
  EXPECT_EQ(images_->push(push, {}).error().message(),
            "An image does not exist locally with the tag: nothing");
}

TEST_F(ImagesTest, TellsOfWhatHappens) {
  import("app:1", "x");
  ASSERT_TRUE(images_->tag("app:1", "app:2").has_value());
  remove("app:2");
  std::vector<std::string> told;
  EventQuery query;
  query.since = 0;
  query.until = metadata::now();
  ASSERT_TRUE(events_
                  ->read(query,
                         [&](const Event& event) -> Status {
                           told.push_back(cat(event.action, " ", event.attributes.at("name")));
                           return {};
                         },
                         {})
                  .has_value());
  EXPECT_THAT(told, ElementsAre("import app:1", "tag app:2", "untag app:2"));
}

}  // namespace
}  // namespace dhow::engine
