// SPDX-License-Identifier: Apache-2.0
// Layers from a registry that answers as the tests say.
#include "engine/layer_downloads.h"

#include <fstream>
#include <gmock/gmock.h>
#include <optional>

#include "base/strings.h"
#include "engine/testing/content_fixture.h"
#include "registry/client.h"
#include "registry/testing/repository_fixture.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using registry::testing::ranged;
using registry::testing::ServerReply;
using registry::testing::ServerRequest;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::int64_t kPartSize = std::int64_t{64} << 10;
constexpr std::int64_t kSize = 8 * kPartSize;

// Waits for what a progress says.
class Watch {
 public:
  void operator()(const ProgressEvent& event) {
    std::lock_guard lock(mutex_);
    last_ = event;
    changed_.notify_all();
  }
  void wait_for_bytes(std::int64_t bytes) {
    std::unique_lock lock(mutex_);
    bool came =
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return last_.bytes == bytes; });
    EXPECT_TRUE(came) << last_.bytes << " bytes came";
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  ProgressEvent last_;
};

class LayerDownloadsTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    std::string folder = folder_ + "/hosts/test.io";
    ASSERT_TRUE(make_dirs(folder, 0755).has_value());
    std::ofstream(folder + "/hosts.toml")
        << "server = \"http://" << server_.authority() << "\"\n[host.\"http://"
        << mirror_.authority() << "\"]\n";
    registry::ClientOptions options;
    options.http.proxies = {};
    options.hosts.folders = {folder_ + "/hosts"};
    options.retry = {.rounds = 3,
                     .first_wait = std::chrono::milliseconds(2),
                     .longest_wait = std::chrono::milliseconds(5),
                     .longest_retry_after = std::chrono::milliseconds(5)};
    client_.emplace(options);
  }
  void TearDown() override {
    repository_.reset();
    client_.reset();
    ContentFixture::TearDown();
  }

  static LayerDownloads::Options options() {
    LayerDownloads::Options options;
    options.lease = "import";
    options.split_from = 2 * kPartSize;
    options.part = kPartSize;
    return options;
  }
  std::unique_ptr<LayerDownloads> start(LayerDownloads::Options options) {
    auto reference = oci::parse_reference("test.io/a/b").value();
    if (!repository_) repository_ = client_->repository(reference).value();
    content::ContentStore& store = other_store_ ? *other_store_ : *store_;
    return std::make_unique<LayerDownloads>(store, *repository_, std::vector{layer_},
                                            std::move(options));
  }
  Status bring() { return start(options())->wait(); }
  std::string stored() { return store_->read(layer_.digest, kSize).value_or("nothing"); }
  std::string ingest_name() const { return cat("layer-", layer_.digest.text()); }
  std::vector<content::Extent> left() { return store_->ingest(ingest_name()).value()->extents(); }
  static std::vector<std::string> ranges(const registry::testing::HttpServer& server) {
    std::vector<std::string> ranges;
    for (const ServerRequest& request : server.requests()) {
      ranges.emplace_back(request.headers.get("Range"));
    }
    return ranges;
  }
  static bool begins_at(const ServerRequest& request, std::int64_t first) {
    return request.headers.get("Range").starts_with(cat("bytes=", first, "-"));
  }

  std::string content_ = registry::testing::sample(kSize);
  oci::Descriptor layer_ = registry::testing::describe(content_);
  std::function<ServerReply(const ServerRequest&)> answer_ = [this](const ServerRequest& request) {
    return ranged(request, content_);
  };
  std::function<ServerReply(const ServerRequest&)> mirror_answer_ = [](const ServerRequest&) {
    return ServerReply{.status = 404};
  };
  registry::testing::HttpServer server_{
      [this](const ServerRequest& request) { return answer_(request); }};
  registry::testing::HttpServer mirror_{
      [this](const ServerRequest& request) { return mirror_answer_(request); }};
  std::optional<registry::Client> client_;
  std::optional<registry::Repository> repository_;
  std::unique_ptr<content::ContentStore> other_store_;
};

TEST_F(LayerDownloadsTest, LargeLayersComeInPartsAndAreReadInOrder) {
  auto downloads = start(options());
  auto reader = downloads->open(layer_);
  ASSERT_TRUE(reader.has_value()) << reader.error().message();
  std::string read;
  while (true) {
    auto piece = (*reader)->next();
    ASSERT_TRUE(piece.has_value()) << piece.error().message();
    if (piece->empty()) break;
    read += *piece;
  }
  EXPECT_EQ(read, content_);
  ASSERT_TRUE(downloads->wait().has_value());
  EXPECT_EQ(stored(), content_);
  std::vector<std::string> expected;
  for (std::int64_t at = 0; at < kSize; at += kPartSize) {
    expected.push_back(cat("bytes=", at, "-", at + kPartSize - 1));
  }
  EXPECT_THAT(ranges(server_), ::testing::UnorderedElementsAreArray(expected));
  EXPECT_LE(server_.connections(), 4U);
  EXPECT_GE(server_.connections(), 2U);
}

TEST_F(LayerDownloadsTest, SmallLayersComeInOne) {
  LayerDownloads::Options larger = options();
  larger.split_from = kSize + 1;
  ASSERT_TRUE(start(larger)->wait().has_value());
  EXPECT_THAT(ranges(server_), ElementsAre(""));
  EXPECT_EQ(stored(), content_);
}

TEST_F(LayerDownloadsTest, WhatCameOutOfOrderIsNotFetchedAgain) {
  answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    if (begins_at(request, 0) || begins_at(request, 3 * kPartSize)) {
      reply.content_length = reply.body.size();
      reply.body.resize(10'000);
      reply.hang = true;
    }
    return reply;
  };
  {
    Watch watch;
    Progress progress([&](const ProgressEvent& event) { watch(event); },
                      std::chrono::milliseconds(1));
    progress.expect(layer_.digest, layer_.size, 1);
    LayerDownloads::Options watched = options();
    watched.progress = &progress;
    auto downloads = start(watched);
    watch.wait_for_bytes(6 * kPartSize + 20'000);
    downloads->stop();
    auto ended = downloads->wait();
    ASSERT_FALSE(ended.has_value());
    EXPECT_EQ(ended.error().code(), Code::kCancelled) << ended.error().message();
  }
  EXPECT_THAT(left(), ElementsAre(content::Extent{0, 10'000},
                                  content::Extent{kPartSize, 3 * kPartSize + 10'000},
                                  content::Extent{4 * kPartSize, kSize}));
  std::size_t before = server_.requests().size();
  answer_ = [this](const ServerRequest& request) { return ranged(request, content_); };
  LayerDownloads::Options small = options();
  small.split_from = kPartSize;
  ASSERT_TRUE(start(small)->wait().has_value());
  EXPECT_EQ(stored(), content_);
  auto asked = ranges(server_);
  asked.erase(asked.begin(), asked.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_THAT(asked,
              UnorderedElementsAre(cat("bytes=10000-", kPartSize - 1),
                                   cat("bytes=", 3 * kPartSize + 10'000, "-", 4 * kPartSize - 1)));
}

TEST_F(LayerDownloadsTest, HostWithoutRangesGivesItInOne) {
  answer_ = [this](const ServerRequest&) { return ServerReply{.body = content_}; };
  auto status = bring();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(stored(), content_);
}

TEST_F(LayerDownloadsTest, PartThatFailsIsTriedAgain) {
  int failures = 0;
  answer_ = [&](const ServerRequest& request) {
    if (begins_at(request, 2 * kPartSize) && failures++ < 2) return ServerReply{.status = 500};
    return ranged(request, content_);
  };
  auto status = bring();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(failures, 3);
  EXPECT_EQ(stored(), content_);
}

TEST_F(LayerDownloadsTest, PartThatCannotBeHadFailsTheLayerAndKeepsTheOthers) {
  answer_ = [this](const ServerRequest& request) {
    if (begins_at(request, 7 * kPartSize)) return ServerReply{.status = 503};
    return ranged(request, content_);
  };
  auto status = bring();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kUnavailable) << status.error().message();
  EXPECT_THAT(store_->list().value(), IsEmpty());
  auto there = left();
  ASSERT_FALSE(there.empty());
  EXPECT_GE(there.front().end, kPartSize);
  std::size_t before = server_.requests().size();
  answer_ = [this](const ServerRequest& request) { return ranged(request, content_); };
  ASSERT_TRUE(bring().has_value());
  EXPECT_LT(server_.requests().size() - before, 8U);
  EXPECT_EQ(stored(), content_);
}

TEST_F(LayerDownloadsTest, PartsOfOneHostGoOnAtAnother) {
  mirror_answer_ = [this](const ServerRequest& request) {
    ServerReply reply = ranged(request, content_);
    reply.cut_after = 20'000;
    return reply;
  };
  auto status = bring();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(stored(), content_);
  EXPECT_THAT(ranges(server_), SizeIs(8));
  EXPECT_THAT(ranges(server_), ::testing::Contains(cat("bytes=20000-", kPartSize - 1)));
}

TEST_F(LayerDownloadsTest, WrongBytesOfAnEarlierAttemptAreFetchedAgain) {
  {
    auto ingest = store_->ingest(ingest_name()).value();
    ASSERT_TRUE(ingest->write_at(2 * kPartSize, std::string(kPartSize, 'x')).has_value());
  }
  auto status = bring();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(stored(), content_);
  EXPECT_THAT(ranges(server_), SizeIs(7 + 8));
}

// Another pull ends between the look into the store and the claim of the ingest.
class LandingStore final : public content::ContentStore {
 public:
  LandingStore(content::ContentStore& store, std::function<void()> before_claim)
      : store_(store), before_claim_(std::move(before_claim)) {}
  Result<content::BlobInfo> stat(const Digest& d) const override { return store_.stat(d); }
  Result<Fd> open(const Digest& d) const override { return store_.open(d); }
  Result<std::string> read(const Digest& d, std::size_t n) override { return store_.read(d, n); }
  Result<std::vector<content::BlobInfo>> list() const override { return store_.list(); }
  Result<std::unique_ptr<content::Ingest>> ingest(std::string_view name) override {
    before_claim_();
    return store_.ingest(name);
  }
  Status wait_for_ingest(std::string_view name, std::stop_token stop) override {
    return store_.wait_for_ingest(name, stop);
  }
  Status abort(std::string_view name) override { return store_.abort(name); }
  Status hold(const Digest& d, const std::string& lease) override { return store_.hold(d, lease); }
  Status verify(const Digest& d) override { return store_.verify(d); }
  Status refer(const Digest& d, const std::vector<metadata::Resource>& needed) override {
    return store_.refer(d, needed);
  }
  Status discard(const Digest& d) override { return store_.discard(d); }
  Status sync(const std::vector<Digest>& digests) override { return store_.sync(digests); }

 private:
  content::ContentStore& store_;
  std::function<void()> before_claim_;
};

TEST_F(LayerDownloadsTest, WhatLandsBeforeTheClaimIsNotFetched) {
  other_store_ = std::make_unique<LandingStore>(*store_, [this] {
    content::CommitRequest request;
    request.digest = layer_.digest;
    ASSERT_TRUE(store_->put(content_, request).has_value());
  });
  auto downloads = start(options());
  ASSERT_TRUE(downloads->wait().has_value());
  EXPECT_THAT(server_.requests(), IsEmpty());
  EXPECT_THAT(mirror_.requests(), IsEmpty());
  EXPECT_EQ(number("SELECT count(*) FROM lease_resource"), 1) << "the lease holds it";
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_TRUE(downloads->open(layer_).has_value());
}

}  // namespace
}  // namespace dhow::engine
