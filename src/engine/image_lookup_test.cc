// SPDX-License-Identifier: Apache-2.0
#include "engine/image_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "engine/image_filter.h"
#include "engine/image_tree.h"
#include "engine/testing/content_fixture.h"
#include "image/image_store.h"
#include "oci/image_codec.h"

namespace dhow::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::string_view kSpace = "moby";

class ImageLookupTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    images_.emplace(*database_);
  }
  // An image without layers that differs by its label.
  oci::Descriptor add(const std::string& label, const std::vector<std::string>& names) {
    oci::Image image;
    image.platform = oci::host_platform();
    image.config.labels["which"] = label;
    oci::Manifest manifest;
    manifest.media_type = oci::media_type::kOciManifest;
    manifest.config = put(oci::media_type::kOciConfig, oci::image_json(image));
    config_ = manifest.config.digest;
    oci::Descriptor target = put(oci::media_type::kOciManifest, oci::manifest_json(manifest));
    EXPECT_TRUE(hold_tree(*store_, target).has_value());
    for (const std::string& name : names) {
      image::Record record;
      record.name = name;
      record.digest = target.digest;
      record.media_type = target.media_type;
      record.size = target.size;
      EXPECT_TRUE(images_->put(kSpace, std::move(record)).has_value());
    }
    return target;
  }
  Result<ImageEntry> find(std::string_view text) {
    return find_image({*store_, *images_}, kSpace, text);
  }

  std::optional<image::Store> images_;
  Digest config_;  // of the image that was added last
};

TEST_F(ImageLookupTest, FindsAnImageByEachOfItsNames) {
  oci::Descriptor app = add("app", {"docker.io/library/app:latest", "r.io:5000/team/app:1"});
  add("other", {"docker.io/library/other:latest"});
  for (const std::string& name :
       {std::string("app"), std::string("app:latest"), std::string("docker.io/library/app"),
        std::string("r.io:5000/team/app:1"), cat("app@", app.digest.text()), app.digest.text(),
        std::string(app.digest.hex()), std::string(app.digest.hex().substr(0, 12)),
        cat("sha256:", app.digest.hex().substr(0, 5))}) {
    auto found = find(name);
    ASSERT_TRUE(found.has_value()) << name << ": " << found.error().message();
    EXPECT_EQ(found->id(), app.digest) << name;
    EXPECT_THAT(found->names, SizeIs(2)) << name;
  }
}

TEST_F(ImageLookupTest, FindsAnImageByItsConfiguration) {
  oci::Descriptor app = add("app", {"docker.io/library/app:latest"});
  auto found = find(config_.hex().substr(0, 12));
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(found->id(), app.digest);
}

TEST_F(ImageLookupTest, SaysWhatIsMissingInDockersWords) {
  oci::Descriptor app = add("app", {"docker.io/library/app:latest"});
  for (const auto& [name, message] : std::vector<std::pair<std::string, std::string>>{
           {"nothing", "No such image: nothing:latest"},
           {"app:2", "No such image: app:2"},
           {"deadbeef", "No such image: deadbeef:latest"},
           {"Not A Name", "No such image: Not A Name"},
           {cat("other@", app.digest.text()), cat("No such image: other@", app.digest.text())}}) {
    auto found = find(name);
    ASSERT_FALSE(found.has_value()) << name;
    EXPECT_EQ(found.error().code(), Code::kNotFound);
    EXPECT_EQ(found.error().message(), message);
  }
}

TEST_F(ImageLookupTest, RefusesTheBeginningOfSeveralIds) {
  std::map<char, int> first_digits;
  char twice = 0;
  for (int i = 0; twice == 0; ++i) {
    oci::Descriptor image = add(cat(i), {cat("docker.io/library/n", i, ":latest")});
    if (++first_digits[image.digest.hex().front()] == 2) twice = image.digest.hex().front();
  }
  auto found = find(std::string("sha256:") + twice);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(found.error().message(), HasSubstr("ambiguous"));
}

TEST_F(ImageLookupTest, KnowsDanglingImages) {
  oci::Descriptor image = add("app", {});
  image::Record record;
  record.name = dangling_name(image.digest);
  record.digest = image.digest;
  record.media_type = image.media_type;
  ASSERT_TRUE(images_->put(kSpace, std::move(record)).has_value());
  auto found = find(image.digest.text());
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_THAT(found->names, SizeIs(0));
}

TEST(ImagePatternTest, FitsAsGosPathMatch) {
  for (const auto& [pattern, name] :
       std::vector<std::pair<std::string_view, std::string_view>>{{"app", "app"},
                                                                  {"a*", "app"},
                                                                  {"*", "app"},
                                                                  {"a?p", "app"},
                                                                  {"[a-c]pp", "app"},
                                                                  {"[^b]pp", "app"},
                                                                  {"team/*", "team/app"},
                                                                  {"a\\*", "a*"},
                                                                  {"*:1*", "app:1.2"},
                                                                  {"**", ""}}) {
    EXPECT_TRUE(matches_pattern(pattern, name)) << pattern << " " << name;
  }
  for (const auto& [pattern, name] :
       std::vector<std::pair<std::string_view, std::string_view>>{{"app", "apps"},
                                                                  {"a*", "a/b"},
                                                                  {"*", "team/app"},
                                                                  {"[a-c", "app"},
                                                                  {"[]pp", "app"},
                                                                  {"a?p", "a/p"},
                                                                  {"a\\", "a"},
                                                                  {"", "a"},
                                                                  {"[^a]pp", "app"}}) {
    EXPECT_FALSE(matches_pattern(pattern, name)) << pattern << " " << name;
  }
}

}  // namespace
}  // namespace dhow::engine
