// SPDX-License-Identifier: Apache-2.0
// What a power loss leaves of blobs: after each step of their lives a copy of the disk is taken
// while it is in use, and has all that was synced and only some of the rest.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "base/hasher.h"
#include "base/strings.h"
#include "content/local_content_store.h"
#include "image/image_store.h"
#include "metadata/testing.h"
#include "support/disks.h"

namespace dhow::content {
namespace {

namespace fs = std::filesystem;
using ::dhow::testing::Disks;

std::string content_of(char name) { return std::string(200'000, name) + std::string(4096, '.'); }

// A store on a disk of its own, and what it has promised to keep.
class Machine {
 public:
  Machine(const std::string& folder, std::string_view options)
      : disks_(folder), options_(options) {}

  Status start() {
    TRY(disks_.make("first"));
    return boot("first");
  }
  // Boots from a copy of the disk as it is at this moment.
  Status lose_power() {
    TRY(disks_.copy("first", "second"));
    ingest_.reset();
    store_.reset();
    database_.reset();
    return boot("second");
  }
  Status write(char name, std::size_t from, std::size_t size) {
    if (!ingest_) {
      TRY_ASSIGN(ingest_, store_->ingest(std::string(1, name)));
    }
    return ingest_->write(std::string_view(content_of(name)).substr(from, size));
  }
  Status commit(char name) {
    CommitRequest request;
    request.digest = digest_of(content_of(name));
    TRY(ingest_->commit(request));
    ingest_.reset();
    return {};
  }
  Status put(char name) {
    CommitRequest request;
    request.digest = digest_of(content_of(name));
    return store_->put(content_of(name), request);
  }
  Status sync(char name) {
    Digest digest = digest_of(content_of(name));
    TRY(store_->sync({digest}));
    promised_.insert(digest);
    return {};
  }
  Status name(char name) {
    image::Record record;
    record.name = "docker.io/library/app:1";
    record.digest = digest_of(content_of(name));
    TRY(image::Store(*database_).put("moby", record));
    is_named_ = true;
    return {};
  }
  Status discard(char name) {
    promised_.erase(digest_of(content_of(name)));
    return store_->discard(digest_of(content_of(name)));
  }
  // What is listed is whole, what was promised is there, and what began can be brought to its end.
  Status check() {
    TRY_ASSIGN(std::vector<BlobInfo> blobs, store_->list());
    for (const BlobInfo& blob : blobs) TRY(store_->verify(blob.digest));
    for (const Digest& digest : promised_) TRY_CONTEXT(store_->stat(digest), "it was promised");
    auto files = fs::directory_iterator(at_ + "/content/blobs/sha256");
    auto count = static_cast<std::size_t>(std::distance(files, {}));
    if (count != blobs.size()) {
      return fail(Code::kInternal, cat(count, " files of ", blobs.size(), " blobs"));
    }
    if (is_named_) TRY_CONTEXT(image::Store(*database_).get("moby", "docker.io/library/app:1"), "");
    for (char name : {'a', 'b', 'c'}) {
      TRY_CONTEXT(take_up(name), cat("take up ", name));
      TRY(store_->verify(digest_of(content_of(name))));
    }
    return store_->empty_trash();
  }
  LocalContentStore& store() { return *store_; }
  metadata::Database& database() { return *database_; }

 private:
  Status boot(const std::string& disk) {
    TRY_ASSIGN(at_, disks_.mount(disk, options_));
    TRY_ASSIGN(database_, metadata::open_after_boot(cat(at_, "/metadata.db")));
    TRY_ASSIGN(store_, open_local_store(cat(at_, "/content"), *database_));
    return {};
  }
  // As a pull does: what an ingest has is gone on with, and when it was damaged, begun anew.
  Status take_up(char name) {
    std::string content = content_of(name);
    CommitRequest request;
    request.digest = digest_of(content);
    for (bool again = false;; again = true) {
      TRY_ASSIGN(std::unique_ptr<Ingest> ingest, store_->ingest(std::string(1, name)));
      TRY(ingest->write(std::string_view(content).substr(
          std::min(static_cast<std::size_t>(ingest->offset()), content.size()))));
      auto status = ingest->commit(request);
      bool damaged = !status && status.error().code() == Code::kDataLoss;
      if (!damaged || again) return status;
    }
  }

  Disks disks_;
  std::string options_;
  std::string at_;
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<LocalContentStore> store_;
  std::unique_ptr<Ingest> ingest_;
  std::set<Digest> promised_;
  bool is_named_ = false;
};

using Step = std::function<Status(Machine&)>;

const std::vector<std::pair<std::string, Step>> kLife = {
    {"half of a", [](Machine& machine) { return machine.write('a', 0, 100'000); }},
    {"all of a", [](Machine& machine) { return machine.write('a', 100'000, 200'000); }},
    {"a committed", [](Machine& machine) { return machine.commit('a'); }},
    {"a synced", [](Machine& machine) { return machine.sync('a'); }},
    {"b put", [](Machine& machine) { return machine.put('b'); }},
    {"b synced", [](Machine& machine) { return machine.sync('b'); }},
    {"b named", [](Machine& machine) { return machine.name('b'); }},
    {"c put", [](Machine& machine) { return machine.put('c'); }},
    {"c synced", [](Machine& machine) { return machine.sync('c'); }},
    {"c discarded", [](Machine& machine) { return machine.discard('c'); }},
    {"trash emptied", [](Machine& machine) { return machine.store().empty_trash(); }},
    {"c put again", [](Machine& machine) { return machine.put('c'); }},
};

class ContentPowerLossTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string missing = Disks::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    std::string pattern = ::testing::TempDir() + "/dhow-power.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string on_machine(std::string_view options, const Step& body) const {
    std::string fault = Disks::in_private([&]() -> Status {
      Machine machine(folder_, options);
      TRY(machine.start());
      return body(machine);
    });
    for (const char* disk : {"/first.img", "/second.img"}) fs::remove(folder_ + disk);
    return fault;
  }

  std::string folder_;
};

// Files that were not synced are empty with one of them, and with the other of the right size but
// without their content.
constexpr std::string_view kOrdered;
constexpr std::string_view kWriteback = ",data=writeback,nodelalloc";

class ContentPowerLossSteps : public ContentPowerLossTest,
                              public ::testing::WithParamInterface<std::string_view> {
 protected:
  // With the rows on the disk or not: SQLite's log may be there before or after what it tells of.
  void lose_power_after_each(bool rows_are_synced) {
    for (std::size_t last = 0; last < kLife.size(); ++last) {
      auto live = [&](Machine& machine) -> Status {
        for (std::size_t i = 0; i <= last; ++i) {
          TRY_CONTEXT(kLife[i].second(machine), kLife[i].first);
        }
        if (rows_are_synced) TRY(machine.database().sync());
        TRY_CONTEXT(machine.lose_power(), "recover");
        return machine.check();
      };
      EXPECT_EQ(on_machine(GetParam(), live), "") << "after \"" << kLife[last].first << "\"";
    }
  }
};

TEST_P(ContentPowerLossSteps, LeaveBlobsWholeOrGone) { lose_power_after_each(false); }

TEST_P(ContentPowerLossSteps, LeaveBlobsOfKnownRowsWholeOrGone) { lose_power_after_each(true); }

// The test's own test: without the column that names the boot the blob would be used.
TEST_P(ContentPowerLossSteps, ThatWereNotSyncedAreIndeedLost) {
  auto live = [](Machine& machine) -> Status {
    // Not by put, which empties its ingest first: such files ext4 writes when they are closed.
    TRY(machine.write('a', 0, 300'000));
    TRY(machine.commit('a'));
    TRY(machine.database().write([](metadata::Transaction& transaction) -> Status {
      TRY(transaction.run("UPDATE blob SET boot = NULL"));
      return {};
    }));
    TRY(machine.database().sync());
    TRY(machine.lose_power());
    auto verified = machine.store().verify(digest_of(content_of('a')));
    if (!verified) return {};
    return fail(Code::kInternal, "nothing was lost: this proves nothing");
  };
  EXPECT_EQ(on_machine(GetParam(), live), "");
}

INSTANTIATE_TEST_SUITE_P(All, ContentPowerLossSteps, ::testing::Values(kOrdered, kWriteback),
                         [](const auto& test) {
                           return test.param.empty() ? "Ordered" : "Writeback";
                         });

}  // namespace
}  // namespace dhow::content
