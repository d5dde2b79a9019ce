// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "oci/image_codec.h"
#include "registry/repository.h"
#include "registry/testing/repository_fixture.h"

namespace dhow::registry {
namespace {

using testing::describe;
using testing::HttpServer;
using testing::sample;
using testing::ServerReply;
using testing::ServerRequest;

// A registry of one upload that can be made to fail.
class PushTest : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    hosts_toml(cat("server = \"http://", registry_.authority(), "\"\n"));
  }

  ServerReply answer(const ServerRequest& request) {
    if (override_) {
      if (auto reply = override_(request)) return *reply;
    }
    std::string path = request.path();
    if (path.ends_with("/blobs/uploads/")) {
      received_.clear();
      return {.status = 202,
              .headers = {{"Location", "/up/1?state=0"}, {"OCI-Chunk-Min-Length", least_}}};
    }
    if (path == "/up/1") return upload(request);
    if (request.method == "PUT") {
      manifests_[path] = request.body;
      ServerReply reply{.status = 201};
      if (keeps_referrers_) reply.headers.add("OCI-Subject", "yes");
      return reply;
    }
    if (request.method == "GET" && manifests_.contains(path)) {
      return {.headers = {{"Content-Type", std::string(oci::media_type::kOciIndex)}},
              .body = manifests_[path]};
    }
    return {.status = 404};
  }

  ServerReply upload(const ServerRequest& request) {
    Headers state = {{"Location", cat("/up/1?state=", received_.size())},
                     {"Range", cat("0-", received_.empty() ? 0 : received_.size() - 1)}};
    if (request.method == "GET") return {.status = 204, .headers = state};
    if (request.method == "DELETE") return {.status = 204};
    if (request.method == "PATCH") {
      std::string expected = cat(received_.size(), "-", received_.size() + request.body.size() - 1);
      if (request.headers.get("Content-Range") != expected) return {.status = 416};
      received_ += request.body;
      return {.status = 202, .headers = {{"Location", cat("/up/1?state=", received_.size())}}};
    }
    received_ += request.body;
    // The query that came with the location is kept, and the digest is added.
    bool right = request.target.find("?state=") != std::string::npos &&
                 request.target.ends_with("&digest=sha256%3A" + std::string(blob_.digest.hex())) &&
                 digest_of(received_) == blob_.digest;
    return {.status = right ? 201 : 400};
  }

  std::vector<std::string> methods() const {
    std::vector<std::string> all;
    for (const ServerRequest& request : registry_.requests()) all.push_back(request.method);
    return all;
  }
  Status push(const UploadOptions& options = {}) {
    TextBody body(content_);
    return open().upload_blob(blob_, body, options);
  }

  std::string content_ = sample(10'000);
  oci::Descriptor blob_ = describe(content_);
  std::string received_;
  std::string least_ = "0";
  bool keeps_referrers_ = false;
  std::map<std::string, std::string> manifests_;
  std::function<std::optional<ServerReply>(const ServerRequest&)> override_;
  HttpServer registry_{[this](const ServerRequest& request) { return answer(request); }};
};

using Methods = std::vector<std::string>;

TEST_F(PushTest, InOnePiece) {
  std::int64_t seen = 0;
  Status status = push({.progress = [&](std::int64_t bytes) { seen = bytes; }});
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(received_, content_);
  EXPECT_EQ(seen, 10'000);
  EXPECT_EQ(methods(), (Methods{"POST", "PUT"}));
  EXPECT_EQ(registry_.requests()[1].headers.get("Content-Type"), "application/octet-stream");
}

TEST_F(PushTest, InChunksOfTheLeastSize) {
  least_ = "4000";
  ASSERT_TRUE(push({.chunk = 100}).has_value());
  EXPECT_EQ(received_, content_);
  EXPECT_EQ(methods(), (Methods{"POST", "PATCH", "PATCH", "PATCH", "PUT"}));
  EXPECT_EQ(registry_.requests()[3].headers.get("Content-Range"), "8000-9999");
}

TEST_F(PushTest, GoesOnWithWhatIsMissing) {
  bool broken = false;
  override_ = [&](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.method != "PUT" || broken) return std::nullopt;
    broken = true;
    received_ = content_.substr(0, 6000);
    return ServerReply{.no_answer = true};
  };
  Status status = push();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(received_, content_);
  EXPECT_EQ(methods(), (Methods{"POST", "PUT", "GET", "PATCH", "PUT"}));
  EXPECT_EQ(registry_.requests()[3].headers.get("Content-Range"), "6000-9999");
}

TEST_F(PushTest, BeginsAnewWhenTheUploadIsGone) {
  int broken = 0;
  override_ = [&](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.method == "PUT" && broken == 0 && ++broken == 1) return ServerReply{.status = 503};
    if (request.method == "GET") return ServerReply{.status = 404};
    return std::nullopt;
  };
  ASSERT_TRUE(push().has_value());
  EXPECT_EQ(methods(), (Methods{"POST", "PUT", "GET", "HEAD", "POST", "PUT"}));
}

TEST_F(PushTest, SuccessWhoseAnswerWasLostIsSeen) {
  override_ = [&](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.method == "PUT") return ServerReply{.no_answer = true};
    if (request.method == "GET") return ServerReply{.status = 404};
    if (request.method == "HEAD") return ServerReply{};
    return std::nullopt;
  };
  ASSERT_TRUE(push().has_value());
  EXPECT_EQ(methods(), (Methods{"POST", "PUT", "GET", "HEAD"}));
}

TEST_F(PushTest, RefusedBlobIsAFailureAndTheUploadIsEnded) {
  override_ = [&](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.method != "PUT") return std::nullopt;
    return ServerReply{.status = 400, .body = R"({"errors":[{"code":"DIGEST_INVALID"}]})"};
  };
  Status status = push();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  EXPECT_NE(status.error().message().find("DIGEST_INVALID"), std::string::npos);
  EXPECT_EQ(methods(), (Methods{"POST", "PUT", "DELETE"}));
  blob_.size = 1;
  EXPECT_EQ(push().error().code(), Code::kInvalidArgument);
}

TEST_F(PushTest, BlobsThatAreThere) {
  EXPECT_FALSE(open().has_blob(blob_.digest).value());
  override_ = [](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.method == "HEAD") return ServerReply{};
    return std::nullopt;
  };
  EXPECT_TRUE(open().has_blob(blob_.digest).value());
}

TEST_F(PushTest, MountOfABlob) {
  int status = 201;
  override_ = [&](const ServerRequest& request) -> std::optional<ServerReply> {
    if (request.target.find("mount=") == std::string::npos) return std::nullopt;
    return ServerReply{.status = status, .headers = {{"Location", "/up/1?state=0"}}};
  };
  EXPECT_TRUE(open().mount_blob(blob_.digest, "other/repo").value());
  EXPECT_NE(registry_.requests()[0].target.find("&from=other%2Frepo"), std::string::npos);
  status = 202;
  EXPECT_FALSE(open().mount_blob(blob_.digest, "other/repo").value());
  EXPECT_EQ(registry_.requests().back().method, "DELETE");
  status = 403;
  EXPECT_FALSE(open().mount_blob(blob_.digest, "other/repo").value());
}

TEST_F(PushTest, ManifestByTagAndByDigest) {
  auto put = open().put_manifest("{}", oci::media_type::kOciManifest, "v1");
  ASSERT_TRUE(put.has_value()) << put.error().message();
  EXPECT_EQ(put->digest, digest_of("{}"));
  EXPECT_EQ(registry_.requests().back().headers.get("Content-Type"), oci::media_type::kOciManifest);
  EXPECT_EQ(manifests_["/v2/a/b/manifests/v1"], "{}");
  ASSERT_TRUE(open().put_manifest("{}", oci::media_type::kOciManifest, "").has_value());
  EXPECT_TRUE(manifests_.contains("/v2/a/b/manifests/" + put->digest.text()));
  override_ = [](const ServerRequest&) -> std::optional<ServerReply> {
    return ServerReply{.status = 201,
                       .headers = {{"Docker-Content-Digest", digest_of("other").text()}}};
  };
  EXPECT_EQ(open().put_manifest("{}", oci::media_type::kOciManifest, "v1").error().code(),
            Code::kDataLoss);
}

TEST_F(PushTest, ReferrersAreListedWhereTheRegistryDoesNot) {
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::kOciManifest;
  manifest.artifact_type = "application/sig";
  manifest.config = describe("{}", oci::media_type::kOciEmpty);
  manifest.layers = {describe("x", "text/plain")};
  manifest.subject = describe("subject", oci::media_type::kOciManifest);
  manifest.annotations["a"] = "b";
  std::string list = "/v2/a/b/manifests/" + referrers_tag(manifest.subject->digest);
  keeps_referrers_ = true;
  ASSERT_TRUE(
      open().put_manifest(oci::manifest_json(manifest), manifest.media_type, "").has_value());
  EXPECT_FALSE(manifests_.contains(list));
  keeps_referrers_ = false;
  for (int i = 0; i < 2; ++i) {  // the second time it is there already
    auto put = open().put_manifest(oci::manifest_json(manifest), manifest.media_type, "");
    ASSERT_TRUE(put.has_value()) << put.error().message();
  }
  manifest.annotations["a"] = "c";
  ASSERT_TRUE(
      open().put_manifest(oci::manifest_json(manifest), manifest.media_type, "").has_value());
  auto index = oci::parse_index(manifests_[list], oci::media_type::kOciIndex);
  ASSERT_TRUE(index.has_value());
  ASSERT_EQ(index->manifests.size(), 2U);
  EXPECT_EQ(index->manifests[0].artifact_type, "application/sig");
  EXPECT_EQ(index->manifests[1].annotations["a"], "c");
  auto found = open().referrers(manifest.subject->digest);
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(*found, index->manifests);
}

TEST_F(PushTest, OnlyHostsForPushingAreWrittenTo) {
  hosts_toml(cat("server = \"http://127.0.0.1:1\"\n[host.\"http://127.0.0.1:2\"]\n",
                 "capabilities = [\"pull\"]\n[host.\"http://", registry_.authority(),
                 "\"]\ncapabilities = [\"push\"]\n"));
  EXPECT_TRUE(push().has_value());
  hosts_toml("capabilities = [\"pull\"]\n");
  EXPECT_EQ(push().error().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace dhow::registry
