// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "registry/repository.h"
#include "registry/testing/repository_fixture.h"

namespace dhow::registry {
namespace {

using testing::describe;
using testing::HttpServer;
using testing::ranged;
using testing::sample;
using testing::ServerReply;
using testing::ServerRequest;
using testing::StringWriter;

class BlobTest : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    hosts_toml(cat("server = \"http://", registry_.authority(), "\"\n[host.\"http://",
                   mirror_.authority(), "\"]\n"));
  }
  Status fetch(std::int64_t offset = 0) {
    return open().fetch_blob(blob_, offset, writer_, [this](std::int64_t bytes) { seen_ = bytes; });
  }

  std::string content_ = sample(100'000);
  oci::Descriptor blob_ = describe(content_);
  StringWriter writer_;
  std::int64_t seen_ = 0;
  std::function<ServerReply(const ServerRequest&)> answer_ = [this](const ServerRequest& request) {
    return ranged(request, content_);
  };
  std::function<ServerReply(const ServerRequest&)> mirror_answer_ = [](const ServerRequest&) {
    return ServerReply{.status = 404};
  };
  HttpServer registry_{[this](const ServerRequest& request) { return answer_(request); }};
  HttpServer mirror_{[this](const ServerRequest& request) { return mirror_answer_(request); }};
};

TEST_F(BlobTest, WholeAndFromAnOffset) {
  ASSERT_TRUE(fetch().has_value());
  EXPECT_EQ(writer_.content, content_);
  EXPECT_EQ(seen_, 100'000);
  EXPECT_EQ(registry_.requests()[0].headers.get("Accept-Encoding"), "identity");
  EXPECT_EQ(registry_.requests()[0].headers.get("Range"), "");
  writer_.content.clear();
  ASSERT_TRUE(fetch(99'000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(99'000));
  EXPECT_EQ(registry_.requests()[1].headers.get("Range"), "bytes=99000-");
  std::size_t asked = registry_.requests().size();
  ASSERT_TRUE(fetch(100'000).has_value());
  EXPECT_EQ(registry_.requests().size(), asked);
  EXPECT_EQ(fetch(100'001).error().code(), Code::kInvalidArgument);
}

TEST_F(BlobTest, GoesOnWhereItBrokeOffOnAnotherHost) {
  mirror_answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    reply.cut_after = 30'000;
    return reply;
  };
  answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    if (registry_.requests().size() == 1) reply.cut_after = 20'000;
    return reply;
  };
  Status status = fetch();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(writer_.content, content_);
  EXPECT_EQ(registry_.requests()[0].headers.get("Range"), "bytes=30000-");
  EXPECT_EQ(mirror_.requests()[1].headers.get("Range"), "bytes=50000-");
}

TEST_F(BlobTest, HostWithoutRangesIsReadFromTheBeginning) {
  answer_ = [this](const ServerRequest&) {
    ServerReply reply{.body = content_};
    if (registry_.requests().size() == 1) reply.cut_after = 60'000;
    return reply;
  };
  ASSERT_TRUE(fetch().has_value());
  EXPECT_EQ(writer_.content, content_);
  EXPECT_EQ(registry_.requests()[1].headers.get("Range"), "bytes=60000-");
}

TEST_F(BlobTest, RangeRefusedIsAskedWithout) {
  answer_ = [this](const ServerRequest& request) {
    if (!request.headers.get("Range").empty()) return ServerReply{.status = 416};
    return ServerReply{.body = content_};
  };
  ASSERT_TRUE(fetch(1000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(1000));
}

TEST_F(BlobTest, RangeThatBeginsEarlierIsCutAndLaterIsRefused) {
  std::size_t first = 400;
  answer_ = [&](const ServerRequest&) {
    return ServerReply{.status = 206,
                       .headers = {{"Content-Range", cat("bytes ", first, "-99999/100000")}},
                       .body = content_.substr(first)};
  };
  ASSERT_TRUE(fetch(1000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(1000));
  first = 1001;
  EXPECT_EQ(fetch(1000).error().code(), Code::kDataLoss);
}

TEST_F(BlobTest, WrongSizesAreRefused) {
  answer_ = [this](const ServerRequest&) { return ServerReply{.body = content_ + "x"}; };
  auto longer = fetch();
  ASSERT_FALSE(longer.has_value());
  EXPECT_EQ(longer.error().code(), Code::kDataLoss);
  EXPECT_EQ(writer_.content, "");
  EXPECT_NE(longer.error().message().find("the registry has 100001 bytes, not 100000"),
            std::string::npos);
  answer_ = [this](const ServerRequest&) { return ServerReply{.body = content_.substr(1)}; };
  EXPECT_EQ(fetch().error().code(), Code::kDataLoss);
}

TEST_F(BlobTest, FailureOfTheWriterIsFinal) {
  struct Full final : BlobWriter {
    Status write(std::string_view) override {
      return fail(Code::kUnavailable, "no space left on device");
    }
  } full;
  Status status = open().fetch_blob(blob_, 0, full);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message(), cat("fetch the blob ", blob_.digest.text(),
                                          " of \"test.io/a/b\": no space left on device"));
  EXPECT_EQ(registry_.requests().size(), 1U);
}

TEST_F(BlobTest, BadLineGetsThereByProgress) {
  content_ = sample(4 << 20);
  blob_ = describe(content_);
  // More breaks than there are rounds, each after something worthwhile.
  answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    reply.cut_after = 300'000;
    return reply;
  };
  Status status = fetch();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(writer_.content, content_);
  EXPECT_EQ(registry_.requests().size(), 14U);
}

TEST_F(BlobTest, ConnectionThatIsAlwaysCutEnds) {
  answer_ = [](const ServerRequest&) { return ServerReply{.no_answer = true}; };
  EXPECT_EQ(fetch().error().code(), Code::kUnavailable);
  EXPECT_EQ(registry_.requests().size(), 4U);
}

TEST_F(BlobTest, StorageElsewhereGetsNoLogin) {
  HttpServer storage([this](const ServerRequest& request) { return ranged(request, content_); });
  answer_ = [&](const ServerRequest& request) {
    if (request.headers.get("Authorization").empty()) {
      return ServerReply{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=x"}}};
    }
    return ServerReply{.status = 307, .headers = {{"Location", storage.url("/blob?sig=x").text()}}};
  };
  hosts_toml(
      cat("server = \"http://", registry_.authority(),
          "\"\n[header]\nx-key = \"k\"\n[credentials]\nusername = \"j\"\npassword = \"p\"\n"));
  ASSERT_TRUE(fetch(10).has_value());
  EXPECT_EQ(writer_.content, content_.substr(10));
  EXPECT_EQ(registry_.requests().back().headers.get("X-Key"), "k");
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].headers.get("Authorization"), "");
  EXPECT_EQ(storage.requests()[0].headers.get("X-Key"), "");
  EXPECT_EQ(storage.requests()[0].headers.get("Range"), "bytes=10-");
}

class BlobPartTest : public BlobTest {
 protected:
  Status fetch_part(std::int64_t begin, std::int64_t end) {
    writer_.content.clear();
    return open().fetch_blob_part(blob_, begin, end, writer_);
  }
};

TEST_F(BlobPartTest, AsksForThatOnly) {
  ASSERT_TRUE(fetch_part(1000, 5000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(1000, 4000));
  EXPECT_EQ(registry_.requests().back().headers.get("Range"), "bytes=1000-4999");
  ASSERT_TRUE(fetch_part(0, 10).has_value());
  EXPECT_EQ(registry_.requests().back().headers.get("Range"), "bytes=0-9");
  ASSERT_TRUE(fetch_part(90'000, 100'000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(90'000));
  std::size_t asked = registry_.requests().size();
  ASSERT_TRUE(fetch_part(7, 7).has_value());
  EXPECT_EQ(registry_.requests().size(), asked);
  EXPECT_EQ(fetch_part(8, 7).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(fetch_part(7, 100'001).error().code(), Code::kInvalidArgument);
}

TEST_F(BlobPartTest, GoesOnWhereItBrokeOffOnAnotherHost) {
  mirror_answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    reply.cut_after = 3000;
    return reply;
  };
  ASSERT_TRUE(fetch_part(10'000, 20'000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(10'000, 10'000));
  EXPECT_EQ(registry_.requests()[0].headers.get("Range"), "bytes=13000-19999");
}

TEST_F(BlobPartTest, MoreThanWasAskedForIsLeft) {
  answer_ = [this](const ServerRequest& request) {
    ServerRequest open_ended = request;
    open_ended.headers.set("Range", "bytes=500-");
    return ranged(open_ended, content_);
  };
  ASSERT_TRUE(fetch_part(1000, 2000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(1000, 1000));
}

TEST_F(BlobPartTest, HostWithoutRangesGivesTheBeginningOnly) {
  answer_ = [this](const ServerRequest&) { return ServerReply{.body = content_}; };
  ASSERT_TRUE(fetch_part(0, 2000).has_value());
  EXPECT_EQ(writer_.content, content_.substr(0, 2000));
  Status later = fetch_part(2000, 4000);
  ASSERT_FALSE(later.has_value());
  EXPECT_EQ(later.error().code(), Code::kUnimplemented) << later.error().message();
  EXPECT_EQ(writer_.content, "");
  answer_ = [this](const ServerRequest& request) {
    if (!request.headers.get("Range").empty()) return ServerReply{.status = 416};
    return ServerReply{.body = content_};
  };
  EXPECT_EQ(fetch_part(2000, 4000).error().code(), Code::kUnimplemented);
}

TEST_F(BlobTest, ForeignLayerComesFromItsUrl) {
  HttpServer vendor([this](const ServerRequest& request) { return ranged(request, content_); });
  answer_ = [](const ServerRequest&) { return ServerReply{.status = 404}; };
  blob_.urls = {"ftp://nowhere/", vendor.url("/layer").text()};
  EXPECT_EQ(fetch().error().code(), Code::kNotFound);
  blob_.media_type = oci::media_type::kDockerForeignLayer;
  Status status = fetch();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(writer_.content, content_);
}

}  // namespace
}  // namespace dhow::registry
