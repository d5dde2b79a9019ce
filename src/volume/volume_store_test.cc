// SPDX-License-Identifier: Apache-2.0
#include "volume/volume_store.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "metadata/testing.h"
#include "sys/file_io.h"

namespace dhow::volume {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VolumeStoreTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    open();
  }
  void TearDown() override {
    store_.reset();
    DatabaseFixture::TearDown();
  }
  void open() {
    store_.reset();
    auto store = Store::open(folder_ + "/volumes", *database_, remove_tree);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    store_ = std::move(*store);
  }
  Record create(const std::string& name, const std::string& owner = {}) {
    Record wanted;
    wanted.name = name;
    wanted.owner = owner;
    auto made = store_->create(wanted);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? made->record : Record();
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(store_->path(name) + "/file") << text;
  }
  std::string text(const std::string& name) {
    return read_file(store_->path(name) + "/file").value_or("none");
  }
  void add_container(const std::string& id) {
    run({cat("INSERT INTO container (id, namespace, name, created, config, facts, state) VALUES ('",
             id, "', 'moby', '", id, "', 1, '', '', '')")});
  }
  Status use(const std::string& name, const std::string& container) {
    return database_->write([&](metadata::Transaction& transaction) {
      return Store::use(transaction, name, container);
    });
  }
  std::string places() const { return folder_ + "/volumes/"; }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    std::vector<Record> records = store_->list().value();
    for (const Record& record : records) names.push_back(record.name);
    return names;
  }

  std::unique_ptr<Store> store_;
};

TEST_F(VolumeStoreTest, CreatesOnceAndRemoves) {
  Record wanted;
  wanted.name = "data";
  wanted.labels = {{"a", "b"}};
  auto first = store_->create(wanted);
  ASSERT_TRUE(first && first->fresh);
  write("data", "x");
  wanted.labels = {};
  auto again = store_->create(wanted);
  ASSERT_TRUE(again && !again->fresh);
  EXPECT_EQ(again->record.labels.at("a"), "b");
  EXPECT_EQ(text("data"), "x");
  ASSERT_TRUE(store_->remove("data"));
  EXPECT_FALSE(fs::exists(places() + "data"));
  auto gone = store_->get("data");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().message(), "get data: no such volume");
  ASSERT_TRUE(store_->reclaim());
  EXPECT_TRUE(fs::is_empty(places() + ".trash"));
  // The same name begins with nothing.
  create("data");
  EXPECT_EQ(text("data"), "none");
}

TEST_F(VolumeStoreTest, NamesWhatNobodyNamed) {
  Record record = create("");
  EXPECT_EQ(record.name.size(), 64U);
  EXPECT_TRUE(record.is_anonymous());
  EXPECT_FALSE(create("named").is_anonymous());
}

TEST_F(VolumeStoreTest, RefusesNamesAndDrivers) {
  struct Case {
    std::string name, driver;
    Code code;
    const char* text;
  };
  run({"INSERT INTO volume (name, driver, created) VALUES ('other', 'foreign', 1)"});
  for (const Case& one :
       {Case{"a", "", Code::kInvalidArgument, "volume name is too short"},
        Case{"../x", "", Code::kInvalidArgument, "includes invalid characters"},
        Case{".x", "", Code::kInvalidArgument, "includes invalid characters"},
        Case{std::string(256, 'x'), "", Code::kInvalidArgument, "invalid"},
        Case{"xy", "nfsplug", Code::kNotFound, "plugin \"nfsplug\" not found"},
        Case{"other", "local", Code::kAlreadyExists, "volume name must be unique"}}) {
    Record wanted;
    wanted.name = one.name;
    wanted.driver = one.driver;
    auto made = store_->create(wanted);
    ASSERT_FALSE(made) << one.name;
    EXPECT_EQ(made.error().code(), one.code);
    EXPECT_THAT(made.error().message(), HasSubstr(one.text));
  }
}

TEST_F(VolumeStoreTest, StaysWhileAContainerHasIt) {
  create("data");
  add_container("one");
  ASSERT_TRUE(use("data", "one"));
  auto removed = store_->remove("data");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message(), "remove data: volume is in use - [one]");
  EXPECT_TRUE(fs::exists(store_->path("data")));
  EXPECT_THAT(store_->users("data").value(), ElementsAre("one"));
  auto lost = use("nothing", "one");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), Code::kNotFound);
  run({"DELETE FROM container"});
  EXPECT_TRUE(store_->remove("data"));
}

TEST_F(VolumeStoreTest, KnowsWhatIsForsaken) {
  for (const char* id : {"keeps", "drops", "shares", "other"}) add_container(id);
  std::string kept = create("", "keeps").name;
  std::string dropped = create("", "drops").name;
  std::string shared = create("", "shares").name;
  std::string never = create("", "died-before-its-row").name;
  ASSERT_TRUE(use(shared, "other"));
  EXPECT_THAT(store_->forsaken("").value(), ElementsAre(never));
  for (auto [id, keep] : {std::pair("keeps", true), {"drops", false}, {"shares", false}}) {
    run({cat("DELETE FROM container WHERE id = '", id, "'")});
    ASSERT_TRUE(database_->write(
        [&](metadata::Transaction& transaction) { return Store::disown(transaction, id, keep); }));
  }
  EXPECT_THAT(store_->forsaken("").value(), ::testing::UnorderedElementsAre(never, dropped));
  run({"DELETE FROM container"});
  EXPECT_THAT(store_->forsaken("").value(), ::testing::UnorderedElementsAre(never, dropped));
}

// Each is what a kill between two steps leaves.
TEST_F(VolumeStoreTest, FinishesOrUndoesWhatDied) {
  create("before");
  write("before", "x");
  create("after");
  // Removals: the folder is in the trash, and the row there still, or not any more.
  fs::rename(places() + "before", places() + ".trash/before");
  fs::rename(places() + "after", places() + ".trash/after");
  run({"DELETE FROM volume WHERE name = 'after'"});
  // Creations: the folder without its row, and the other way round.
  fs::create_directories(places() + "early/_data");
  run({"INSERT INTO volume (name, driver, created) VALUES ('late', 'local', 1)"});
  // Somebody's files.
  fs::create_directories(places() + "foreign/_data");
  std::ofstream(places() + "foreign/_data/file") << "kept";
  open();
  EXPECT_THAT(names(), ElementsAre("before", "late"));
  EXPECT_EQ(text("before"), "x");
  EXPECT_FALSE(fs::exists(places() + "after"));
  EXPECT_FALSE(fs::exists(places() + ".trash/after"));
  EXPECT_FALSE(fs::exists(places() + "early"));
  EXPECT_TRUE(fs::is_directory(store_->path("late")));
  EXPECT_EQ(text("foreign"), "kept");
  ASSERT_TRUE(store_->reclaim());
  EXPECT_TRUE(fs::is_empty(places() + ".trash"));
  // Whoever creates it gets what is there, as with docker.
  create("foreign");
  EXPECT_EQ(text("foreign"), "kept");
}

TEST_F(VolumeStoreTest, TakesInWhatWasThereBeforeNames) {
  store_.reset();
  fs::remove_all(folder_ + "/volumes");
  std::string old(64, 'a');
  std::string died(64, 'b');
  for (const std::string& place : {places() + old, places() + ".adopt/" + died + "/_data"}) {
    fs::create_directories(place);
    std::ofstream(place + "/file") << place.substr(places().size(), 1);
  }
  for (int i = 0; i < 2; ++i) {
    open();
    EXPECT_THAT(names(), ElementsAre(old, died));
    EXPECT_EQ(text(old), "a");
    EXPECT_EQ(text(died), ".");
    EXPECT_TRUE(store_->get(old)->is_anonymous());
  }
  // One of a container's own.
  fs::create_directories(folder_ + "/own");
  std::ofstream(folder_ + "/own/file") << "own";
  Record record;
  record.name = std::string(64, 'c');
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(store_->adopt(record, folder_ + "/own"));
    EXPECT_EQ(text(record.name), "own");
  }
  EXPECT_FALSE(fs::exists(folder_ + "/own"));
}

TEST_F(VolumeStoreTest, DraftsTakeTheirPlaceAtOnce) {
  create("data");
  auto fill = [&](const char* value) {
    Store::Draft draft = store_->make_draft("data").value();
    std::ofstream(places() + "data/" + draft.name + "/tree/file") << value;
    return draft;
  };
  auto folders = [&] {
    return std::distance(fs::directory_iterator(places() + "data"), fs::directory_iterator());
  };
  ASSERT_TRUE(store_->publish_draft("data", fill("first"), false));
  EXPECT_EQ(text("data"), "first");
  auto late = store_->publish_draft("data", fill("second"), false);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kFailedPrecondition);
  EXPECT_EQ(text("data"), "first");
  // Two at a time know nothing of one another.
  Store::Draft other = fill("fourth");
  ASSERT_TRUE(store_->publish_draft("data", fill("third"), true));
  EXPECT_EQ(text("data"), "third");
  ASSERT_TRUE(store_->publish_draft("data", other, true));
  EXPECT_EQ(text("data"), "fourth");
  store_->drop_draft("data", fill("dropped"));
  EXPECT_EQ(folders(), 1);
  // Its writer died.
  fill("dropped");
  open();
  EXPECT_EQ(folders(), 1);
  EXPECT_EQ(text("data"), "fourth");
}

}  // namespace
}  // namespace dhow::volume
