// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_export.h"
#include "engine/image_import.h"
#include "engine/testing/content_fixture.h"
#include "oci/image_codec.h"
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
using unpack::TextSink;
using unpack::TextSource;

// A layer, a configuration and a manifest that belong together.
struct Sample {
  std::string layer = TarBuilder().folder("bin").file("bin/true", "program").finish();
  std::string config;
  std::string manifest;
  std::string index;

  Sample() {
    oci::Image image;
    image.platform = {"linux", "amd64", {}, {}, {}};
    image.diff_ids = {digest_of(layer)};
    config = oci::image_json(image);
    oci::Manifest parts;
    parts.media_type = oci::media_type::kOciManifest;
    parts.config = describe(oci::media_type::kOciConfig, config);
    parts.layers = {describe(oci::media_type::kOciLayer, layer)};
    manifest = oci::manifest_json(parts);
    oci::Index list;
    list.manifests = {describe(oci::media_type::kOciManifest, manifest)};
    list.manifests[0].annotations = {{"org.opencontainers.image.ref.name", "1.0"}};
    index = oci::index_json(list);
  }
  static oci::Descriptor describe(std::string_view type, const std::string& content) {
    oci::Descriptor descriptor;
    descriptor.media_type = type;
    descriptor.digest = digest_of(content);
    descriptor.size = static_cast<std::int64_t>(content.size());
    return descriptor;
  }
  static std::string blob(const std::string& content) {
    return cat("blobs/sha256/", digest_of(content).hex());
  }
  TarBuilder layout() const {
    TarBuilder archive;
    archive.file(blob(manifest), manifest).file(blob(config), config).file(blob(layer), layer);
    return archive.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")
        .file("index.json", index);
  }
};

class ImageArchiveTest : public ContentFixture {
 protected:
  Result<std::vector<Imported>> import(const std::string& archive, std::string repository = {}) {
    TextSource source(archive);
    return import_images(
        source, *store_,
        {.lease = "import", .repository = std::move(repository), .progress = nullptr});
  }
  void expect_fault(const std::string& archive, Code code, std::string_view message) {
    auto result = import(archive);
    ASSERT_FALSE(result.has_value()) << message;
    EXPECT_EQ(result.error().code(), code) << result.error().message();
    EXPECT_THAT(result.error().message(), HasSubstr(message));
  }
  std::string exported(const std::vector<Exported>& images) {
    TextSink sink;
    auto status =
        export_images(*store_, images, {.platform = {"linux", "amd64", {}, {}, {}}}, sink);
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return sink.text;
  }

  Sample sample_;
};

TEST_F(ImageArchiveTest, LayoutsAreImported) {
  auto images = import(sample_.layout().finish(), "docker.io/library/app");
  ASSERT_TRUE(images.has_value()) << images.error().message();
  ASSERT_EQ(images->size(), 1U);
  EXPECT_THAT(images->at(0).names, ElementsAre("docker.io/library/app:1.0"));
  EXPECT_EQ(images->at(0).target.digest, digest_of(sample_.manifest));
  EXPECT_EQ(store_->list()->size(), 3U);
  EXPECT_EQ(number("SELECT count(*) FROM reference"), 2);
  auto unnamed = import(sample_.layout().finish());
  ASSERT_TRUE(unnamed.has_value());
  EXPECT_THAT(unnamed->at(0).names, IsEmpty()) << "a tag alone is no name";
}

// Of a layout the digest is known before; of other archives after.
TEST_F(ImageArchiveTest, ProgressIsTold) {
  TarBuilder other;
  other.file("layer.tar", sample_.layer).file("config.json", sample_.config);
  other.file("manifest.json", R"([{"Config":"config.json","Layers":["layer.tar"]}])");
  for (const std::string& archive : {sample_.layout().finish(), other.finish()}) {
    std::map<ProgressPhase, std::vector<ProgressEvent>> seen;
    TextSource source(archive);
    {
      Progress progress([&](const ProgressEvent& event) {
        if (event.digest == digest_of(sample_.layer)) seen[event.phase].push_back(event);
      });
      auto images = import_images(source, *store_,
                                  {.lease = "import", .repository = {}, .progress = &progress});
      ASSERT_TRUE(images.has_value()) << images.error().message();
    }
    auto size = static_cast<std::int64_t>(sample_.layer.size());
    ASSERT_EQ(seen[ProgressPhase::kDone].size(), 1U);
    EXPECT_EQ(seen[ProgressPhase::kDone][0].total, size);
    bool is_layout = archive.find("oci-layout") != std::string::npos;
    ASSERT_EQ(seen[ProgressPhase::kReading].empty(), !is_layout);
    if (is_layout) {
      EXPECT_EQ(seen[ProgressPhase::kReading].back().bytes, size);
    }
  }
}

// The configuration and the layers have names of their own, a layer twice by a link.
TEST_F(ImageArchiveTest, DockerArchivesAreImported) {
  TarBuilder archive;
  archive.folder("abc").file("abc/layer.tar", sample_.layer).file("abc/VERSION", "1.0");
  archive.folder("def").link("def/layer.tar", "../abc/layer.tar");
  archive.file("config.json", sample_.config);
  archive.file("manifest.json",
               R"([{"Config":"config.json","RepoTags":["app:1","example.com/app:2"],)"
               R"("Layers":["def/layer.tar"]}])");
  auto images = import(archive.finish());
  ASSERT_TRUE(images.has_value()) << images.error().message();
  ASSERT_EQ(images->size(), 1U);
  EXPECT_THAT(images->at(0).names,
              UnorderedElementsAre("docker.io/library/app:1", "example.com/app:2"));
  auto text = store_->read(images->at(0).target.digest, 1 << 20);
  auto manifest = oci::parse_manifest(*text, images->at(0).target.media_type);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message();
  EXPECT_EQ(manifest->config.digest, digest_of(sample_.config));
  ASSERT_EQ(manifest->layers.size(), 1U);
  EXPECT_EQ(manifest->layers[0].digest, digest_of(sample_.layer));
  EXPECT_EQ(manifest->layers[0].media_type, oci::media_type::kDockerLayer);
}

TEST_F(ImageArchiveTest, WhatIsExportedIsImportedAgain) {
  auto images = import(sample_.layout().finish());
  ASSERT_TRUE(images.has_value());
  std::vector<Exported> wanted = {
      {{"docker.io/library/app:1", "example.com/app:2"}, images->at(0).target}};
  std::string archive = exported(wanted);
  EXPECT_TRUE(exported(wanted) == archive) << "the same images are the same bytes";
  auto again = import(archive);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  ASSERT_EQ(again->size(), 1U);
  EXPECT_THAT(again->at(0).names,
              UnorderedElementsAre("docker.io/library/app:1", "example.com/app:2"));
  EXPECT_EQ(again->at(0).target.digest, images->at(0).target.digest);
}

TEST_F(ImageArchiveTest, OtherPlatformsOfAnIndexMayBeMissing) {
  oci::Index both;
  both.manifests = {Sample::describe(oci::media_type::kOciManifest, sample_.manifest),
                    Sample::describe(oci::media_type::kOciManifest, "never pulled")};
  both.manifests[0].platform = {"linux", "amd64", {}, {}, {}};
  both.manifests[1].platform = {"linux", "arm64", {}, {}, {}};
  std::string inner = oci::index_json(both);
  oci::Index top;
  top.manifests = {Sample::describe(oci::media_type::kOciIndex, inner)};
  TarBuilder archive;
  archive.file(Sample::blob(inner), inner).file(Sample::blob(sample_.manifest), sample_.manifest);
  archive.file(Sample::blob(sample_.config), sample_.config);
  archive.file(Sample::blob(sample_.layer), sample_.layer);
  archive.file("oci-layout", "{}").file("index.json", oci::index_json(top));
  auto images = import(archive.finish());
  ASSERT_TRUE(images.has_value()) << images.error().message();
  std::string text = exported({{{"docker.io/library/app:1"}, images->at(0).target}});
  EXPECT_THAT(text, HasSubstr(cat(R"("Config":")", Sample::blob(sample_.config))));
}

TEST_F(ImageArchiveTest, FaultsAreNamedAndLeaveNothingHeld) {
  expect_fault("", Code::kDataLoss, "damaged");
  expect_fault(TarBuilder().file("x").finish(), Code::kInvalidArgument, "no image archive");
  expect_fault(std::string(3000, 'x'), Code::kDataLoss, "damaged");
  expect_fault(TarBuilder().file("../x").finish(), Code::kInvalidArgument, "\"../x\"");
  expect_fault(TarBuilder().file("index.json", sample_.index).finish(), Code::kInvalidArgument,
               "index.json without oci-layout");
  expect_fault(TarBuilder().file("oci-layout").file("index.json", sample_.index).finish(),
               Code::kNotFound, digest_of(sample_.manifest).text());
  expect_fault(TarBuilder().file(Sample::blob("a"), "b").finish(), Code::kDataLoss,
               Sample::blob("a"));
  expect_fault(TarBuilder().file("blobs/sha256/xyz", "b").finish(), Code::kInvalidArgument,
               "\"blobs/sha256/xyz\": invalid digest");
  expect_fault(TarBuilder().file("manifest.json", "[{}]").finish(), Code::kInvalidArgument,
               "manifest.json: $[0].Config: required");
  expect_fault(TarBuilder().file("manifest.json", R"([{"Config":"c"}])").finish(), Code::kNotFound,
               "the archive has no \"c\"");
  TarBuilder layers;
  layers.file("c", sample_.config).file("manifest.json", R"([{"Config":"c","Layers":[]}])");
  expect_fault(layers.finish(), Code::kInvalidArgument, "1 diff ids for 0 layers");
  TarBuilder loop;
  loop.link("c", "d").link("d", "c").file("manifest.json", R"([{"Config":"c"}])");
  expect_fault(loop.finish(), Code::kNotFound, "the archive has no \"c\"");
  ASSERT_TRUE(metadata::LeaseStore(*database_).remove("import").has_value());
  metadata::Collector collector(*database_, store_->remover(), store_->remover());
  ASSERT_TRUE(collector.collect().has_value());
  EXPECT_THAT(store_->list().value(), IsEmpty());
}

TEST_F(ImageArchiveTest, DamagedBlobsAreNotExported) {
  auto images = import(sample_.layout().finish());
  ASSERT_TRUE(images.has_value());
  fs::path file = folder_ + "/content/" + Sample::blob(sample_.layer);
  fs::permissions(file, fs::perms::owner_all);
  std::ofstream(file) << std::string(sample_.layer.size(), 'x');
  TextSink sink;
  auto status = export_images(*store_, {{{}, images->at(0).target}}, {}, sink);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kDataLoss);
  EXPECT_THAT(status.error().message(), HasSubstr(digest_of(sample_.layer).text()));
}

}  // namespace
}  // namespace dhow::engine
