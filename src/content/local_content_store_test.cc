// SPDX-License-Identifier: Apache-2.0
#include "content/local_content_store.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "base/hasher.h"
#include "content/blob_files.h"
#include "metadata/testing.h"
#include "sys/file_io.h"

namespace dhow::content {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kContent = "some content\n" + std::string(100'000, 'x');
const Digest kDigest = digest_of(kContent);

class ContentStoreTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    reopen_store();
  }
  void TearDown() override {
    store_.reset();
    DatabaseFixture::TearDown();
  }
  std::string folder() const { return folder_ + "/content"; }
  fs::path blob(const Digest& digest) const {
    return fs::path(folder()) / "blobs" / digest.algorithm() / digest.hex();
  }
  std::size_t count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(fs::path(folder()) / name), {}));
  }
  void reopen_store() {
    store_.reset();
    auto store = open_local_store(folder(), *database_);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    store_ = std::move(*store);
  }
  static CommitRequest request(const Digest& digest) {
    CommitRequest request;
    request.digest = digest;
    return request;
  }
  void put() {
    auto status = store_->put(kContent, request(kDigest));
    ASSERT_TRUE(status.has_value()) << status.error().message();
  }
  std::unique_ptr<Ingest> ingest(std::string_view name = "layer") {
    auto opened = store_->ingest(name);
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return opened ? std::move(*opened) : nullptr;
  }
  Code code_of_stat() const {
    auto info = store_->stat(kDigest);
    return info ? Code::kUnknown : info.error().code();
  }
  void overwrite(const std::string& content) {
    fs::permissions(blob(kDigest), fs::perms::owner_all);
    std::ofstream(blob(kDigest)) << content;
  }
  // As after a power loss: what was not synced may be damaged.
  void pretend_another_boot() { run({"UPDATE blob SET boot = 'before' WHERE boot IS NOT NULL"}); }

  std::unique_ptr<LocalContentStore> store_;
};

TEST_F(ContentStoreTest, BlobsAreKeptByTheirDigest) {
  put();
  auto info = store_->stat(kDigest);
  ASSERT_TRUE(info.has_value()) << info.error().message();
  EXPECT_EQ(info->size, static_cast<std::int64_t>(kContent.size()));
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
  EXPECT_EQ(read_all(store_->open(kDigest).value()).value(), kContent);
  EXPECT_EQ(store_->list()->size(), 1U);
  EXPECT_EQ(count("ingest"), 0U);
  struct stat file{};
  ASSERT_EQ(::stat(blob(kDigest).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0400U);
  put();
  EXPECT_EQ(store_->list()->size(), 1U) << "twice is once";
}

TEST_F(ContentStoreTest, Sha512TooAndEmptyContent) {
  Hasher hasher("sha512");
  ASSERT_TRUE(store_->put("", request(hasher.finish())).has_value());
  EXPECT_EQ(store_->list()->at(0).digest.algorithm(), "sha512");
  EXPECT_EQ(store_->list()->at(0).size, 0);
}

TEST_F(ContentStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(code_of_stat(), Code::kNotFound);
  EXPECT_EQ(store_->open(kDigest).error().code(), Code::kNotFound);
  EXPECT_EQ(store_->read(kDigest, 1).error().code(), Code::kNotFound);
  EXPECT_EQ(store_->sync({kDigest}).error().code(), Code::kNotFound);
  EXPECT_TRUE(store_->abort("nothing").has_value());
}

TEST_F(ContentStoreTest, LargerThanTheLimitIsOutOfRange) {
  put();
  EXPECT_EQ(store_->read(kDigest, 10).error().code(), Code::kOutOfRange);
}

TEST_F(ContentStoreTest, IngestsGoOnWhereTheyStopped) {
  ASSERT_TRUE(ingest()->write(kContent.substr(0, 40'000)).has_value());
  reopen_store();
  auto writer = ingest();
  EXPECT_EQ(writer->resumed(), 40'000);
  std::string read(5, '\0');
  EXPECT_EQ(writer->read_at(0, read).value(), 5U);
  EXPECT_EQ(read, kContent.substr(0, 5));
  ASSERT_TRUE(writer->write(kContent.substr(40'000)).has_value());
  EXPECT_EQ(writer->offset(), static_cast<std::int64_t>(kContent.size()));
  auto status = writer->commit(request(kDigest));
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
}

TEST_F(ContentStoreTest, WhatCameOutOfOrderIsFoundAgain) {
  auto end = static_cast<std::int64_t>(kContent.size());
  {
    auto writer = ingest();
    ASSERT_TRUE(writer->write(kContent.substr(0, 10'000)).has_value());
    ASSERT_TRUE(writer->write_at(50'000, kContent.substr(50'000)).has_value());
    EXPECT_EQ(writer->offset(), 10'000);
  }
  {
    reopen_store();
    auto writer = ingest();
    EXPECT_EQ(writer->offset(), 10'000);
    EXPECT_EQ(writer->resumed(), 10'000 + end - 50'000);
    EXPECT_THAT(writer->extents(), ElementsAre(Extent{0, 10'000}, Extent{50'000, end}));
    ASSERT_TRUE(writer->write_at(30'000, kContent.substr(30'000, 20'000)).has_value());
    ASSERT_TRUE(writer->write(kContent.substr(10'000, 5'000)).has_value());
  }
  auto writer = ingest();
  EXPECT_THAT(writer->extents(), ElementsAre(Extent{0, 15'000}, Extent{30'000, end}));
  ASSERT_TRUE(writer->hash_ahead().has_value());
  ASSERT_TRUE(writer->write(kContent.substr(15'000, 15'000)).has_value());
  EXPECT_EQ(writer->offset(), end);
  auto status = writer->commit(request(kDigest));
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
  EXPECT_EQ(count("ingest"), 0U);
}

// A death between the bytes and their record: they are behind the end, and in no digest.
TEST_F(ContentStoreTest, WhatWasNotRecordedIsNotThere) {
  {
    ASSERT_TRUE(ingest()->write_at(0, kContent).has_value());
  }
  fs::path folder = fs::directory_iterator(fs::path(this->folder()) / "ingest")->path();
  std::ofstream(folder / "data", std::ios::app) << "more";
  auto writer = ingest();
  EXPECT_EQ(writer->offset(), static_cast<std::int64_t>(kContent.size()));
  ASSERT_TRUE(writer->commit(request(kDigest)).has_value());
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
}

TEST_F(ContentStoreTest, DamagedRecordIsABeginningAnew) {
  {
    ASSERT_TRUE(ingest()->write_at(0, kContent).has_value());
  }
  fs::path folder = fs::directory_iterator(fs::path(this->folder()) / "ingest")->path();
  std::ofstream(folder / "extents") << "nonsense";
  EXPECT_THAT(ingest()->extents(), IsEmpty());
}

TEST_F(ContentStoreTest, GapsAreNoBlob) {
  auto writer = ingest();
  ASSERT_TRUE(writer->write("abc").has_value());
  ASSERT_TRUE(writer->write_at(10, "xyz").has_value());
  auto status = writer->commit(request(digest_of("abc")));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kDataLoss);
  EXPECT_THAT(status.error().message(), HasSubstr("bytes are missing from 3 on"));
  EXPECT_THAT(writer->extents(), IsEmpty());
  EXPECT_THAT(store_->list().value(), IsEmpty());
}

TEST_F(ContentStoreTest, OneIngestOfANameAtATime) {
  auto writer = ingest();
  auto second = store_->ingest("layer");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("ingest \"layer\" is being written"));
  EXPECT_EQ(store_->abort("layer").error().code(), Code::kUnavailable);
  EXPECT_TRUE(store_->ingest("other").has_value());
  writer.reset();
  EXPECT_TRUE(store_->abort("layer").has_value());
  EXPECT_EQ(ingest()->resumed(), 0);
}

TEST_F(ContentStoreTest, WaitsUntilAnIngestIsClosed) {
  ASSERT_TRUE(store_->wait_for_ingest("layer", {}).has_value()) << "nobody has it";
  auto writer = ingest();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(store_->wait_for_ingest("layer", stop.get_token()).error().code(), Code::kCancelled);
  std::thread closes([&] { writer.reset(); });
  EXPECT_TRUE(store_->wait_for_ingest("layer", {}).has_value());
  closes.join();
  EXPECT_NE(ingest(), nullptr);
}

TEST_F(ContentStoreTest, CommitFreesTheName) {
  auto writer = ingest();
  ASSERT_TRUE(writer->write(kContent).has_value());
  ASSERT_TRUE(writer->commit(request(kDigest)).has_value());
  EXPECT_EQ(ingest()->resumed(), 0) << "while the first one can still be read";
  std::string read(4, '\0');
  EXPECT_EQ(writer->read_at(0, read).value(), 4U);
}

// What failed to be written is in no digest either.
TEST_F(ContentStoreTest, WhatFailedIsWrittenAgain) {
  auto writer = ingest();
  struct rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small{.rlim_cur = 50'000, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto status = writer->write(kContent);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.has_value());
  ASSERT_TRUE(writer->write(kContent.substr(0, 50'000)).has_value());
  ASSERT_TRUE(writer->write(kContent.substr(50'000)).has_value());
  auto committed = writer->commit(request(kDigest));
  EXPECT_TRUE(committed.has_value()) << committed.error().message();
}

TEST_F(ContentStoreTest, WrongContentIsNeverABlob) {
  auto writer = ingest();
  ASSERT_TRUE(writer->write("other content").has_value());
  auto status = writer->commit(request(kDigest));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kDataLoss);
  EXPECT_THAT(status.error().message(), HasSubstr(kDigest.text()));
  EXPECT_THAT(status.error().message(), HasSubstr(digest_of("other content").text()));
  EXPECT_EQ(writer->offset(), 0) << "what came is of no use";
  CommitRequest sized = request(digest_of("abc"));
  sized.size = 4;
  ASSERT_TRUE(writer->write("abc").has_value());
  EXPECT_THAT(writer->commit(sized).error().message(), HasSubstr("3 bytes came, 4 were announced"));
  EXPECT_THAT(store_->list().value(), IsEmpty());
}

TEST_F(ContentStoreTest, LeasesAndReferencesComeWithTheBlob) {
  metadata::LeaseStore leases(*database_);
  ASSERT_TRUE(leases.create({.id = "pull", .created = 0, .expires = {}, .labels = {}}).has_value());
  CommitRequest wanted = request(kDigest);
  wanted.lease = "pull";
  wanted.labels = {{"a", "b"}};
  wanted.references = {{metadata::ResourceKind::kSnapshot, "chain"}};
  ASSERT_TRUE(store_->put(kContent, wanted).has_value());
  EXPECT_EQ(store_->stat(kDigest)->labels, wanted.labels);
  EXPECT_EQ(number("SELECT count(*) FROM reference WHERE target = 'chain'"), 1);
  metadata::Collector collector(*database_, store_->remover(), store_->remover());
  EXPECT_EQ(collector.collect()->blobs, 0U);
  ASSERT_TRUE(leases.remove("pull").has_value());
  EXPECT_EQ(collector.collect()->blobs, 1U);
  EXPECT_EQ(code_of_stat(), Code::kNotFound);
  EXPECT_EQ(count("trash"), 1U);
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(count("trash"), 0U);
}

TEST_F(ContentStoreTest, LeasesMayHoldABlobLater) {
  metadata::LeaseStore leases(*database_);
  ASSERT_TRUE(leases.create({.id = "a", .created = 0, .expires = {}, .labels = {}}).has_value());
  EXPECT_EQ(store_->hold(kDigest, "a").error().code(), Code::kNotFound);
  put();
  EXPECT_EQ(store_->hold(kDigest, "b").error().code(), Code::kNotFound);
  ASSERT_TRUE(store_->hold(kDigest, "a").has_value());
  metadata::Collector collector(*database_, store_->remover(), store_->remover());
  EXPECT_EQ(collector.collect()->blobs, 0U);
}

TEST_F(ContentStoreTest, ReferencesMayComeLater) {
  Digest other = digest_of("other");
  EXPECT_EQ(store_->refer(kDigest, {{metadata::ResourceKind::kBlob, "x"}}).error().code(),
            Code::kNotFound);
  put();
  ASSERT_TRUE(store_->put("other", request(other)).has_value());
  ASSERT_TRUE(store_->refer(kDigest, {{metadata::ResourceKind::kBlob, other.text()}}).has_value());
  run({"INSERT INTO image VALUES ('moby', 'app', '" + kDigest.text() + "', 'x/y', 1, 1, 1, '{}')"});
  metadata::Collector collector(*database_, store_->remover(), store_->remover());
  EXPECT_EQ(collector.collect()->blobs, 0U);
}

TEST_F(ContentStoreTest, UnknownLeaseLeavesNothing) {
  CommitRequest wanted = request(kDigest);
  wanted.lease = "none";
  auto status = store_->put(kContent, wanted);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kNotFound);
  EXPECT_EQ(code_of_stat(), Code::kNotFound);
  EXPECT_FALSE(fs::exists(blob(kDigest)));
}

TEST_F(ContentStoreTest, DamageIsFoundWhenRead) {
  put();
  overwrite(kContent.substr(1) + "y");
  auto content = store_->read(kDigest, 1 << 20);
  ASSERT_FALSE(content.has_value());
  EXPECT_EQ(content.error().code(), Code::kDataLoss);
  EXPECT_EQ(code_of_stat(), Code::kNotFound) << "forgotten, to be fetched again";
  put();
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
}

TEST_F(ContentStoreTest, VerifyFindsDamage) {
  put();
  EXPECT_TRUE(store_->verify(kDigest).has_value());
  overwrite("x" + kContent.substr(1));
  EXPECT_EQ(store_->verify(kDigest).error().code(), Code::kDataLoss);
  EXPECT_EQ(store_->verify(kDigest).error().code(), Code::kNotFound);
}

TEST_F(ContentStoreTest, TruncatedBlobsAreForgottenWhenTheStoreOpens) {
  put();
  run({"INSERT INTO image VALUES ('moby', 'app', '" + kDigest.text() + "', 'x/y', 1, 1, 1, '{}')"});
  overwrite("");
  reopen_store();
  EXPECT_EQ(code_of_stat(), Code::kNotFound);
  EXPECT_EQ(number("SELECT count(*) FROM image"), 1) << "the name stays, its content is fetched";
  put();
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
}

TEST_F(ContentStoreTest, UnsyncedBlobsOfAnotherBootAreChecked) {
  put();
  pretend_another_boot();
  std::string zeros(kContent.size(), '\0');
  overwrite(zeros);
  reopen_store();
  EXPECT_EQ(code_of_stat(), Code::kNotFound);
  put();
  pretend_another_boot();
  reopen_store();
  EXPECT_EQ(code_of_stat(), Code::kUnknown) << "whole ones stay";
  EXPECT_EQ(number("SELECT count(*) FROM blob WHERE boot IS NULL"), 1) << "and are synced now";
}

TEST_F(ContentStoreTest, SyncedBlobsAreNotHashedAgain) {
  put();
  ASSERT_TRUE(store_->sync({kDigest}).has_value());
  EXPECT_EQ(number("SELECT count(*) FROM blob WHERE boot IS NULL"), 1);
  pretend_another_boot();
  overwrite(std::string(kContent.size(), '\0'));
  reopen_store();
  EXPECT_EQ(code_of_stat(), Code::kUnknown) << "opening costs one stat a blob";
  EXPECT_EQ(store_->read(kDigest, 1 << 20).error().code(), Code::kDataLoss);
}

TEST_F(ContentStoreTest, FilesAndRowsWithoutEachOtherGo) {
  put();
  std::string stranger = blob(digest_of("stranger"));
  std::ofstream(stranger) << "stranger";
  fs::remove(blob(kDigest));
  reopen_store();
  EXPECT_FALSE(fs::exists(stranger));
  EXPECT_THAT(store_->list().value(), IsEmpty());
}

// The collector renamed the file, and its transaction never came to its end.
TEST_F(ContentStoreTest, BlobsAreBroughtBackFromTheTrash) {
  put();
  ASSERT_TRUE(store_->remover()({.name = kDigest.text(), .snapshotter = {}, .id = 0}).has_value());
  EXPECT_FALSE(fs::exists(blob(kDigest)));
  reopen_store();
  EXPECT_EQ(store_->read(kDigest, 1 << 20).value(), kContent);
}

TEST_F(ContentStoreTest, OneStoreAFolder) {
  auto second = open_local_store(folder(), *database_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
}

TEST_F(ContentStoreTest, AbandonedIngestsAreDropped) {
  ASSERT_TRUE(ingest("old")->write("x").has_value());
  auto open = ingest("open");
  ASSERT_TRUE(ingest("new")->write("x").has_value());
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(folder()) / "ingest")) {
    std::ifstream name(entry.path() / "name");
    std::string text;
    if (!(name >> text) || text == "new") continue;
    fs::last_write_time(entry.path() / "data",
                        fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(count("ingest"), 2U);
  EXPECT_EQ(ingest("new")->resumed(), 1);
  EXPECT_EQ(ingest("old")->resumed(), 0);
}

// A file system that is full: what was written before stays.
TEST_F(ContentStoreTest, FullDiskKeepsWhatWasThere) {
  auto writer = ingest();
  ASSERT_TRUE(writer->write("abc").has_value());
  struct rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  auto handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small{.rlim_cur = 1000, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto status = writer->write(std::string(5000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(writer->offset(), 3);
  writer.reset();
  EXPECT_EQ(ingest()->resumed(), 3);
}

}  // namespace
}  // namespace dhow::content
