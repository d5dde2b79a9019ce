// SPDX-License-Identifier: Apache-2.0
#include "registry/repository.h"

#include "base/strings.h"
#include "oci/base64.h"
#include "oci/image_codec.h"
#include "registry/content_range.h"
#include "registry/link.h"
#include "registry/testing/repository_fixture.h"

namespace dhow::registry {
namespace {

using testing::describe;
using testing::HttpServer;
using testing::ServerReply;
using testing::ServerRequest;

constexpr const char* kManifest =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]})";

// A registry and a mirror of test.io, as each test has them answer.
class ReadTest : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    hosts_toml(cat("server = \"http://", registry_.authority(), "\"\n"));
  }
  void use_mirror() {
    hosts_toml(cat("server = \"http://", registry_.authority(), "\"\n[host.\"http://",
                   mirror_.authority(), "\"]\n"));
  }

  static ServerReply manifest(std::string_view text = kManifest) {
    return {.headers = {{"Content-Type", std::string(oci::media_type::kOciManifest) + "; q=1"},
                        {"Docker-Content-Digest", digest_of(text).text()}},
            .body = std::string(text)};
  }
  static ServerReply status(int number) { return {.status = number}; }

  std::function<ServerReply(const ServerRequest&)> answer_ = [](const auto&) {
    return status(404);
  };
  std::function<ServerReply(const ServerRequest&)> mirror_answer_ = answer_;
  HttpServer registry_{[this](const ServerRequest& request) { return answer_(request); }};
  HttpServer mirror_{[this](const ServerRequest& request) { return mirror_answer_(request); }};
};

TEST_F(ReadTest, ResolveByHead) {
  answer_ = [](const ServerRequest&) { return manifest(); };
  auto found = open().resolve("latest");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(*found, describe(kManifest, oci::media_type::kOciManifest));
  auto requests = registry_.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].method, "HEAD");
  EXPECT_EQ(requests[0].target, "/v2/a/b/manifests/latest?ns=test.io");
  for (auto type : {oci::media_type::kOciIndex, oci::media_type::kOciManifest,
                    oci::media_type::kDockerList, oci::media_type::kDockerManifest}) {
    EXPECT_NE(requests[0].headers.get("Accept").find(type), std::string_view::npos) << type;
  }
}

TEST_F(ReadTest, ResolveByGetWhereHeadSaysTooLittle) {
  answer_ = [](const ServerRequest& request) {
    if (request.method == "HEAD") return status(request.path().ends_with("one") ? 405 : 200);
    return ServerReply{.headers = {{"Content-Type", "text/plain"}}, .body = kManifest};
  };
  for (const char* tag : {"one", "two"}) {
    auto found = open().resolve(tag);
    ASSERT_TRUE(found.has_value()) << found.error().message();
    EXPECT_EQ(*found, describe(kManifest, oci::media_type::kOciManifest));
  }
}

TEST_F(ReadTest, ResolveOfADigestIsThatDigest) {
  answer_ = [](const ServerRequest&) { return manifest(R"({"schemaVersion":2})"); };
  auto found = open().resolve(digest_of(kManifest).text());
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kDataLoss);
}

TEST_F(ReadTest, ErrorsSayWhatWasAsked) {
  answer_ = [](const ServerRequest&) {
    return ServerReply{.status = 404,
                       .body = R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such"}]})"};
  };
  auto found = open().fetch_manifest("latest");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kNotFound);
  EXPECT_EQ(
      found.error().message(),
      cat("fetch the manifest \"latest\" of \"test.io/a/b\": GET \"http://", registry_.authority(),
          "/v2/a/b/manifests/latest\": status 404 (not found): MANIFEST_UNKNOWN: no such"));
  EXPECT_EQ(registry_.requests().size(), 1U);
}

TEST_F(ReadTest, MirrorFirstThenTheRegistry) {
  use_mirror();
  mirror_answer_ = [](const ServerRequest& request) {
    return request.path().ends_with("mirrored") ? manifest() : status(404);
  };
  answer_ = [](const ServerRequest& request) {
    return request.path().ends_with("own") ? manifest() : status(403);
  };
  EXPECT_TRUE(open().resolve("mirrored").has_value());
  EXPECT_TRUE(registry_.requests().empty());
  EXPECT_TRUE(open().resolve("own").has_value());
  auto nowhere = open().resolve("none");
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code(), Code::kPermissionDenied);
  EXPECT_NE(nowhere.error().message().find(
                cat("status 403 (forbidden) (before: mirror \"", mirror_.authority(), "\": HEAD ")),
            std::string::npos)
      << nowhere.error().message();
}

TEST_F(ReadTest, MirrorWithAnotherContentIsPassedBy) {
  use_mirror();
  mirror_answer_ = [](const ServerRequest&) { return manifest("{\"evil\":1}"); };
  answer_ = [](const ServerRequest&) { return manifest(); };
  auto found = open().fetch_manifest(describe(kManifest));
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(found->content, kManifest);
  EXPECT_EQ(mirror_.requests().size(), 1U);
}

TEST_F(ReadTest, ManifestOfAnotherSizeIsRefused) {
  answer_ = [](const ServerRequest&) { return manifest(); };
  auto wanted = describe(kManifest);
  ++wanted.size;
  EXPECT_EQ(open().fetch_manifest(wanted).error().code(), Code::kDataLoss);
  wanted.size = 5 << 20;
  EXPECT_EQ(open().fetch_manifest(wanted).error().code(), Code::kOutOfRange);
}

TEST_F(ReadTest, ManifestAboveTheLimitIsNotRead) {
  answer_ = [](const ServerRequest&) {
    ServerReply reply = manifest();
    reply.body.resize(oci::kMaxManifest + 1, ' ');
    return reply;
  };
  EXPECT_EQ(open().fetch_manifest("latest").error().code(), Code::kOutOfRange);
}

TEST_F(ReadTest, BusyRegistryIsAskedAgain) {
  int count = 0;
  answer_ = [&](const ServerRequest&) {
    ++count;
    if (count == 1) return ServerReply{.status = 429, .headers = {{"Retry-After", "3600"}}};
    if (count == 2) return ServerReply{.no_answer = true};
    if (count == 3) return status(503);
    return manifest();
  };
  EXPECT_TRUE(open().resolve("latest").has_value());
  EXPECT_EQ(count, 4);
  count = 0;
  answer_ = [&](const ServerRequest&) {
    ++count;
    return status(429);
  };
  auto found = open().resolve("latest");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(count, 4);
}

TEST_F(ReadTest, CredentialsAreForTheirHostAlone) {
  use_mirror();
  auto asks = [](const ServerRequest& request) {
    if (!request.headers.get("Authorization").empty()) return manifest();
    return ServerReply{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}};
  };
  mirror_answer_ = asks;
  answer_ = asks;
  auto found = open(std::make_shared<FixedCredentials>(
                        "test.io", Credentials{.username = "joe", .password = "pw"}))
                   .resolve("latest");
  // The registry of test.io is a server of another name here, so nobody gets them.
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kUnauthenticated);
  hosts_toml(cat("server = \"http://", registry_.authority(),
                 "\"\n[credentials]\nusername = \"joe\"\npassword = \"pw\"\n"));
  found = open().resolve("latest");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(registry_.requests().back().headers.get("Authorization"),
            "Basic " + oci::base64_encode("joe:pw"));
  for (const ServerRequest& request : mirror_.requests()) {
    EXPECT_EQ(request.headers.get("Authorization"), "");
  }
}

TEST_F(ReadTest, LoopbackIsTriedWithTlsFirst) {
  answer_ = [](const ServerRequest&) { return manifest(); };
  auto found = open(registry_.authority() + "/a/b", nullptr).resolve("latest");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  ASSERT_EQ(registry_.requests().size(), 1U);
  EXPECT_EQ(registry_.requests()[0].target, "/v2/a/b/manifests/latest");
  EXPECT_EQ(registry_.connections(), 2U);
}

TEST_F(ReadTest, TagsOverPages) {
  answer_ = [&](const ServerRequest& request) {
    if (request.target.find("last=b") != std::string::npos) {
      return ServerReply{.body = R"({"name":"a/b","tags":["c"]})"};
    }
    return ServerReply{
        .headers = {{"Link", "<http://elsewhere.io/v2/a/b/tags/list?last=b>; rel=\"next\""}},
        .body = R"({"name":"a/b","tags":["a","b"]})"};
  };
  auto all = open().tags();
  ASSERT_TRUE(all.has_value()) << all.error().message();
  EXPECT_EQ(all->tags, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_FALSE(all->more);
  auto two = open().tags(2, "0");
  EXPECT_EQ(two->tags.size(), 2U);
  EXPECT_TRUE(two->more);
  EXPECT_NE(registry_.requests().back().target.find("n=2&last=0"), std::string::npos);
  EXPECT_EQ(open().tags(1)->tags, std::vector<std::string>{"a"});
  answer_ = [](const ServerRequest&) { return ServerReply{.body = R"({"tags":null})"}; };
  EXPECT_TRUE(open().tags()->tags.empty());
}

TEST_F(ReadTest, PageThatFollowsItselfEnds) {
  answer_ = [](const ServerRequest& request) {
    return ServerReply{.headers = {{"Link", cat("<", request.target, ">; rel=next")}},
                       .body = R"({"tags":["a"]})"};
  };
  EXPECT_EQ(open().tags().error().code(), Code::kUnavailable);
}

TEST_F(ReadTest, ReferrersByListAndByTag) {
  std::string index =
      cat(R"({"schemaVersion":2,"mediaType":")", oci::media_type::kOciIndex,
          R"(","manifests":[{"mediaType":")", oci::media_type::kOciManifest, R"(","digest":")",
          digest_of("x").text(), R"(","size":1,"artifactType":"application/sig"},{"mediaType":")",
          oci::media_type::kOciManifest, R"(","digest":")", digest_of("y").text(),
          R"(","size":1,"artifactType":"application/sbom"}]})");
  Digest subject = digest_of(kManifest);
  std::string wanted_path = "/v2/a/b/referrers/" + subject.text();
  answer_ = [&](const ServerRequest& request) {
    if (request.path() != wanted_path) return status(404);
    return ServerReply{.headers = {{"Content-Type", std::string(oci::media_type::kOciIndex)}},
                       .body = index};
  };
  EXPECT_EQ(open().referrers(subject)->size(), 2U);
  auto signatures = open().referrers(subject, "application/sig");
  ASSERT_EQ(signatures->size(), 1U);
  EXPECT_EQ(signatures->at(0).digest, digest_of("x"));
  EXPECT_NE(registry_.requests().back().target.find("artifactType=application%2Fsig"),
            std::string::npos);
  wanted_path = "/v2/a/b/manifests/sha256-" + std::string(subject.hex());
  EXPECT_EQ(open().referrers(subject, "application/sbom")->size(), 1U);
  wanted_path = "/none";
  EXPECT_TRUE(open().referrers(subject)->empty());
}

TEST(Link, Next) {
  EXPECT_EQ(next_link({R"(</a>; rel="prev", </b?x=1,2>; title="t"; rel="next")"}), "/b?x=1,2");
  EXPECT_EQ(next_link({"</a>; rel=last", "</b>;rel=next"}), "/b");
  EXPECT_EQ(next_link({R"(</a>; rel="next", </b>; rel="last")"}), "/a");
  EXPECT_EQ(next_link({"", "<", ">a<", "</a>"}), "");
}

TEST(ContentRange, Forms) {
  auto range = parse_content_range("bytes 10-19/100");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->first, 10);
  EXPECT_EQ(range->last, 19);
  EXPECT_EQ(range->total, 100);
  EXPECT_FALSE(parse_content_range("bytes 0-0/*")->total.has_value());
  for (const char* text : {"", "bytes */100", "bytes 5-4/10", "bytes 0-10/10", "0-1/2",
                           "bytes -1-2/3", "bytes 1-2", "bytes 1-2/x"}) {
    EXPECT_FALSE(parse_content_range(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace dhow::registry
