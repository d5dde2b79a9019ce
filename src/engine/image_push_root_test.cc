// SPDX-License-Identifier: Apache-2.0
// Pushes to a stock registry on loopback.
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_pull.h"
#include "engine/image_push.h"
#include "engine/testing/content_fixture.h"
#include "oci/image_codec.h"
#include "registry/client.h"
#include "registry/testing/docker_registry.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using unpack::TarBuilder;
using Phase = ProgressPhase;

class ImagePushTest : public ContentFixture {
 protected:
  void SetUp() override {
    std::string missing = registry::testing::DockerRegistry::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    ContentFixture::SetUp();
    fs::create_directory(folder_ + "/registry");
    auto started = registry::testing::DockerRegistry::start({.folder = folder_ + "/registry"});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    registry_ = std::move(*started);
    images_.emplace(*database_);
    make_index();
  }
  void TearDown() override {
    images_.reset();
    registry_.reset();
    if (store_) ContentFixture::TearDown();
  }

  // An image for two platforms, that have one layer in common.
  void make_index() {
    oci::Index index;
    index.media_type = oci::media_type::kOciIndex;
    for (std::string architecture : {"amd64", "arm64"}) {
      std::vector<std::string> archives = {
          TarBuilder().file("both", std::string(2'000'000, 'x')).finish(),
          TarBuilder().file(architecture, architecture).finish()};
      oci::Image image;
      image.platform = {"linux", architecture, {}, {}, {}};
      oci::Manifest manifest;
      manifest.media_type = oci::media_type::kOciManifest;
      for (const std::string& archive : archives) {
        image.diff_ids.push_back(digest_of(archive));
        manifest.layers.push_back(put(oci::media_type::kOciLayer, archive));
      }
      manifest.config = put(oci::media_type::kOciConfig, oci::image_json(image));
      index.manifests.push_back(put(manifest.media_type, oci::manifest_json(manifest)));
      index.manifests.back().platform = image.platform;
      manifests_.push_back(std::move(manifest));
    }
    target_ = put(index.media_type, oci::index_json(index));
    parts_ = index.manifests;
    name_image("app:1", target_);
  }
  oci::Reference reference(const std::string& name) const {
    return oci::parse_reference(cat(registry_->domain(), "/team/", name)).value();
  }
  void name_image(const std::string& name, const oci::Descriptor& target) {
    image::Record record;
    record.name = reference(name).text();
    record.digest = target.digest;
    record.media_type = target.media_type;
    record.size = target.size;
    ASSERT_TRUE(images_->put("moby", record).has_value());
  }
  Result<oci::Descriptor> push(const std::string& name, std::optional<oci::Platform> platform = {},
                               std::stop_token stop = {}) {
    progress_.clear();
    PushOptions options;
    options.name_space = "moby";
    options.platform = std::move(platform);
    options.progress = [&](const ProgressEvent& told) {
      bool ended = told.phase != Phase::kWaiting && told.phase != Phase::kUploading;
      if (ended) progress_.push_back(told);
    };
    TRY_ASSIGN(registry::Repository repository, client_.repository(reference(name)));
    return push_image({*store_, *images_}, reference(name).text(), repository, options,
                      std::move(stop));
  }
  std::vector<Phase> phases() const {
    std::vector<Phase> result;
    for (const ProgressEvent& told : progress_) result.push_back(told.phase);
    return result;
  }
  void shell(const std::string& line) {
    std::string log = folder_ + "/log";
    int status = std::system(cat("{ ", line, "; } >", log, " 2>&1").c_str());
    ASSERT_EQ(status, 0) << line << "\n" << read_file(log).value_or("");
  }

  std::unique_ptr<registry::testing::DockerRegistry> registry_;
  registry::Client client_{registry::ClientOptions()};
  std::optional<image::Store> images_;
  oci::Descriptor target_;
  std::vector<oci::Descriptor> parts_;
  std::vector<oci::Manifest> manifests_;
  std::vector<ProgressEvent> progress_;
};

TEST_F(ImagePushTest, PushedIsPulledByOthersAndByUs) {
  auto pushed = push("app:1");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  EXPECT_EQ(pushed->digest, target_.digest);
  EXPECT_EQ(progress_.size(), 5U) << "the layer of both is sent once";
  EXPECT_THAT(phases(), Each(Phase::kDone));

  if (std::system("command -v skopeo >/dev/null 2>&1") == 0) {
    std::string copied = folder_ + "/copied";
    shell(cat("skopeo --insecure-policy copy -q --all --src-tls-verify=false docker://",
              reference("app:1").text(), " dir:", copied));
    for (const oci::Manifest& manifest : manifests_) {
      EXPECT_TRUE(fs::exists(cat(copied, "/", manifest.layers[1].digest.hex())));
    }
    EXPECT_EQ(digest_of(read_file(copied + "/manifest.json").value()), target_.digest);
  }

  fs::create_directory(folder_ + "/other");
  auto database = metadata::Database::open(folder_ + "/other/metadata.db").value();
  auto content = content::open_local_store(folder_ + "/other/content", *database).value();
  auto snapshots = snapshot::open_overlay(folder_ + "/other/snapshots", *database).value();
  metadata::LeaseStore leases(*database);
  image::Store images(*database);
  auto repository = client_.repository(reference("app:1")).value();
  PullOptions options;
  options.name_space = "moby";
  options.platform = {"linux", "arm64", {}, {}, {}};
  auto pulled = pull_image({leases, *content, *snapshots, images}, repository, options);
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message();
  EXPECT_EQ(pulled->image.digest, target_.digest);
}

TEST_F(ImagePushTest, WhatIsThereIsNotSent) {
  ASSERT_TRUE(push("app:1").has_value());
  name_image("app:2", target_);
  ASSERT_TRUE(push("app:2").has_value());
  EXPECT_EQ(progress_.size(), 5U);
  EXPECT_THAT(phases(), Each(Phase::kExists));
  auto repository = client_.repository(reference("app:2")).value();
  EXPECT_EQ(repository.resolve("2")->digest, target_.digest);
}

TEST_F(ImagePushTest, MountsFromOtherRepositories) {
  ASSERT_TRUE(push("app:1").has_value());
  name_image("other:1", parts_[0]);
  auto pushed = push("other:1");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  EXPECT_EQ(progress_.size(), 3U);
  EXPECT_THAT(phases(), Each(Phase::kMounted));
  EXPECT_EQ(registry_->log_lines_with("PUT /v2/team/other/blobs", 0), 0U);
}

// A source that has it not, as when that image was never pushed.
TEST_F(ImagePushTest, SendsWhatCannotBeMounted) {
  name_image("other:1", parts_[0]);
  auto pushed = push("other:1");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  EXPECT_THAT(phases(), Each(Phase::kDone));
}

TEST_F(ImagePushTest, OnePlatformOfSeveral) {
  auto pushed = push("app:1", oci::Platform{"linux", "arm64", {}, {}, {}});
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  EXPECT_EQ(pushed->digest, parts_[1].digest);
  EXPECT_EQ(progress_.size(), 3U);
  auto other = push("app:1", oci::Platform{"linux", "s390x", {}, {}, {}});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), Code::kNotFound);
  EXPECT_THAT(other.error().message(), HasSubstr("nothing here for linux/s390x"));
}

TEST_F(ImagePushTest, WhatIsMissingIsNamedBeforeAnythingIsSent) {
  Digest layer = manifests_[0].layers[0].digest;
  ASSERT_TRUE(store_->discard(layer).has_value());
  ASSERT_TRUE(store_->discard(manifests_[1].config.digest).has_value());
  auto pushed = push("app:1");
  ASSERT_FALSE(pushed.has_value());
  EXPECT_EQ(pushed.error().code(), Code::kNotFound);
  EXPECT_THAT(pushed.error().message(),
              AllOf(HasSubstr(cat("push ", reference("app:1").familiar())),
                    HasSubstr(cat("the layer ", layer.text())),
                    HasSubstr(cat("the configuration ", manifests_[1].config.digest.text()))));
  EXPECT_THAT(progress_, IsEmpty());
  ASSERT_TRUE(store_->discard(parts_[1].digest).has_value());
  EXPECT_THAT(push("app:1").error().message(),
              HasSubstr(cat("the manifest for linux/arm64 ", parts_[1].digest.text())));
  auto unknown = push("unknown:1");
  EXPECT_EQ(unknown.error().code(), Code::kNotFound) << unknown.error().message();
}

// Layers and platforms that only the registry has are left there.
TEST_F(ImagePushTest, WhatTheRegistryHasNeedNotBeHere) {
  ASSERT_TRUE(push("app:1").has_value());
  ASSERT_TRUE(store_->discard(manifests_[0].layers[0].digest).has_value());
  ASSERT_TRUE(store_->discard(parts_[1].digest).has_value());
  name_image("app:2", target_);
  auto pushed = push("app:2");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  EXPECT_EQ(pushed->digest, target_.digest);
}

TEST_F(ImagePushTest, DamagedBlobsAreForgotten) {
  const oci::Descriptor& layer = manifests_[0].layers[0];
  fs::path blob = fs::path(folder_) / "content/blobs/sha256" / layer.digest.hex();
  fs::permissions(blob, fs::perms::owner_all);
  std::ofstream(blob) << std::string(static_cast<std::size_t>(layer.size), 'y');
  auto pushed = push("app:1");
  ASSERT_FALSE(pushed.has_value());
  EXPECT_EQ(pushed.error().code(), Code::kDataLoss) << pushed.error().message();
  EXPECT_THAT(pushed.error().message(), HasSubstr(layer.digest.text()));
  EXPECT_EQ(store_->stat(layer.digest).error().code(), Code::kNotFound);
  auto repository = client_.repository(reference("app:1")).value();
  EXPECT_EQ(repository.resolve("1").error().code(), Code::kNotFound) << "no tag";
}

TEST_F(ImagePushTest, Stops) {
  std::stop_source stop;
  stop.request_stop();
  auto pushed = push("app:1", {}, stop.get_token());
  ASSERT_FALSE(pushed.has_value());
  EXPECT_EQ(pushed.error().code(), Code::kCancelled) << pushed.error().message();
}

}  // namespace
}  // namespace dhow::engine
