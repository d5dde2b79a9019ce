// SPDX-License-Identifier: Apache-2.0
// Pulls from a stock registry on loopback.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "base/hasher.h"
#include "base/strings.h"
#include "content/local_content_store.h"
#include "engine/image_pull.h"
#include "metadata/testing.h"
#include "oci/image_codec.h"
#include "registry/client.h"
#include "registry/testing/docker_registry.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using unpack::TarBuilder;

std::string noise(std::size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525U + 1013904223U;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

class ImagePullTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    std::string missing = registry::testing::DockerRegistry::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    DatabaseFixture::SetUp();
    std::string pattern = "/dev/shm/dhow-pull.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    fs::create_directory(place_ / "registry");
    auto started = registry::testing::DockerRegistry::start({.folder = place_ / "registry"});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    registry_ = std::move(*started);
    client_.emplace(registry::ClientOptions());
    make_image();
    open_stores();
  }
  void TearDown() override {
    close_stores();
    registry_.reset();
    if (!place_.empty()) fs::remove_all(place_);
    if (!folder_.empty()) DatabaseFixture::TearDown();
  }

  // Everything that a process has of the stores.
  void open_stores() {
    if (!database_) reopen();
    if (!client_) client_.emplace(registry::ClientOptions());
    auto content = content::open_local_store((place_ / "content").string(), *database_);
    ASSERT_TRUE(content.has_value()) << content.error().message();
    content_ = std::move(*content);
    auto snapshots = snapshot::open_overlay((place_ / "snapshots").string(), *database_);
    ASSERT_TRUE(snapshots.has_value()) << snapshots.error().message();
    snapshots_ = std::move(*snapshots);
    leases_.emplace(*database_);
    images_.emplace(*database_);
  }
  void close_stores() {
    // Its connections must not be shared with a child.
    client_.reset();
    images_.reset();
    leases_.reset();
    snapshots_.reset();
    content_.reset();
    database_.reset();
  }

  oci::Reference reference(std::string tag = "1") const {
    return {registry_->domain(), "team/app", std::move(tag), {}};
  }
  Result<registry::Repository> repository(std::string tag = "1") {
    return client_->repository(reference(std::move(tag)));
  }
  oci::Descriptor upload(std::string_view type, const std::string& content) {
    oci::Descriptor descriptor;
    descriptor.media_type = type;
    descriptor.digest = digest_of(content);
    descriptor.size = static_cast<std::int64_t>(content.size());
    registry::TextBody body(content);
    auto status = repository()->upload_blob(descriptor, body);
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return descriptor;
  }
  void make_image() {
    std::vector<std::string> archives = {
        TarBuilder().folder("a").file("a/1", noise(3'000'000, 1)).file("a/2").finish(),
        TarBuilder().folder("a").file("a/.wh.2").file("a/3", noise(2'000'000, 2)).finish(),
        TarBuilder().file("top", "top").finish()};
    oci::Image image;
    image.platform = {"linux", "amd64", {}, {}, {}};
    manifest_.media_type = oci::media_type::kOciManifest;
    for (const std::string& archive : archives) {
      image.diff_ids.push_back(digest_of(archive));
      manifest_.layers.push_back(upload(oci::media_type::kOciLayer, archive));
    }
    manifest_.config = upload(oci::media_type::kOciConfig, oci::image_json(image));
    auto put = repository()->put_manifest(oci::manifest_json(manifest_), manifest_.media_type, "1");
    ASSERT_TRUE(put.has_value()) << put.error().message();
    oci::Index index;
    index.media_type = oci::media_type::kOciIndex;
    index.manifests = {*put};
    index.manifests[0].platform = {"linux", "amd64", {}, {}, {}};
    auto put_index = repository()->put_manifest(oci::index_json(index), index.media_type, "index");
    ASSERT_TRUE(put_index.has_value()) << put_index.error().message();
    layer_ = archives[0];
  }
  Result<Pulled> pull(std::string tag = "1", PullOptions options = {},
                      std::string architecture = "amd64") {
    ImageStores stores{*leases_, *content_, *snapshots_, *images_};
    options.name_space = "moby";
    options.platform = {"linux", std::move(architecture), {}, {}, {}};
    TRY_ASSIGN(registry::Repository from, repository(std::move(tag)));
    return pull_image(stores, from, options);
  }
  void expect_whole(const Result<Pulled>& pulled) {
    ASSERT_TRUE(pulled.has_value()) << pulled.error().message();
    auto plan =
        snapshots_->view({.key = "look", .parent = pulled->snapshot, .labels = {}, .lease = {}});
    ASSERT_TRUE(plan.has_value()) << plan.error().message();
    {
      auto mounted = snapshot::mount(*plan);
      ASSERT_TRUE(mounted.has_value()) << mounted.error().message();
      EXPECT_TRUE(read_file(mounted->fd(), "a/1").value() == noise(3'000'000, 1));
      EXPECT_TRUE(read_file(mounted->fd(), "a/3").value() == noise(2'000'000, 2));
      auto folder = open_at(mounted->fd(), "a", O_RDONLY | O_DIRECTORY);
      EXPECT_THAT(list_dir(*folder).value(), UnorderedElementsAre("1", "3"));
    }
    EXPECT_TRUE(snapshots_->remove("look").has_value());
    std::vector<content::BlobInfo> blobs = content_->list().value();
    for (const content::BlobInfo& blob : blobs) {
      EXPECT_TRUE(content_->verify(blob.digest).has_value());
    }
    EXPECT_THAT(leases_->list().value(), IsEmpty());
  }
  std::string ingest_name() const { return cat("layer-", manifest_.layers[0].digest.text()); }

  fs::path place_;
  std::unique_ptr<registry::testing::DockerRegistry> registry_;
  std::optional<registry::Client> client_;
  oci::Manifest manifest_;
  std::string layer_;  // the lowest
  std::unique_ptr<content::LocalContentStore> content_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::optional<metadata::LeaseStore> leases_;
  std::optional<image::Store> images_;
};

TEST_F(ImagePullTest, BringsNamesAndKeeps) {
  auto pulled = pull();
  expect_whole(pulled);
  auto named = images_->get("moby", reference().text());
  ASSERT_TRUE(named.has_value()) << named.error().message();
  EXPECT_EQ(named->digest, pulled->image.digest);
  metadata::Collector collector(*database_, content_->remover(), snapshots_->remover());
  auto counts = collector.collect();
  ASSERT_TRUE(counts.has_value()) << counts.error().message();
  EXPECT_EQ(counts->blobs + counts->snapshots, 0U);
  ASSERT_TRUE(images_->remove("moby", reference().text()).has_value());
  counts = collector.collect();
  EXPECT_EQ(counts->blobs, 5U);
  EXPECT_EQ(counts->snapshots, 3U);
}

// The phases of each layer in their order; bytes left out.
std::map<std::string, std::vector<std::string_view>> phases_of(
    const std::vector<ProgressEvent>& events) {
  std::map<std::string, std::vector<std::string_view>> phases;
  for (const ProgressEvent& event : events) {
    auto& own = phases[event.digest.text()];
    if (own.empty() || own.back() != phase_name(event.phase)) {
      own.push_back(phase_name(event.phase));
    }
  }
  return phases;
}

TEST_F(ImagePullTest, SaysHowItGetsOn) {
  std::vector<ProgressEvent> events;
  PullOptions options;
  options.progress = [&](const ProgressEvent& event) { events.push_back(event); };
  ASSERT_TRUE(pull("1", options).has_value());
  auto phases = phases_of(events);
  EXPECT_EQ(events[0].phase, ProgressPhase::kResolving);
  for (const oci::Descriptor& layer : manifest_.layers) {
    const auto& own = phases[layer.digest.text()];
    ASSERT_GE(own.size(), 4U) << layer.digest.text();
    EXPECT_THAT(std::vector(own.begin(), own.begin() + 3),
                ElementsAre("waiting", "downloading", "verifying"));
    EXPECT_EQ(own.back(), "done");
  }
  EXPECT_EQ(phases.size(), 1 + manifest_.layers.size()) << "of nothing but layers";
  events.clear();
  ASSERT_TRUE(pull("1", options).has_value());
  for (const oci::Descriptor& layer : manifest_.layers) {
    EXPECT_THAT(phases_of(events)[layer.digest.text()], ElementsAre("waiting", "exists"));
  }
  // Blobs without their snapshots.
  while (!snapshots_->list()->empty()) {
    ASSERT_TRUE(snapshots_->remove(snapshots_->list()->back().name).has_value());
  }
  events.clear();
  ASSERT_TRUE(pull("1", options).has_value());
  EXPECT_THAT(phases_of(events)[manifest_.layers[0].digest.text()],
              ElementsAre("waiting", "unpacking", "done"));
}

TEST_F(ImagePullTest, WhatIsCompleteIsNotAskedFor) {
  ASSERT_TRUE(pull().has_value());
  std::size_t blobs = registry_->log_lines_with("GET /v2/team/app/blobs", 4);
  std::size_t manifests = registry_->log_lines_with("GET /v2/team/app/manifests", 1);
  std::size_t heads = registry_->log_lines_with("HEAD /v2/team/app/manifests", 1);
  EXPECT_EQ(blobs, 4U);
  close_stores();
  open_stores();
  expect_whole(pull());
  EXPECT_EQ(registry_->log_lines_with("HEAD /v2/team/app/manifests", heads + 1), heads + 1);
  EXPECT_EQ(registry_->log_lines_with("GET /v2/team/app/blobs"), blobs);
  EXPECT_EQ(registry_->log_lines_with("GET /v2/team/app/manifests"), manifests);
}

TEST_F(ImagePullTest, GoesOnWhereAnEarlierOneStopped) {
  {
    auto ingest = content_->ingest(ingest_name());
    ASSERT_TRUE(ingest.has_value());
    ASSERT_TRUE((*ingest)->write(std::string_view(layer_).substr(0, 2'000'000)).has_value());
  }
  expect_whole(pull());
  EXPECT_EQ(registry_->log_lines_with("\" 206 ", 1), 1U) << "only the rest was asked for";
}

TEST_F(ImagePullTest, LargeLayersComeInParts) {
  PullOptions options;
  options.split_from = 1'000'000;
  options.part = 300'000;
  expect_whole(pull("1", options));
  EXPECT_EQ(registry_->log_lines_with("\" 206 ", 11 + 7), 11U + 7U);
}

TEST_F(ImagePullTest, DamagedRestsAreFetchedAgain) {
  {
    auto ingest = content_->ingest(ingest_name());
    ASSERT_TRUE(ingest.has_value());
    ASSERT_TRUE((*ingest)->write(std::string(2'000'000, 'x')).has_value());
  }
  expect_whole(pull());
}

TEST_F(ImagePullTest, DamagedBlobsAreFetchedAgain) {
  auto first = pull();
  ASSERT_TRUE(first.has_value());
  while (!snapshots_->list()->empty()) {
    ASSERT_TRUE(snapshots_->remove(snapshots_->list()->back().name).has_value());
  }
  fs::path blob = place_ / "content/blobs/sha256" / manifest_.layers[0].digest.hex();
  fs::permissions(blob, fs::perms::owner_all);
  std::ofstream(blob) << std::string(layer_.size(), 'x');
  expect_whole(pull());
}

TEST_F(ImagePullTest, IndexesByPlatform) {
  expect_whole(pull("index"));
  auto other = pull("index", {}, "s390x");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), Code::kNotFound);
  EXPECT_THAT(other.error().message(), HasSubstr("no matching manifest for linux/s390x"));
  auto unknown = pull("none");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code(), Code::kNotFound) << unknown.error().message();
  EXPECT_EQ(images_->list("moby")->size(), 1U);
  EXPECT_THAT(leases_->list().value(), IsEmpty());
}

// The process dies at different moments of the pull; the next one finds whole things only.
TEST_F(ImagePullTest, KilledPullsAreTakenUp) {
  for (int delay = 5; delay < 120; delay += 15) {
    close_stores();
    pid_t child = ::fork();
    if (child == 0) {
      open_stores();
      std::ignore = pull();
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(delay) * 1000);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    open_stores();
    if (delay % 2 == 0) continue;  // one more death before the next pull
    std::vector<metadata::Lease> left = leases_->list().value();
    for (const metadata::Lease& lease : left) {
      ASSERT_TRUE(leases_->remove(lease.id).has_value());
    }
    expect_whole(pull());
    ASSERT_TRUE(images_->remove("moby", reference().text()).has_value());
    metadata::Collector collector(*database_, content_->remover(), snapshots_->remover());
    ASSERT_TRUE(collector.collect().has_value());
    EXPECT_THAT(content_->list().value(), IsEmpty());
    EXPECT_THAT(snapshots_->list().value(), IsEmpty());
  }
}

}  // namespace
}  // namespace dhow::engine
