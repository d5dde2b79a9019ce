// SPDX-License-Identifier: Apache-2.0
#include "oci/image_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "oci/base64.h"

namespace dhow::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'c');

std::string descriptor(std::string_view type, std::string_view more = {}) {
  return cat(R"({"mediaType":")", type, R"(","digest":")", kDigest, R"(","size":7)", more, "}");
}

std::string manifest_text(std::string_view more = {}) {
  return cat(R"({"schemaVersion":2,"config":)", descriptor(media_type::kOciConfig),
             R"(,"layers":[)", descriptor(media_type::kOciLayerGzip), "]", more, "}");
}

std::string index_text(std::string_view more = {}) {
  return cat(R"({"schemaVersion":2,"manifests":[)",
             descriptor(media_type::kOciManifest,
                        R"(,"platform":{"os":"linux","architecture":"arm64","variant":"v8"})"),
             "]", more, "}");
}

TEST(ImageCodec, ManifestsAreReadAndWritten) {
  auto manifest =
      parse_manifest(manifest_text(cat(R"(,"subject":)", descriptor(media_type::kOciManifest),
                                       R"(,"annotations":{"a":"b"},"artifactType":"x/y")")),
                     media_type::kOciManifest);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message();
  EXPECT_EQ(manifest->config.digest.text(), kDigest);
  ASSERT_EQ(manifest->layers.size(), 1U);
  EXPECT_EQ(manifest->layers[0].size, 7);
  ASSERT_TRUE(manifest->subject.has_value());
  auto again = parse_manifest(manifest_json(*manifest), {});
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(manifest_json(*again), manifest_json(*manifest));
  EXPECT_EQ(again->annotations, manifest->annotations);
  EXPECT_EQ(again->subject, manifest->subject);
  EXPECT_EQ(again->artifact_type, "x/y");
}

TEST(ImageCodec, IndexesAreReadAndWritten) {
  auto index = parse_index(index_text(), media_type::kDockerList);
  ASSERT_TRUE(index.has_value()) << index.error().message();
  ASSERT_TRUE(index->manifests.at(0).platform.has_value());
  EXPECT_EQ(platform_text(*index->manifests[0].platform), "linux/arm64/v8");
  auto again = parse_index(index_json(*index), {});
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(again->manifests, index->manifests);
}

TEST(ImageCodec, CVE_2021_41190_WhatIsTwoThingsIsRefused) {
  for (std::string_view more : {R"(,"layers":[])", R"(,"config":{})"}) {
    auto either = parse_manifest_or_index(index_text(more), media_type::kOciIndex);
    ASSERT_FALSE(either.has_value());
    EXPECT_THAT(either.error().message(), HasSubstr("both an index and a manifest"));
  }
  auto served = parse_manifest_or_index(
      manifest_text(cat(R"(,"mediaType":")", media_type::kOciManifest, "\"")),
      media_type::kDockerManifest);
  ASSERT_FALSE(served.has_value());
  EXPECT_THAT(served.error().message(),
              HasSubstr("$.mediaType: \"" + std::string(media_type::kOciManifest)));
  EXPECT_FALSE(parse_manifest_or_index(index_text(), media_type::kOciManifest).has_value());
  EXPECT_FALSE(parse_manifest_or_index(manifest_text(), media_type::kOciIndex).has_value());
}

struct Fault {
  std::string text;
  std::string message;
};

class ManifestFault : public testing::TestWithParam<Fault> {};

TEST_P(ManifestFault, NamesTheField) {
  auto result = parse_manifest_or_index(GetParam().text, {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(result.error().message(), HasSubstr(GetParam().message));
}

std::string with_layer(std::string_view layer) {
  return cat(R"({"schemaVersion":2,"config":)", descriptor(media_type::kOciConfig),
             R"(,"layers":[)", layer, "]}");
}

std::string many_layers() {
  std::string layers = descriptor(media_type::kOciLayer);
  for (std::size_t i = 0; i < kMaxLayers; ++i)
    layers += cat(",", descriptor(media_type::kOciLayer));
  return with_layer(layers);
}

INSTANTIATE_TEST_SUITE_P(
    All, ManifestFault,
    testing::Values(
        Fault{"", "invalid JSON"}, Fault{"[]", "expected an object"},
        Fault{R"({"schemaVersion":1,"fsLayers":[]})", "schema version 1 is not supported"},
        Fault{R"({"schemaVersion":3,"layers":[]})", "$.schemaVersion: expected 2, found 3"},
        Fault{R"({"schemaVersion":2,"layers":[]})", "$.config: required"},
        Fault{cat(R"({"schemaVersion":2,"config":)", descriptor("a/b"), "}"), "$.layers: required"},
        Fault{with_layer("7"), "$.layers[0]: expected an object"},
        Fault{with_layer(R"({"mediaType":"a/b","size":1})"), "$.layers[0].digest: required"},
        Fault{with_layer(R"({"mediaType":"a/b","digest":"sha256:x","size":1})"),
              "$.layers[0].digest: invalid digest"},
        Fault{with_layer(cat(R"({"mediaType":"a/b","digest":")", kDigest, R"(","size":-1})")),
              "$.layers[0].size: negative"},
        Fault{with_layer(descriptor("no type")), "$.layers[0].mediaType: no media type"},
        Fault{with_layer(descriptor("a/b", R"(,"data":"!")")), "$.layers[0].data: no base64"},
        Fault{with_layer(descriptor("a/b", R"(,"data":"YQ==")")),
              "$.layers[0].data: not of the given size"},
        Fault{many_layers(), "$.layers: more than 1024"},
        Fault{std::string(kMaxManifest + 1, ' '), "larger than 4194304 bytes"},
        Fault{manifest_text(R"(,"mediaType":"text/plain")"), "no content for the media type"}));

constexpr std::string_view kImage = R"({
  "created": "2026-01-02T03:04:05Z", "architecture": "amd64", "os": "linux",
  "config": {"User": "1:2", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["A=b"],
    "Entrypoint": ["/a"], "Cmd": null, "Volumes": {"/v": {}}, "WorkingDir": "/w",
    "Labels": {"k": "l"}, "StopSignal": "SIGINT", "Shell": ["/s"], "StopTimeout": 3,
    "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}, "Unknown": 1},
  "rootfs": {"type": "layers", "diff_ids": ["sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"]},
  "history": [{"created_by": "x", "empty_layer": true}]})";

TEST(ImageCodec, ImagesAreReadAndWritten) {
  auto image = parse_image(kImage);
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_EQ(image->platform.architecture, "amd64");
  EXPECT_THAT(image->config.exposed_ports, ElementsAre("53/udp", "80/tcp"));
  EXPECT_EQ(image->config.cmd, std::nullopt);
  EXPECT_EQ(image->config.healthcheck->interval, 5);
  EXPECT_THAT(image->config.volumes, ElementsAre("/v"));
  ASSERT_EQ(image->diff_ids.size(), 1U);
  auto again = parse_image(image_json(*image));
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(image_json(*again), image_json(*image));
  EXPECT_EQ(again->history, image->history);
  EXPECT_EQ(again->config.stop_timeout, 3);
  EXPECT_EQ(again->config.healthcheck, image->config.healthcheck);
}

TEST(ImageCodec, FaultsOfImagesAreNamed) {
  EXPECT_THAT(parse_image("{}").error().message(), HasSubstr("$.os: required"));
  EXPECT_THAT(parse_image(R"({"os":"linux","architecture":"a"})").error().message(),
              HasSubstr("$.rootfs: required"));
  EXPECT_THAT(
      parse_image(R"({"os":"linux","architecture":"a","rootfs":{"type":"x"}})").error().message(),
      HasSubstr("$.rootfs.type: expected \"layers\""));
  EXPECT_THAT(
      parse_image(R"({"os":"linux","architecture":"a","config":{"Env":[1]}})").error().message(),
      HasSubstr("$.config.Env[0]"));
}

TEST(ImageTypes, LayersByTheirMediaType) {
  EXPECT_EQ(layer_compression(media_type::kOciLayer), Compression::kNone);
  EXPECT_EQ(layer_compression(media_type::kDockerLayerGzip), Compression::kGzip);
  EXPECT_EQ(layer_compression(media_type::kOciLayerZstd), Compression::kZstd);
  EXPECT_EQ(layer_compression("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
            std::nullopt);
  EXPECT_TRUE(is_foreign_layer(media_type::kDockerForeignLayer));
  EXPECT_FALSE(is_foreign_layer(media_type::kOciLayer));
}

TEST(ImageTypes, ChainIdsNameAllBelow) {
  Digest first = digest_of("a");
  Digest second = digest_of("b");
  auto chain = chain_ids({first, second});
  ASSERT_EQ(chain.size(), 2U);
  EXPECT_EQ(chain[0], first);
  EXPECT_EQ(chain[1], digest_of(first.text() + " " + second.text()));
}

TEST(ImageTypes, TheBestPlatformIsChosen) {
  auto entry = [](std::string architecture, std::string variant) {
    Descriptor result;
    result.platform = Platform{"linux", std::move(architecture), std::move(variant), {}, {}};
    return result;
  };
  Platform wanted{"linux", "amd64", "v3", {}, {}};
  Index index;
  index.manifests = {entry("arm64", ""), entry("386", ""), entry("amd64", ""), entry("amd64", "v2"),
                     entry("amd64", "v2")};
  EXPECT_EQ(choose_manifest(index, wanted), 3U);
  index.manifests = {entry("arm64", "")};
  EXPECT_EQ(choose_manifest(index, wanted), kNoManifest);
  index.manifests.emplace_back();
  EXPECT_EQ(choose_manifest(index, wanted), 1U) << "one without a platform may be it";
  index.manifests.back().annotations["vnd.docker.reference.type"] = "attestation-manifest";
  EXPECT_EQ(choose_manifest(index, wanted), kNoManifest);
}

TEST(Base64, GoesBothWays) {
  for (std::string_view text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("\xff\xfe", true), "__4=");
  EXPECT_EQ(base64_decode("__4"), "\xff\xfe");
  for (std::string_view wrong : {"A", "A===", "AA=", "A A=", "====", "AAAA="}) {
    EXPECT_EQ(base64_decode(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace dhow::oci
